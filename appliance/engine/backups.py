"""Backups made, and backups sent to be restored: checked now, put in place by the next start.

A running database is never replaced under the appliance's feet. What was sent is checked and
named; whoever sent it sees what it holds, and confirms; the restart that follows sets the old
database aside and puts the backup in its place (``store/backup.py``).
"""

import errno
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from appliance.domain.errors import FieldError, InvalidRequest, NotFound, StoreFull, StoreUnusable
from appliance.domain.ids import new_id
from appliance.host.firewall import table_of
from appliance.runtime.threads import run_in_daemon
from appliance.store import backup, meta
from appliance.store.backup import Contents
from appliance.store.database import Database

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """A backup that was sent; ``own``: it is of this installation, else there is a ``warning``."""

    id: str
    size_bytes: int
    contents: Contents
    own: bool
    warning: str | None


def left_behind(prefix: str, podman: str) -> str:
    """What becomes of all that runs, once the data is that of another installation.

    ``prefix`` begins the names of what runs, ``podman`` is the command that reaches it.
    """
    table = table_of(prefix)
    return (
        "What runs on this machine now is left alone, and no appliance knows it any more: "
        f"containers, networks and volumes named {prefix}-…, and the firewall table {table}. To be "
        "rid of it, delete the deployments before the restore; or after it, "
        f"`{podman} rm --force --filter name=^{prefix}-` and `nft delete table inet {table}`."
    )


class Backups:
    """Makes backups and takes them in. ``restart`` ends this run of the appliance for a next one.

    At most one received backup is kept: another takes its place. ``podman`` is for what an owner
    is told to do.
    """

    def __init__(
        self, db: Database, database: Path, restart: Callable[[], None], podman: str
    ) -> None:
        self._db = db
        self._database = database
        self._restart = restart
        self._podman = podman
        self._received: str | None = None

    async def make(self) -> AsyncIterator[bytes]:
        """A consistent copy, sent from a file that is gone as soon as it is open."""
        path = backup.outgoing(self._database, new_id("backup"))
        try:
            await self._db.backup(path)
            await run_in_daemon(partial(backup.check, path))
            file = await anyio.open_file(path, "rb")
        finally:
            path.unlink(missing_ok=True)  # at once: a wait would end with what was cancelled

        async def chunks() -> AsyncIterator[bytes]:
            async with file:
                while chunk := await file.read(CHUNK_BYTES):
                    yield chunk

        return chunks()

    async def receive(self, chunks: AsyncIterator[bytes]) -> Received:
        """Takes a backup in and looks into it; nothing else changes.

        Raises:
            InvalidRequest: it is no backup that this version can use.
            StoreFull: there is no room for it.
        """
        name = new_id("restore")
        path = backup.received(self._database, name)
        try:
            size_bytes = await _write(path, chunks)
            contents = await run_in_daemon(partial(backup.check, path))
        except BaseException as error:
            path.unlink(missing_ok=True)
            raise _in_words(error, path) from error
        self.forget()
        self._received = name
        prefix = await meta.instance_prefix(self._db)
        own = contents.instance == prefix
        warning = None if own else left_behind(prefix, self._podman)
        return Received(name, size_bytes, contents, own, warning)

    async def confirm(self, name: str) -> None:
        """The next start puts it in place, and that start is now.

        Raises:
            NotFound: there is none of that id any more.
        """
        self._known(name)
        self._received = None
        await run_in_daemon(partial(backup.confirm, self._database, name))
        self._restart()

    def drop(self, name: str) -> None:
        """It is not wanted after all.

        Raises:
            NotFound: there is none of that id any more.
        """
        self._known(name)
        self.forget()

    def forget(self) -> None:
        """Whatever was received goes."""
        if self._received is not None:
            backup.received(self._database, self._received).unlink(missing_ok=True)
            self._received = None

    def _known(self, name: str) -> Path:
        if name != self._received:
            raise NotFound(f"no backup {name} was received")
        return backup.received(self._database, name)


async def _write(path: Path, chunks: AsyncIterator[bytes]) -> int:
    async with await anyio.open_file(path, "xb") as file:
        async for chunk in chunks:
            await file.write(chunk)
        return await file.tell()


def _in_words(error: BaseException, path: Path) -> BaseException:
    if isinstance(error, StoreUnusable):
        return InvalidRequest(FieldError("body", str(error).replace(path.name, "the file")))
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return StoreFull("no space left for the backup")
    return error
