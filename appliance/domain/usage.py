"""The arithmetic of time in ``running``: exact while we live, never over when we did not."""

from dataclasses import dataclass
from datetime import datetime

from appliance.domain.instant import Instant, to_us

HEARTBEAT_S = 5
"""How often open stretches are marked as still open."""

OPEN_GRACE_US = 2 * HEARTBEAT_S * 1_000_000
"""An open stretch counts at most this far past its last heartbeat: while nobody watches, nothing
is charged on trust."""


AGREE_US = 100_000
"""Offsets this close are the same: the two clocks are not read at one instant."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An open stretch: from ``start_boot_us`` of boot ``boot_id``, not ended yet.

    It was last seen open at ``last_boot_us``, the wall clock ``offset_us`` ahead of the boot clock.
    """

    boot_id: str
    start_boot_us: int
    last_boot_us: int
    offset_us: int


def end_of(interval: Interval, finished_at: datetime | None, now: Instant) -> int:
    """When the stretch ended, on the boot clock of its own boot.

    1. Another boot: at the last heartbeat. What ran after it nobody saw, so nobody pays for it.
    2. The container's end is not known: now, but no further past the last heartbeat than the
       grace, for nobody saw it later.
    3. The wall clock was set since the last heartbeat: at that heartbeat. What the clock said
       when the container ended nobody knows, for it may have been set more than once.
    4. Otherwise when the container ended, told by the wall clock and turned into boot time. A
       clock that was set and set back in between leaves no trace: then at most now.
    """
    if interval.boot_id != now.boot_id:
        return interval.last_boot_us
    if finished_at is None:
        return min(now.boot_us, interval.last_boot_us + OPEN_GRACE_US)
    if abs(now.offset_us - interval.offset_us) > AGREE_US:
        return interval.last_boot_us
    told = to_us(finished_at) - max(interval.offset_us, now.offset_us)
    return max(interval.last_boot_us, min(told, now.boot_us))
