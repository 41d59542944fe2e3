"""One moment, told by both clocks: the wall (a label) and CLOCK_BOOTTIME (a duration)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Instant:
    """``wall`` is aware UTC; ``boot_us`` counts microseconds since the boot named ``boot_id``.

    Durations are differences of ``boot_us`` within one boot: the wall clock can be set, the
    other can't, and it goes on while the machine sleeps (clock_gettime(2), CLOCK_BOOTTIME).
    """

    wall: datetime
    boot_us: int
    boot_id: str

    @property
    def wall_us(self) -> int:
        """Microseconds since 1970, as the store keeps them."""
        return to_us(self.wall)

    @property
    def offset_us(self) -> int:
        """Wall minus boot clock; moves only when somebody sets the wall clock."""
        return self.wall_us - self.boot_us


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 of an aware ``moment``."""
    return (moment - EPOCH) // MICROSECOND


def from_us(microseconds: int) -> datetime:
    """The aware UTC moment that many microseconds after 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC ending in ``Z``, with a fraction only where there is one."""
    return moment.astimezone(UTC).isoformat()[:-6] + "Z"  # without "+00:00"
