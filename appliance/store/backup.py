"""Whole copies of the database, out and in; to copy the file itself would miss the WAL.

The key of the secrets (``secret.key``) is not part of it: a stolen backup opens nothing.

What is put in the place of the database never costs the one that was there: that is set aside
under a name that nothing overwrites, and a note tells the next start of it.
"""

import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from appliance.domain.errors import StoreUnusable
from appliance.store.migrate import APPLICATION_ID, migrations

SELECT_OBJECTS = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
COUNT_DEPLOYMENTS = "SELECT count(*) FROM deployment WHERE desired != 'deleted'"
COUNT_USERS = "SELECT count(*) FROM user"
SELECT_INSTANCE = "SELECT max(value) FROM meta WHERE key = 'instance'"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup holds: live deployments, users, and the prefix of the instance it is of."""

    deployments: int
    users: int
    instance: str | None


def check(path: Path) -> Contents:
    """What is in ``path``, if that is a sound database of ours that this version can use. Blocks.

    Raises:
        StoreUnusable: it is not; the message says why.
        OSError: it can't be read.
    """
    with path.open("rb"):
        pass
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            _refuse_foreign(connection, path.name)
            return Contents(
                *(connection.execute(sql).fetchone()[0] for sql in
                  (COUNT_DEPLOYMENTS, COUNT_USERS, SELECT_INSTANCE))
            )  # fmt: skip
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(f"{path.name} is not a backup ({error})") from error


def _refuse_foreign(connection: sqlite3.Connection, name: str) -> None:
    connection.executescript("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")
    [application] = connection.execute("PRAGMA application_id").fetchone()
    [version] = connection.execute("PRAGMA user_version").fetchone()
    [verdict] = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if application != APPLICATION_ID:
        raise StoreUnusable(f"{name} is not a backup of an appliance")
    if version > len(migrations()):
        raise StoreUnusable(f"{name} is of schema {version}, newer than this appliance")
    if verdict != "ok":
        raise StoreUnusable(f"{name} is damaged ({verdict})")
    if set(connection.execute(SELECT_OBJECTS)) != _objects(version):
        raise StoreUnusable(f"{name} has not the tables of an appliance of its version")


def _objects(version: int) -> set[tuple[str, str]]:
    """What a database of that version consists of: types and names."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        for step in migrations()[:version]:
            fresh.executescript(step)
        return set(fresh.execute(SELECT_OBJECTS))


def restore(backup: Path, database: Path) -> Path | None:
    """Puts a copy of ``backup`` in the place of ``database``; where the old one is kept, if any.

    The appliance must not run. A crash leaves the old database or the new one, whole.

    Raises:
        StoreUnusable: ``backup`` is none; nothing was changed.
    """
    check(backup)
    fresh = _beside(database, ".restoring")
    shutil.copyfile(backup, fresh)
    return _take_place(fresh, database)


def waiting(database: Path) -> Path:
    """Where a backup lies that the next start is to put in the place of ``database``."""
    return _beside(database, ".restore")


def received(database: Path, name: str) -> Path:
    """Where a backup lies that was sent, and that nobody has confirmed yet."""
    return _beside(database, f".restore-{name}")


def put_in_place(database: Path) -> None:
    """At the start: what waits becomes the database, what nobody has confirmed goes.

    If that can't be, the start goes on with the database that is there, and the log says why.
    """
    for unconfirmed in database.parent.glob(f"{database.name}.restore-*"):
        unconfirmed.unlink()
    fresh = waiting(database)
    if not fresh.exists():
        return
    try:
        check(fresh)
        kept = _take_place(fresh, database)
    except (StoreUnusable, OSError) as error:
        log.error("not restored: %s", error)  # noqa: TRY400 - told in words, not as a trace
        fresh.unlink(missing_ok=True)
    else:
        log.warning("restored; what was there before is in %s", kept)


def take_note(database: Path) -> str | None:
    """The name of the file that a restore has set aside since the last call, if there was one."""
    note = _note(database)
    if not note.exists():
        return None
    kept = note.read_text(encoding="utf-8")
    note.unlink()
    return kept


def _take_place(fresh: Path, database: Path) -> Path | None:
    _to_disk(fresh)
    kept = _set_aside(database)
    _note(database).write_text(kept.name if kept else "", encoding="utf-8")
    fresh.rename(database)
    return kept


def _set_aside(database: Path) -> Path | None:
    """Copies ``database`` with its WAL, whatever state they are in; that WAL is not the next's."""
    if not database.exists():
        return None
    kept = next(name for name in _names(database) if not name.exists())
    for suffix in ("", "-wal"):
        part = _beside(database, suffix)
        if part.exists():
            shutil.copyfile(part, _beside(kept, suffix))
            _to_disk(_beside(kept, suffix))
    for suffix in ("-wal", "-shm"):
        _beside(database, suffix).unlink(missing_ok=True)
    return kept


def _names(database: Path) -> Iterator[Path]:
    yield _beside(database, ".before-restore")
    for number in count(2):
        yield _beside(database, f".before-restore-{number}")


def _note(database: Path) -> Path:
    return _beside(database, ".restored")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
