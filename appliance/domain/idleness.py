"""Who has not been used for long enough to be put to sleep."""

from dataclasses import dataclass

from appliance.domain.deployment import Reason

MINUTE_US = 60_000_000
SECOND_US = 1_000_000

IDLE = "idle"
EVICTED = "evicted"
ASLEEP = frozenset({IDLE, EVICTED})
"""The codes of the reasons to be asleep."""


@dataclass(frozen=True, slots=True)
class Use:
    """How a running deployment is used, as far as it is known.

    ``open``: requests, connections, terminals and errands under way. ``since_boot_us`` is the last
    moment something began, ended or was found running: nothing before it is known, or counts.
    """

    open: int
    since_boot_us: int

    def idle_us(self, now_boot_us: int) -> int:
        """For how long it has not been used; 0 while it is."""
        return 0 if self.open else max(0, now_boot_us - self.since_boot_us)


def is_due(use: Use, timeout_minutes: float, now_boot_us: int) -> bool:
    """Whether it has been idle for its whole timeout."""
    return not use.open and use.idle_us(now_boot_us) >= timeout_minutes * MINUTE_US


def idle_reason(timeout_minutes: float) -> Reason:
    """Why a deployment was put to sleep for not being used."""
    unit = "minute" if timeout_minutes == 1 else "minutes"
    return Reason(IDLE, f"Not used for {timeout_minutes:g} {unit}")
