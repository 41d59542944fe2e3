"""When a stretch of running ended: exact while somebody watched, never over."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.instant import Instant, from_us
from appliance.domain.usage import OPEN_GRACE_US, Interval, end_of

S = 1_000_000
OFFSET = 1_700_000_000 * S
INTERVAL = Interval("boot", 100 * S, 200 * S, OFFSET)


def at(boot_us: int, offset_us: int = OFFSET, boot_id: str = "boot") -> Instant:
    return Instant(from_us(boot_us + offset_us), boot_us, boot_id)


def test_another_boot_ends_it_at_the_last_heartbeat() -> None:
    assert end_of(INTERVAL, from_us(OFFSET + 999 * S), at(5 * S, boot_id="next")) == 200 * S


def test_the_containers_own_end_counts() -> None:
    assert end_of(INTERVAL, from_us(OFFSET + 230 * S), at(300 * S)) == 230 * S


def test_an_end_nobody_knows_counts_at_most_the_grace() -> None:
    assert end_of(INTERVAL, None, at(203 * S)) == 203 * S
    assert end_of(INTERVAL, None, at(999 * S)) == 200 * S + OPEN_GRACE_US


@given(st.integers(-86_400, 86_400), st.integers(200, 400), st.integers(200, 400))
def test_a_wall_clock_that_was_set_never_makes_it_dearer(jump: int, end: int, now: int) -> None:
    told = from_us(OFFSET + end * S) + timedelta(seconds=jump)
    ended = end_of(INTERVAL, told, at(max(end, now) * S, OFFSET + jump * S))
    assert 200 * S <= ended <= max(end * S, 200 * S)
