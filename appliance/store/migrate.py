"""Brings a database file to this version's schema, forward only, one transaction a step.

The migrations are numbered ``.sql`` files, never edited once released; ``user_version`` says
which is the last one applied. A crash leaves the version before or after a step, whole: the
statement that sets ``user_version`` is inside the step's transaction. Before an existing file is
changed, a copy ``<name>.pre-<version>`` is made beside it.
"""

from importlib.resources import files
from pathlib import Path

import aiosqlite

from appliance.domain.errors import StoreUnusable

APPLICATION_ID = 0x4E4E4150  # "NNAP": tells our files from any other (sqlite.org/pragma.html)
SELECT_OBJECTS = "SELECT count(*) FROM sqlite_master"


def migrations() -> list[str]:
    """The SQL of each migration, in order; the n-th brings the file to version n."""
    folder = files("appliance.store") / "migrations"
    names = sorted(f.name for f in folder.iterdir() if f.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


async def migrate(connection: aiosqlite.Connection, path: Path) -> None:
    """Applies what is missing.

    Raises:
        StoreUnusable: the file is another program's, or newer than this version.
    """
    steps = migrations()
    version = await _checked_version(connection, newest=len(steps))
    if 0 < version < len(steps):
        await _copy_before(connection, path, version)
    await connection.execute("PRAGMA foreign_keys = OFF")  # or no table could be made anew
    for number, sql in enumerate(steps[version:], start=version + 1):
        await connection.executescript(
            f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA application_id = {APPLICATION_ID};\n"
            f"PRAGMA user_version = {number};"
        )
        await _refuse_dangling(connection, number)
        await connection.execute("COMMIT")


async def _refuse_dangling(connection: aiosqlite.Connection, number: int) -> None:
    """Nothing may refer to what is not there, whatever a step has done."""
    dangling = list(await connection.execute_fetchall("PRAGMA foreign_key_check"))
    if dangling:
        await connection.execute("ROLLBACK")
        raise StoreUnusable(
            f"schema {number} would leave {len(dangling)} rows without their parent"
        )


async def _checked_version(connection: aiosqlite.Connection, *, newest: int) -> int:
    application = await _pragma(connection, "application_id")
    version = await _pragma(connection, "user_version")
    [row] = await connection.execute_fetchall(SELECT_OBJECTS)
    if row[0] > 0 and application != APPLICATION_ID:
        raise StoreUnusable("the database file belongs to another program")
    if version > newest:
        raise StoreUnusable(
            f"the database is of schema {version}, this version knows up to {newest}: "
            "install the newer appliance, or restore a backup"
        )
    return version


async def _pragma(connection: aiosqlite.Connection, name: str) -> int:
    [row] = await connection.execute_fetchall(f"PRAGMA {name}")
    return int(row[0])


async def _copy_before(connection: aiosqlite.Connection, path: Path, version: int) -> None:
    async with aiosqlite.connect(path.with_name(f"{path.name}.pre-{version + 1}")) as copy:
        await connection.backup(copy)
