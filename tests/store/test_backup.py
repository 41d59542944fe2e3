"""A backup takes the place of the database, which is never lost."""

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.domain.errors import StoreBusy, StoreUnusable
from appliance.store import backup, meta
from appliance.store.backup import Contents
from appliance.store.database import open_database
from appliance.store.migrate import APPLICATION_ID, migrations
from tests.box import ROOT
from tests.store.test_database import WRITER

pytestmark = pytest.mark.anyio

CRASHES = """
import os, shutil, signal, sys
from pathlib import Path
from appliance.store import backup

world, worlds, fresh = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def killed_after(lines):
    def trace(frame, event, arg):
        nonlocal lines
        if frame.f_code.co_filename not in (backup.__file__, shutil.__file__):
            return None
        lines -= event == "line"
        if lines < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    return trace

for number in range(1000):
    folder = worlds / str(number)
    shutil.copytree(world, folder)
    child = os.fork()
    if not child:
        sys.settrace(killed_after(number))
        backup._take_place(folder / fresh, folder / "a.db")
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""
"""Kills it after each line of it and of the copying, in a world of its own each time; the last one
is let be."""


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


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where a sync costs nothing, if there is such a place: crashes are many, and no power cuts."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of our own in it
    with tempfile.TemporaryDirectory(prefix="nnrestore-", dir=place) as folder:
        yield Path(folder)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def noted(database: Path) -> str | None:
    """What the next start tells of, once."""
    with backup.noted(database) as kept:
        return kept


def run(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )


def killed_in_use(path: Path) -> set[str]:
    """A database whose appliance was killed: what it had told by then is in the WAL alone."""
    with run(WRITER, path, 0) as child:
        assert child.stdout is not None
        told = {child.stdout.readline().strip() for _ in range(20)}
        child.kill()
        told |= set(child.stdout.read().split())
    assert path.with_name(f"{path.name}-wal").stat().st_size
    return told


def keys(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as db:
        return {row[0] for row in db.execute("SELECT key FROM meta")}


async def test_what_waits_takes_the_place_and_each_old_one_is_kept(tmp_path: Path) -> None:
    database = await a_database(tmp_path / "a.db", "first")
    for number, mark in enumerate(("second", "third")):
        await a_database(backup.waiting(database), mark)
        backup.put_in_place(database)
        assert mark_of(database) == mark
        kept = "a.db.before-restore" + ("" if number == 0 else "-2")
        assert noted(database) == kept
        assert mark_of(tmp_path / kept) == ("first", "second")[number]
    backup.put_in_place(database)
    assert noted(database) is None
    assert names(tmp_path) == {"a.db", "a.db.before-restore", "a.db.before-restore-2"}


async def test_what_was_not_confirmed_goes_and_what_is_no_backup_changes_nothing(
    tmp_path: Path,
) -> None:
    database = await a_database(tmp_path / "a.db", "first")
    await a_database(backup.received(database, "x"), "sent")
    await a_database(backup.outgoing(database, "y"), "being made")
    backup.waiting(database).write_bytes(b"no database")
    backup.put_in_place(database)
    assert names(tmp_path) == {"a.db"}
    assert mark_of(database) == "first"
    assert noted(database) is None


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


@pytest.mark.parametrize("fresh", ["a.db.restore-copy", "a.db.restore"])
async def test_a_crash_leaves_the_old_database_or_the_new_one_and_not_a_commit_is_lost(
    scratch: Path, fresh: str
) -> None:
    world = scratch / "world"
    world.mkdir()
    told = killed_in_use(world / "a.db")
    await a_database(world / fresh, "new")
    with run(CRASHES, world, scratch, fresh) as crashing:
        assert crashing.wait() == 0
    ends = set()
    for folder in scratch.glob("[0-9]*"):
        database = folder / "a.db"
        backup.put_in_place(database)
        kept = noted(database)
        ends.add(kept is not None)
        assert told <= keys(database if kept is None else folder / kept), folder
        assert ("mark" in keys(database)) is (kept is not None), folder
        assert noted(database) is None
        before = {name for name in names(folder) if ".before-restore" in name}
        whole = {name for name in before if not name.endswith(("-wal", "-shm"))}
        assert all(told <= keys(folder / name) for name in whole), folder
        assert names(folder) - before <= {"a.db"}, folder
    goes_on = fresh == backup.waiting(Path("a.db")).name
    assert ends == ({True} if goes_on else {True, False})


async def test_what_fails_on_the_way_has_cost_nothing(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    told = killed_in_use(database)
    good = await a_database(tmp_path / "good.db", "new")
    (tmp_path / "a.db.restored").mkdir()  # where the note goes: as if there were no space for it
    with pytest.raises(OSError, match="Is a directory"):
        backup.restore(good, database)
    assert told <= keys(database)
    assert names(tmp_path) == {"a.db", "a.db.restored", "good.db"}


async def test_a_database_that_somebody_reads_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "BUSY_S", 0.01)
    good = await a_database(tmp_path / "good.db", "new")
    database = await a_database(tmp_path / "a.db", "old")
    with closing(sqlite3.connect(database, isolation_level=None)) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT * FROM meta").fetchall()
        db = await open_database(database)
        async with db.transaction() as tx:
            await tx.execute("INSERT INTO meta VALUES ('later', '')")
        with pytest.raises(StoreBusy):
            backup.restore(good, database)
        await db.close()
    assert "later" in keys(database)
    assert mark_of(database) == "old"
    assert not [name for name in names(tmp_path) if "before" in name]


async def test_a_restore_that_could_not_be_told_is_told_by_the_next_start(tmp_path: Path) -> None:
    database = await a_database(tmp_path / "a.db", "old")
    backup.restore(await a_database(tmp_path / "good.db", "new"), database)
    with pytest.raises(KeyboardInterrupt), backup.noted(database):
        raise KeyboardInterrupt
    assert noted(database) == "a.db.before-restore"
    assert noted(database) is None


async def test_a_wal_whose_database_is_gone_is_not_taken_for_that_of_the_new_one(
    tmp_path: Path,
) -> None:
    killed_in_use(tmp_path / "a.db")
    (tmp_path / "a.db").unlink()
    assert backup.restore(await a_database(tmp_path / "good.db", "new"), tmp_path / "a.db") is None
    assert "0" not in keys(tmp_path / "a.db")
    assert noted(tmp_path / "a.db") == ""


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
