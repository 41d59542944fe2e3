"""``packaging/up.sh`` and ``down.sh``: from a checkout to a page that answers, again and again."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.box import ROOT, Box, drop_firewall
from tests.podman_harness import remove_lab

pytestmark = pytest.mark.podman
INSTALL_S = 300


@pytest.fixture(scope="module")
def place() -> Iterator[Box]:
    """Where up.sh is told to put everything; the commands of a box, none of its processes."""
    made = Box(Path(tempfile.mkdtemp(prefix="nnup-", dir="/tmp")))
    try:
        yield made
        script(made, "down.sh")
        made.podman("rm", "--all", "--force", "--time=0", "--volumes")
        made.podman("network", "prune", "--force")
        drop_firewall(made)
    finally:
        script(made, "down.sh")
        remove_lab(made.top, made.pool)


def script(
    place: Box, name: str, *arguments: str, unset: str = "PYTHONPATH"
) -> "subprocess.CompletedProcess[str]":
    environ = {k: v for k, v in place.environ.items() if k not in ("PYTHONPATH", unset)}
    places = {"NEURANET_VENV": str(place.top / "venv"), "NEURANET_LINK": str(link(place))}
    return subprocess.run(
        [ROOT / "packaging" / name, *arguments], cwd=place.top, text=True, check=False,
        env={**environ, **places}, timeout=INSTALL_S,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def link(place: Box) -> Path:
    return place.top / "local" / "bin" / "appliance"


def did(place: Box, name: str) -> str:
    done = script(place, name)
    assert done.returncode == 0, done.stdout
    return done.stdout


def answering_url(place: Box, said: str) -> str:
    """The address that up.sh says answers; it does."""
    [url] = re.findall(r"^endpoint: (\S+) answers$", said, re.MULTILINE)
    assert place.visit(f"{url}/").status_code == 200
    return str(url)


def containers(place: Box) -> list[str]:
    return place.podman("ps", "--no-trunc", "--format={{.ID}}").splitlines()


@pytest.fixture(scope="module")
def up(place: Box) -> str:
    """What the first run says."""
    return did(place, "up.sh")


def test_the_first_run_deploys_welcome_which_answers(place: Box, up: str) -> None:
    assert re.search(r"^welcome: dep_\w+ is running$", up, re.MULTILINE), up
    assert "admin: added admin@localhost" in up
    answering_url(place, up)
    assert len(containers(place)) == 1


def test_another_run_changes_nothing_and_says_so(place: Box, up: str) -> None:
    before = containers(place)
    [pid] = re.findall(r"^server: started \(pid (\d+)\)", up, re.MULTILINE)
    again = did(place, "up.sh")
    for line in (
        "packages: all there", f"appliance: installed in {place.top}/venv",
        f"server: runs already (pid {pid})", "admin: there is one",
        "welcome: deployed already",
    ):  # fmt: skip
        assert line in again.splitlines()
    assert answering_url(place, again) == answering_url(place, up)
    assert containers(place) == before


def test_appliance_is_a_command_but_never_in_place_of_another(place: Box, up: str) -> None:
    assert f"command: {link(place)}" in up
    known = subprocess.run([link(place), "--help"], capture_output=True, text=True, check=True)
    assert "Usage: appliance" in known.stdout
    link(place).unlink()
    link(place).write_text("another")
    assert f"command: {link(place)} is another one" in did(place, "up.sh")
    assert link(place).read_text() == "another"


def test_down_leaves_the_container_running_and_up_takes_it_up(place: Box, up: str) -> None:
    before = containers(place)
    assert "server: stopped" in did(place, "down.sh")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{place.url}/healthz")
    assert containers(place) == before
    assert did(place, "down.sh") == "server: does not run\n"
    again = did(place, "up.sh")
    assert "welcome: deployed already" in again
    assert answering_url(place, again) == answering_url(place, up)
    assert containers(place) == before


@pytest.fixture
def old(place: Box) -> Iterator[Box]:
    """Ubuntu 22.04's Podman comes first on the way to programs, as far as its version goes."""
    podman = place.top / "bin" / "podman"
    podman.parent.mkdir()
    podman.write_text("#!/bin/sh\necho podman version 3.4.4\n")
    podman.chmod(0o755)
    way = f"{podman.parent}:{os.environ['PATH']}"
    yield Box(place.top, extra={"PATH": way, "APPLIANCE_DATA_DIR": str(place.top / "other")})
    shutil.rmtree(podman.parent)


def test_a_podman_that_is_too_old_is_refused_in_words(old: Box, up: str) -> None:
    assert up
    tried = script(old, "up.sh")
    assert tried.returncode == 1
    assert "failed: this system's Podman is 3.4.4, 4.3 or newer is needed" in tried.stdout
    served = old.cli("serve")
    assert served.returncode == 1
    assert "can't run: podman version 3.4.4: 4.3 or newer is needed" in served.stderr


def test_serve_runs_in_the_foreground_unless_it_runs_already(place: Box, up: str) -> None:
    assert up
    refused = script(place, "up.sh", "--serve")
    assert refused.returncode == 1
    assert "failed: it runs already (pid " in refused.stdout
    assert script(place, "up.sh", "--nonsense").returncode == 2


def test_addresses_come_from_the_settings_wherever_they_are(place: Box, up: str) -> None:
    assert up
    did(place, "down.sh")
    (place.data / "appliance.toml").write_text(f'listen_http = "127.0.0.1:{place.port}"\n')
    again = script(place, "up.sh", unset="APPLIANCE_LISTEN_HTTP")
    assert again.returncode == 0, again.stdout
    assert f"The page and the API are at http://127.0.0.1:{place.port} " in again.stdout
    answering_url(place, again.stdout)
