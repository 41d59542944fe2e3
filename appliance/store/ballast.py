"""Space kept for the day the disk is full: what frees some needs a little to begin with.

SQLite can't write an order then and Podman can't remove a container (measured: ``rm -f`` fails), so
nothing could be freed by the appliance itself. CockroachDB keeps such a file for the same reason.
It helps Podman where its storage is on the same file system, as it is by default.
"""

import logging
import os
from pathlib import Path

from anyio.to_thread import run_sync

from appliance.clock import Clock
from appliance.domain.errors import StoreFull

MIB = 1024 * 1024
BALLAST_BYTES = 64 * MIB
NEARLY_FULL_BYTES = 8 * MIB
"""What one transaction may need, and then some."""

KEEP_EVERY_S = 60.0

log = logging.getLogger(__name__)


class Ballast:
    """A file that takes up space, and gives it up when there is no other."""

    def __init__(self, file: Path, size_bytes: int = BALLAST_BYTES) -> None:
        self._file = file
        self._size_bytes = size_bytes

    async def keep(self, clock: Clock) -> None:
        """Takes the space, and takes it again whenever there is plenty, until cancelled."""
        while True:
            await run_sync(self.take)
            await clock.sleep(KEEP_EVERY_S)

    def take(self) -> None:
        """Takes the space if four times as much is free."""
        if self._held_bytes() == self._size_bytes or self._free_bytes() < 4 * self._size_bytes:
            return
        try:
            with self._file.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size_bytes)
        except OSError as error:
            log.warning("no space is kept for a full disk: %s", error)
            self._file.unlink(missing_ok=True)

    def give(self) -> None:
        """For orders that free space: on a full disk, gives up its own."""
        if self._held_bytes() and self._free_bytes() < NEARLY_FULL_BYTES:
            self._file.unlink(missing_ok=True)
            log.warning("the disk is full; the space kept for stops and deletes is given up")

    def check(self) -> None:
        """For orders that need space.

        Raises:
            StoreFull: there is so little that it has to be kept for those that free some.
        """
        least_bytes = NEARLY_FULL_BYTES if self._held_bytes() else self._size_bytes
        if self._free_bytes() < least_bytes:
            raise StoreFull("the disk is full; delete deployments, or free space otherwise")

    def _held_bytes(self) -> int:
        return self._file.stat().st_size if self._file.exists() else 0

    def _free_bytes(self) -> int:
        """What this process may still write: some is root's alone (statvfs(3))."""
        found = os.statvfs(self._file.parent)
        return found.f_frsize * (found.f_bfree if os.geteuid() == 0 else found.f_bavail)
