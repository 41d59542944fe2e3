"""What admins see and take of the machine: its settings, a backup."""

import pytest

from tests.api.served import Caller, problem

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


async def test_both_are_for_admins(bob: Caller) -> None:
    problem(await bob.http.get("/settings"), 403)
    problem(await bob.http.post("/backup"), 403)
