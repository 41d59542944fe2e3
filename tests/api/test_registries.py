"""Logins at registries: set, shown without the password, used by the next pull, forgotten."""

import stat
from pathlib import Path

import pytest

from appliance.runtime.credentials import Credentials
from tests.api.served import Caller, field_errors, problem

pytestmark = pytest.mark.anyio
LOGIN = {"username": "robot", "password": "hush-hush"}


async def test_a_login_is_kept_for_pulls_and_never_shows_its_password(
    ada: Caller, tmp_path: Path
) -> None:
    made = await ada.http.put("/registries/registry.example:5000", json=LOGIN)
    assert made.json() == {"registry": {"host": "registry.example:5000", "username": "robot"}}
    again = await ada.http.put("/registries/docker.io", json={**LOGIN, "username": "other"})
    assert again.status_code == 200
    listed = await ada.http.get("/registries")
    assert [r["host"] for r in listed.json()["registries"]] == [
        "docker.io", "registry.example:5000",
    ]  # fmt: skip
    assert "hush" not in made.text + listed.text
    file = tmp_path / "auth.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Credentials(file).header("registry.example:5000/team/app:1")


async def test_one_that_is_forgotten_is_not_used_any_more(ada: Caller, tmp_path: Path) -> None:
    await ada.http.put("/registries/registry.example", json=LOGIN)
    assert (await ada.http.delete("/registries/registry.example")).json() == {"success": True}
    assert Credentials(tmp_path / "auth.json").header("registry.example/app:1") == {}
    problem(await ada.http.delete("/registries/registry.example"), 404)
    assert await ada.get("/registries") == {"registries": []}


async def test_what_podman_wrote_into_the_file_stays(ada: Caller, tmp_path: Path) -> None:
    (tmp_path / "auth.json").write_text('{"auths": {"a.example": {}}, "credHelpers": {"x": "y"}}')
    await ada.http.put("/registries/b.example", json=LOGIN)
    assert '"credHelpers": {"x": "y"}' in (tmp_path / "auth.json").read_text()
    assert len((await ada.get("/registries"))["registries"]) == 2


async def test_a_file_that_is_none_is_told_and_left_alone(ada: Caller, tmp_path: Path) -> None:
    (tmp_path / "auth.json").write_text("broken")
    for answer in (
        await ada.http.get("/registries"),
        await ada.http.put("/registries/b.example", json=LOGIN),
    ):
        assert problem(answer, 503)["code"] == "store_error"
    assert (tmp_path / "auth.json").read_text() == "broken"


@pytest.mark.parametrize("host", ["UPPER.example", "a_b", "-a", "a.example:port", "a.example:1:2"])
async def test_a_host_that_is_none_is_refused(ada: Caller, host: str) -> None:
    assert field_errors(await ada.http.put(f"/registries/{host}", json=LOGIN)).keys() == {"host"}


async def test_wrong_fields_never_repeat_the_password(ada: Caller) -> None:
    body = {"username": "a:b", "password": "hush" * 3000}
    answer = await ada.http.put("/registries/a.example", json=body)
    assert field_errors(answer).keys() == {"username", "password"}
    assert "hush" not in answer.text


async def test_only_admins_see_and_set_them(bob: Caller, tmp_path: Path) -> None:
    problem(await bob.http.get("/registries"), 403)
    problem(await bob.http.put("/registries/a.example", json=LOGIN), 403)
    problem(await bob.http.delete("/registries/a.example"), 403)
    assert not (tmp_path / "auth.json").exists()
