"""What admins see and take of the machine: its settings, a backup."""

import pytest

from tests.api.served import PREFIX, Caller, Served, problem
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_settings_are_shown_with_their_help_and_source(ada: Caller) -> None:
    settings = {s["name"]: s for s in (await ada.get("/settings"))["settings"]}
    assert settings["domain"] == {
        "name": "domain", "value": "localhost", "source": "default",
        "help": "Deployments get their host names under this one.",
    }  # fmt: skip
    assert settings["data_dir"]["source"] == "--data-dir"


async def test_a_backup_comes_as_a_file_and_is_on_record(ada: Caller) -> None:
    answer = await ada.http.post("/backup")
    assert answer.content.startswith(b"SQLite format 3")
    assert answer.headers["content-type"] == "application/vnd.sqlite3"
    assert "appliance.db" in answer.headers["content-disposition"]
    [entry] = (await ada.get("/audit"))["entries"]
    assert (entry["action"], entry["actorId"]) == ("make_backup", ada.user_id)


async def test_a_container_that_no_deployment_knows_is_told_on_the_machine_itself(
    served: Served, ada: Caller
) -> None:
    owner = await served.owner()

    async def found() -> dict[str, str]:
        [check] = (await owner.get("/doctor/observed"))["checks"]
        return dict(check)

    assert (await found())["status"] == "ok"
    stranger = f"{PREFIX}-dep-000000000000-g1"
    served.runtime.add_stranger(stranger)
    served.engine.pulse.suspect()

    async def told() -> bool:
        return stranger in (await found())["detail"]

    await eventually(told)
    assert f"podman rm --force {stranger}" in (await found())["remedy"]
    problem(await ada.http.get("/doctor/observed"), 404)


async def test_both_are_for_admins(bob: Caller) -> None:
    problem(await bob.http.get("/settings"), 403)
    problem(await bob.http.post("/backup"), 403)
