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
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from appliance.domain.errors import StoreBusy, StoreFailure, StoreUnusable
from appliance.store.database import mapped_errors
from appliance.store.migrate import APPLICATION_ID, migrations

SELECT_OBJECTS = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
COUNT_DEPLOYMENTS = "SELECT count(*) FROM deployment WHERE desired != 'deleted'"
COUNT_USERS = "SELECT count(*) FROM user"
SELECT_INSTANCE = "SELECT max(value) FROM meta WHERE key = 'instance'"
TAKE_IN_WAL = "PRAGMA wal_checkpoint(TRUNCATE)"
BUSY_S = 5.0

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
        StoreFailure, OSError: it can't be done now; the old database is in force, whole.
    """
    check(backup)
    fresh = received(database, "copy")
    try:
        shutil.copyfile(backup, fresh)
        return _take_place(fresh, database)
    except BaseException:
        _sweep(database)
        raise


def waiting(database: Path) -> Path:
    """Where a backup lies that the next start is to put in the place of ``database``."""
    return _beside(database, ".restore")


def received(database: Path, name: str) -> Path:
    """Where a backup lies that was sent, and that nobody has confirmed yet."""
    return _beside(database, f".restore-{name}")


def outgoing(database: Path, name: str) -> Path:
    """Where a backup is made that is to be sent."""
    return _beside(database, f".backup-{name}")


def confirm(database: Path, name: str) -> None:
    """From now on it waits for the next start, also if the power fails. Blocks.

    Raises:
        OSError: it can't be.
    """
    sent = received(database, name)
    _to_disk(sent)
    sent.rename(waiting(database))
    _to_disk(database.parent)


def put_in_place(database: Path) -> None:
    """At the start: what waits becomes the database, what nobody has confirmed or sent goes.

    If that can't be, the start goes on with the database that is there, and the log says why.
    """
    _sweep(database)
    fresh = waiting(database)
    if not fresh.exists():
        return
    try:
        check(fresh)
        kept = _take_place(fresh, database)
    except (StoreFailure, OSError) as error:
        log.error("not restored: %s", error)  # noqa: TRY400 - told in words, not as a trace
        fresh.unlink(missing_ok=True)
        _sweep(database)
    else:
        log.warning("restored; what was there before is in %s", kept)


@contextmanager
def noted(database: Path) -> Iterator[str | None]:
    """What a restore has set aside since the last start ("" for nothing); None: there was none.

    The note goes with the end of the block: a crash may have it told twice, but never not at all.
    """
    note = _note(database)
    text = note.read_text(encoding="utf-8") if note.exists() else ""
    inode, _, kept = text.partition(" ")
    done = database.exists() and inode == str(database.stat().st_ino)
    yield kept if done else None
    note.unlink(missing_ok=True)


def _take_place(fresh: Path, database: Path) -> Path | None:
    """Makes ``fresh`` the database; where the one that was there is kept, if there was one.

    In this order, for what a crash, a full disk or a power cut after each step leaves:

    1. ``fresh`` is brought to the disk. Left is the old database.
    2. The old one is copied with its WAL, byte by byte: SQLite may throw away what it can't read.
       Left is the old one; a half copy has a name of its own, and the next start takes it away.
    3. The note is written, which names ``fresh`` by its inode. Left is the old one, and a note
       that tells nothing, for the database is another file.
    4. SQLite takes the WAL into the old database, in its own safe way. Left is the old one, with
       every commit, in one file now. (One it can't read is as lost as it was, and kept by 2.)
    5. What is left of the WAL goes, of which nothing is needed any more. Left is the old one.
    6. ``fresh`` is renamed. Left is the new one, and from that instant on the note is true.

    The directory is brought to the disk after 3, 5 and 6: a power cut can't change the order, and
    no WAL of the old one ever meets the new one.
    """
    _to_disk(fresh)
    kept = _set_aside(database)
    try:
        _write_note(database, fresh, kept)
        _take_in_wals(database, kept)
    except (StoreFailure, OSError):
        _drop(kept)
        raise
    for suffix in ("-wal", "-shm", "-journal"):
        _beside(database, suffix).unlink(missing_ok=True)
    _to_disk(database.parent)
    fresh.rename(database)
    _to_disk(database.parent)
    return kept


def _set_aside(database: Path) -> Path | None:
    """Copies ``database`` with its WAL, whatever state they are in; named once they are whole."""
    if not database.exists():
        return None
    kept = next(name for name in _names(database) if not _any_of(name))
    half = received(database, "kept")
    parts = [suffix for suffix in ("-wal", "") if _beside(database, suffix).exists()]
    for suffix in parts:
        shutil.copyfile(_beside(database, suffix), _beside(half, suffix))
        _to_disk(_beside(half, suffix))
    for suffix in parts:
        _beside(half, suffix).rename(_beside(kept, suffix))
    return kept


def _take_in_wals(database: Path, kept: Path | None) -> None:
    """Into the database, and into its copy, which so is one file that can be restored in its turn.

    Raises:
        StoreFailure: not now: another process has it open, or there is no space.
    """
    if kept is None:
        return
    try:
        _take_in_wal(database)
        _take_in_wal(kept)
    except StoreUnusable as error:
        log.warning("what was there is damaged, %s has it as it was: %s", kept, error)


def _take_in_wal(path: Path) -> None:
    with mapped_errors(), closing(sqlite3.connect(path, timeout=BUSY_S)) as connection:
        [(busy, *_)] = connection.execute(TAKE_IN_WAL)
    if busy:
        raise StoreBusy("the database is held by another process")


def _drop(kept: Path | None) -> None:
    """The copy of a database that stays: it would fill the disk for nothing."""
    if kept is not None:
        kept.unlink()
        _beside(kept, "-wal").unlink(missing_ok=True)


def _any_of(path: Path) -> bool:
    """A WAL alone counts: it would be taken for that of the next file of its name."""
    return path.exists() or _beside(path, "-wal").exists()


def _write_note(database: Path, fresh: Path, kept: Path | None) -> None:
    """The inode comes first: half a note names no file."""
    name = kept.name if kept else ""
    _note(database).write_text(f"{fresh.stat().st_ino} {name}", encoding="utf-8")
    _to_disk(_note(database))
    _to_disk(database.parent)


def _sweep(database: Path) -> None:
    """Copies on their way out, in or aside: each holds every account, and none is needed."""
    for pattern in (".backup-*", ".restore-*"):
        for left in database.parent.glob(database.name + pattern):
            left.unlink()


def _names(database: Path) -> Iterator[Path]:
    yield _beside(database, ".before-restore")
    for number in count(2):
        yield _beside(database, f".before-restore-{number}")


def _note(database: Path) -> Path:
    return _beside(database, ".restored")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _to_disk(path: Path) -> None:
    """What a file holds, or which names a directory has."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
