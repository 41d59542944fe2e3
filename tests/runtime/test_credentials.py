"""Registry credentials: the most special entry counts, and a login counts at once."""

import base64
import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from appliance.domain.errors import ImageFailure, StoreFailure
from appliance.runtime.credentials import Credentials


@contextmanager
def no_file_larger_than(size_bytes: int) -> Iterator[None]:
    """The kernel refuses more, as a full disk does; without its signal, Python raises OSError."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def write(path: Path, **logins: str) -> Credentials:
    auths = {
        host: {"auth": base64.b64encode(login.encode()).decode()} for host, login in logins.items()
    }
    path.write_text(json.dumps({"auths": auths}))
    return Credentials(path)


def user(credentials: Credentials, reference: str) -> str | None:
    header = credentials.header(reference).get("X-Registry-Auth")
    if header is None:
        return None
    name: str = json.loads(base64.urlsafe_b64decode(header))["username"]
    return name


def test_the_most_special_entry_counts(tmp_path: Path) -> None:
    logins = {
        "reg.test:5000": "host:x",
        "reg.test:5000/team": "team:x",
        "reg.test:5000/team/app": "app:x",
    }
    credentials = write(tmp_path / "auth.json", **logins)
    assert user(credentials, "reg.test:5000/team/app:1.2") == "app"
    assert user(credentials, "reg.test:5000/team/app@sha256:abc") == "app"
    assert user(credentials, "reg.test:5000/team/other:1") == "team"
    assert user(credentials, "reg.test:5000/x:1") == "host"
    assert user(credentials, "reg.test/x:1") is None


def test_docker_hub_goes_by_its_old_name_too(tmp_path: Path) -> None:
    credentials = write(tmp_path / "auth.json", **{"https://index.docker.io/v1/": "hub:x"})
    assert user(credentials, "docker.io/library/nginx:latest") == "hub"
    assert user(credentials, "ghcr.io/a/b:1") is None


def test_a_password_may_hold_colons(tmp_path: Path) -> None:
    header = write(tmp_path / "auth.json", host="ada:a:b:c").header("host/x:1")
    login = json.loads(base64.urlsafe_b64decode(header["X-Registry-Auth"]))
    assert login == {"username": "ada", "password": "a:b:c"}


def test_a_file_that_is_not_there_yet_is_no_login(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    credentials = Credentials(path)
    assert credentials.header("host/x:1") == {}
    write(path, host="ada:x")
    assert user(credentials, "host/x:1") == "ada"


def test_a_write_without_space_says_so_and_leaves_no_password_lying_about(tmp_path: Path) -> None:
    credentials = write(tmp_path / "auth.json", host="ada:x")
    written = (tmp_path / "auth.json").read_bytes()
    with no_file_larger_than(20), pytest.raises(StoreFailure, match="can't be written"):
        credentials.put("other", "bob", "secret")
    assert [path.name for path in tmp_path.iterdir()] == ["auth.json"]
    assert (tmp_path / "auth.json").read_bytes() == written


def test_what_a_kill_left_half_written_goes_with_the_next_write(tmp_path: Path) -> None:
    (tmp_path / ".auth.json.new").write_text("half a pass")
    Credentials(tmp_path / "auth.json").put("host", "ada", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["auth.json"]
    assert (tmp_path / "auth.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", '{"auths": {"host": {"auth": "?"}}}', '{"auths": null}',
        '{"auths": {"host": null}}', '{"auths": {"host": {"auth": null}}}',
    ],
)  # fmt: skip
def test_a_file_that_is_no_login_file_is_told_without_its_content(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "auth.json"
    path.write_text(text)
    credentials = Credentials(path)
    with pytest.raises(ImageFailure) as caught:
        credentials.header("host/x:1")
    assert caught.value.code == "registry_unauthorized"
    assert str(path) in str(caught.value)
    for act in (credentials.logins, partial(credentials.put, "other", "ada", "x")):
        with pytest.raises(StoreFailure, match="can't be read"):
            act()
    assert path.read_text() == text
