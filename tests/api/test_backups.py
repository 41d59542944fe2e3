"""A backup is taken in, told what it holds, and put in place by the next start."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from appliance.engine.backups import Backups
from appliance.store import backup, meta
from appliance.store.database import Database
from tests.api.served import Caller, Served, field_errors, problem, serving

pytestmark = pytest.mark.anyio
SQLITE = {"content-type": "application/octet-stream"}


async def folder(served: Served) -> Path:
    """Where the database of the served appliance lies."""
    [row] = await served.db.read("PRAGMA database_list")
    return Path(row["file"]).parent


async def sent(caller: Caller, content: bytes) -> dict[str, Any]:
    answer = await caller.http.post("/restore", content=content, headers=SQLITE)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["restore"])


async def left(served: Served) -> list[str]:
    """What lies there beside the database itself."""
    names = [path.name for path in (await folder(served)).iterdir()]
    return sorted(name for name in names if ".restor" in name)


async def test_what_was_sent_out_is_taken_in_and_waits_for_the_next_start(
    served: Served, ada: Caller
) -> None:
    await meta.instance_prefix(served.db)
    made = (await ada.create())["id"]
    copy = (await ada.http.post("/backup")).content
    await ada.http.delete(f"/deployments/{made}")
    restore = await sent(ada, copy)
    assert restore == {
        "id": restore["id"], "bytes": len(copy), "deployments": 1, "users": 2,
        "ofThisMachine": True, "warning": None,
    }  # fmt: skip
    assert not served.stopping.is_set()
    assert (await ada.http.post(f"/restore/{restore['id']}")).status_code == 202
    assert served.stopping.is_set()
    [name] = await left(served)
    assert backup.check(await folder(served) / name).deployments == 1
    assert (await ada.get("/deployments"))["deployments"] == []
    entries = (await ada.get("/audit"))["entries"]
    record = [(e["action"], e["object"]) for e in entries if "restore" in (e["object"] or "")]
    assert record == [("confirm_restore", restore["id"]), ("receive_backup", restore["id"])]


async def test_of_another_installation_it_says_what_becomes_of_all_that_runs_here(
    served: Served, ada: Caller, tmp_path: Path
) -> None:
    prefix = await meta.instance_prefix(served.db)
    other = tmp_path / "other.db"
    other.write_bytes((await ada.http.post("/backup")).content)
    with closing(sqlite3.connect(other)) as db:
        db.executescript("UPDATE meta SET value = 'nnother' WHERE key = 'instance'")
    restore = await sent(ada, other.read_bytes())
    assert restore["ofThisMachine"] is False
    assert "left alone" in restore["warning"]
    assert f"`podman rm --force --filter name=^{prefix}-`" in restore["warning"]
    assert f"`nft delete table inet appliance_{prefix}`" in restore["warning"]


async def test_another_takes_the_place_of_what_was_sent_before(served: Served, ada: Caller) -> None:
    copy = (await ada.http.post("/backup")).content
    first, second = await sent(ada, copy), await sent(ada, copy)
    problem(await ada.http.post(f"/restore/{first['id']}"), 404)
    assert len(await left(served)) == 1
    assert (await ada.http.delete(f"/restore/{second['id']}")).status_code == 200
    problem(await ada.http.delete(f"/restore/{second['id']}"), 404)
    assert await left(served) == []


async def test_what_is_no_backup_is_refused_in_words_and_leaves_nothing(
    served: Served, ada: Caller, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE other (x)")
    foreign = (tmp_path / "other.db").read_bytes()
    for content, words in ((b"", "the file is not"), (b"x" * 9000, "the file is not a backup"),
                           (foreign, "the file is not a backup of an appliance")):  # fmt: skip
        answer = await ada.http.post("/restore", content=content, headers=SQLITE)
        assert words in field_errors(answer)["body"]
    problem(await ada.http.post("/restore", json={}), 415)
    assert await left(served) == []


async def test_a_backup_that_is_broken_off_leaves_no_copy(served: Served) -> None:
    [row] = await served.db.read("PRAGMA database_list")

    class BreaksOff(Database):
        """Cancelled, as at a shutdown, once the copy is there."""

        async def backup(self, target: Path) -> None:
            await super().backup(target)
            scope.cancel()

    db = served.db
    breaking = BreaksOff(db._writer, db._reader, db._near_reader, db._path)
    with anyio.CancelScope() as scope:
        await Backups(breaking, Path(row["file"]), lambda: None, "podman").make()
    assert scope.cancelled_caught
    assert not [path for path in (await folder(served)).iterdir() if "backup" in path.name]


async def test_it_is_for_admins(ada: Caller, bob: Caller) -> None:
    copy = (await ada.http.post("/backup")).content
    made = await sent(ada, copy)
    problem(await bob.http.post("/restore", content=copy, headers=SQLITE), 403)
    problem(await bob.http.post(f"/restore/{made['id']}"), 403)
    problem(await bob.http.delete(f"/restore/{made['id']}"), 403)


async def test_who_resumes_from_an_event_that_a_restore_took_back_is_told(tmp_path: Path) -> None:
    path = tmp_path / "appliance.db"
    async with serving(path) as served:
        owner = await served.owner()
        copy = (await owner.http.post("/backup")).content
        made = (await owner.create())["id"]
        [*_, newest] = (await owner.get(f"/deployments/{made}/events"))["events"]
    backup.waiting(path).write_bytes(copy)
    backup.put_in_place(path)
    async with serving(path) as served:
        owner = await served.owner()
        heard = {"Last-Event-ID": str(newest["id"])}
        with anyio.fail_after(10):
            told = field_errors(await owner.http.get("/events", headers=heard))
        assert "look at all anew" in told["Last-Event-ID"]
