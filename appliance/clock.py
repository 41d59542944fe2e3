"""The one injected clock. Tests bring their own; nothing else in the house asks for the time."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import anyio

from appliance.domain.instant import Instant

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """Tells the moment and waits."""

    def now(self) -> Instant:
        """This moment by both clocks."""

    async def sleep(self, seconds: float) -> None:
        """Returns after ``seconds``; cancelled at once with its scope."""


class SystemClock:
    """The machine's clocks (clock_gettime(2)) and its boot id (random(4))."""

    def __init__(self) -> None:
        self._boot_id = BOOT_ID_FILE.read_text().strip()

    def now(self) -> Instant:
        """This moment by both clocks."""
        boot_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        return Instant(wall=datetime.now(UTC), boot_us=boot_us, boot_id=self._boot_id)

    async def sleep(self, seconds: float) -> None:
        """Returns after ``seconds``; cancelled at once with its scope."""
        await anyio.sleep(seconds)
