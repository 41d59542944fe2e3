"""A backup takes the place of the database, which is never lost."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from appliance.domain.errors import StoreUnusable
from appliance.store import backup, meta
from appliance.store.backup import Contents
from appliance.store.database import open_database
from appliance.store.migrate import APPLICATION_ID, migrations

pytestmark = pytest.mark.anyio


async def a_database(path: Path, mark: str) -> Path:
    """Of an appliance, told from others by ``mark``."""
    db = await open_database(path)
    await meta.instance_prefix(db)
    async with db.transaction() as tx:
        await tx.execute("INSERT INTO meta VALUES ('mark', :mark)", {"mark": mark})
    await db.close()
    return path


def mark_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as db:
        return str(db.execute("SELECT value FROM meta WHERE key = 'mark'").fetchone()[0])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_what_waits_takes_the_place_and_each_old_one_is_kept(tmp_path: Path) -> None:
    database = await a_database(tmp_path / "a.db", "first")
    for number, mark in enumerate(("second", "third")):
        await a_database(backup.waiting(database), mark)
        backup.put_in_place(database)
        assert mark_of(database) == mark
        kept = "a.db.before-restore" + ("" if number == 0 else "-2")
        assert backup.take_note(database) == kept
        assert mark_of(tmp_path / kept) == ("first", "second")[number]
    backup.put_in_place(database)
    assert backup.take_note(database) is None
    assert names(tmp_path) == {"a.db", "a.db.before-restore", "a.db.before-restore-2"}


async def test_what_was_not_confirmed_goes_and_what_is_no_backup_changes_nothing(
    tmp_path: Path,
) -> None:
    database = await a_database(tmp_path / "a.db", "first")
    await a_database(backup.received(database, "x"), "sent")
    backup.waiting(database).write_bytes(b"no database")
    backup.put_in_place(database)
    assert names(tmp_path) == {"a.db"}
    assert mark_of(database) == "first"
    assert backup.take_note(database) is None


async def test_a_damaged_database_gives_way_and_is_kept_with_its_wal(tmp_path: Path) -> None:
    good = await a_database(tmp_path / "good.db", "good")
    database = tmp_path / "a.db"
    database.write_bytes(b"damaged" * 1000)
    (tmp_path / "a.db-wal").write_bytes(b"its wal")
    kept = backup.restore(good, database)
    assert mark_of(database) == "good"
    assert kept is not None
    assert kept.read_bytes() == b"damaged" * 1000
    assert (tmp_path / f"{kept.name}-wal").read_bytes() == b"its wal"


async def test_a_backup_tells_what_it_holds_and_looking_leaves_nothing(tmp_path: Path) -> None:
    path = await a_database(tmp_path / "a name with ? and #.db", "x")
    held = backup.check(path)
    assert (held.deployments, held.users) == (0, 0)
    assert (held.instance or "").startswith("nn")
    assert names(tmp_path) == {path.name}


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("PRAGMA application_id = 7", "not a backup of an appliance"),
        ("PRAGMA user_version = 999", "newer than this appliance"),
        ("DROP TRIGGER audit_is_never_changed", "not the tables"),
        ("CREATE TRIGGER mine AFTER INSERT ON user BEGIN SELECT 1; END", "not the tables"),
    ],
)
async def test_what_an_appliance_would_not_have_written_is_refused(
    tmp_path: Path, sql: str, words: str
) -> None:
    path = await a_database(tmp_path / "a.db", "x")
    with closing(sqlite3.connect(path)) as db:
        db.executescript(sql)
    with pytest.raises(StoreUnusable, match=words):
        backup.check(path)


def test_an_empty_database_with_our_mark_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.executescript(f"PRAGMA application_id = {APPLICATION_ID}")
    with pytest.raises(StoreUnusable):
        backup.check(tmp_path / "a.db")


@pytest.mark.parametrize("version", range(1, len(migrations()) + 1))
def test_a_backup_of_every_older_version_can_be_restored(tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as db:
        for step in migrations()[:version]:
            db.executescript(step)
        db.executescript(
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}"
        )
    assert backup.check(tmp_path / "old.db") == Contents(0, 0, None)
