"""One writer, one reader, and a file that survives whatever happens to the process."""

import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from appliance.domain.errors import StoreBusy, StoreFailure, StoreUnusable
from appliance.store import database
from appliance.store.database import Database, open_database
from tests.box import ROOT

pytestmark = pytest.mark.anyio
NOTE = "INSERT INTO meta (key, value) VALUES (:key, 'x')"
NOTES = "SELECT key FROM meta ORDER BY CAST(key AS INTEGER)"

WRITER = """
import sys
from pathlib import Path
import anyio
from appliance.store.database import open_database

async def main():
    db = await open_database(Path(sys.argv[1]))
    for number in range(int(sys.argv[2]), 10**9):
        async with db.transaction() as tx:
            await tx.execute("INSERT INTO meta (key, value) VALUES (:k, 'x')", {"k": str(number)})
        print(number, flush=True)

anyio.run(main)
"""


async def keys(db: Database) -> list[str]:
    return [row["key"] for row in await db.read(NOTES)]


@pytest.mark.parametrize("statement", [NOTE.replace(":key", "'a'"), "DELETE FROM user"])
async def test_a_reader_writes_nothing(db: Database, statement: str) -> None:
    for read in (db.read, db.look_up):
        with pytest.raises(StoreFailure, match="readonly"):
            await read(statement)
    assert await keys(db) == []


async def test_a_reader_never_checkpoints(db: Database) -> None:
    [row] = await db.read("PRAGMA wal_autocheckpoint")
    assert row[0] == 0


async def test_a_reader_sees_what_is_committed_and_nothing_else(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(NOTE, {"key": "1"})
        assert await keys(db) == []
    assert await keys(db) == ["1"]


async def test_an_error_rolls_all_of_it_back(db: Database) -> None:
    async def half() -> None:
        async with db.transaction() as tx:
            await tx.execute(NOTE, {"key": "1"})
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError, match="in between"):
        await half()
    assert await keys(db) == []


@pytest.mark.parametrize("statements", range(4))
async def test_a_cancelled_transaction_leaves_the_writer_free(
    db: Database, statements: int
) -> None:
    with anyio.CancelScope() as scope:
        async with db.transaction() as tx:
            for number in range(4):
                if number == statements:
                    scope.cancel()
                await tx.execute(NOTE, {"key": str(number)})
    async with db.transaction() as tx:
        await tx.execute(NOTE, {"key": "after"})
    assert await keys(db) == ["after"]


async def test_a_writer_that_somebody_else_blocks_says_so(db: Database, path: Path) -> None:
    other = await open_database(path)
    async with other.transaction() as blocking:
        await blocking.execute(NOTE, {"key": "1"})
        await db._writer.execute_fetchall("PRAGMA busy_timeout = 10")
        with pytest.raises(StoreBusy):
            async with db.transaction():
                pytest.fail("two writers at once")
    assert await keys(db) == ["1"]
    await other.close()


async def test_a_file_that_is_none_is_refused_and_left(path: Path) -> None:
    path.write_bytes(b"not a database, by any means" * 100)
    with pytest.raises(StoreUnusable, match="damaged"):
        await open_database(path)
    assert path.read_bytes().startswith(b"not a database")


async def test_a_killed_writer_loses_nothing_it_has_told(path: Path) -> None:
    told: list[str] = []
    for lines in (1, 7, 40):
        command = [sys.executable, "-c", WRITER, str(path), str(len(told) + 1000 * lines)]
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT)}
        ) as child:
            assert child.stdout is not None
            told += [child.stdout.readline().strip() for _ in range(lines)]
            child.kill()
            told += child.stdout.read().split()
        db = await open_database(path)
        assert set(told) <= set(await keys(db))
        assert len(await keys(db)) <= len(told) + lines
        await db.close()


async def test_a_backup_waits_for_no_transaction_and_holds_what_was_committed(
    tmp_path: Path,
) -> None:
    db = await open_database(tmp_path / "a.db")
    async with db.transaction() as tx:
        await tx.execute("INSERT INTO meta VALUES ('kept', '1')")
    async with db.transaction() as tx:
        await tx.execute("INSERT INTO meta VALUES ('under way', '1')")
        with anyio.fail_after(10):
            await db.backup(tmp_path / "copy.db")
    await db.close()
    copy = await open_database(tmp_path / "copy.db")
    assert [row["key"] for row in await copy.read("SELECT key FROM meta")] == ["kept"]
    await copy.close()


async def test_no_line_grows_behind_a_transaction_that_does_not_end(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def another() -> None:
        with pytest.raises(StoreBusy, match="too many wait"):
            async with db.transaction():
                pytest.fail("two writers at once")

    monkeypatch.setattr(database, "TURN_S", 0.01)
    async with db.transaction() as tx:
        await tx.execute(NOTE, {"key": "1"})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(another)
    async with db.transaction() as tx:
        await tx.execute(NOTE, {"key": "2"})
    assert await keys(db) == ["1", "2"]
