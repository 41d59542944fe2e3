"""Whole copies of the database, out and in; to copy the file itself would miss the WAL.

The key of the secrets (``secret.key``) is not part of it: a stolen backup opens nothing.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from appliance.domain.errors import StoreUnusable
from appliance.store.database import Database
from appliance.store.migrate import APPLICATION_ID, migrations


async def make(db: Database, target: Path) -> None:
    """Writes a consistent copy of everything committed by now to a new file ``target``."""
    await db.backup(target)
    check(target)


def check(path: Path) -> None:
    """Returns if ``path`` is a sound database of ours that this version can use.

    Raises:
        StoreUnusable: it is not; the message says why.
        OSError: it can't be read.
    """
    with path.open("rb"):
        pass
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            [application] = connection.execute("PRAGMA application_id").fetchone()
            [version] = connection.execute("PRAGMA user_version").fetchone()
            [verdict] = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(f"{path} is not a backup ({error})") from error
    if application != APPLICATION_ID:
        raise StoreUnusable(f"{path} is not a backup of an appliance")
    if version > len(migrations()):
        raise StoreUnusable(f"{path} is of schema {version}, newer than this appliance")
    if verdict != "ok":
        raise StoreUnusable(f"{path} is damaged ({verdict})")


def restore(backup: Path, database: Path) -> Path | None:
    """Puts ``backup`` in the place of ``database``; answers where the old one is kept, if any.

    The appliance must not run. A crash leaves the old database or the new one, whole.

    Raises:
        StoreUnusable: ``backup`` is none; nothing was changed.
    """
    check(backup)
    fresh = database.with_name(f"{database.name}.restoring")
    shutil.copyfile(backup, fresh)
    with fresh.open("rb+") as file:
        os.fsync(file.fileno())
    kept = _set_aside(database)
    fresh.rename(database)
    return kept


def _set_aside(database: Path) -> Path | None:
    if not database.exists():
        return None
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = database.with_name(f"{database.name}.before-restore")
    shutil.copyfile(database, kept)
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    return kept
