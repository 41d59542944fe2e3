"""The usage report's arithmetic."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.billing import (
    HOUR_US,
    GroupBy,
    Line,
    Period,
    Spent,
    Stretch,
    Subject,
    report,
)
from appliance.domain.instant import to_us

DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)
A = Subject("dep_a", "one", "user_1", "ada@x")
B = Subject("dep_b", "two", "user_1", "ada@x")
C = Subject("dep_c", "three", "user_2", "oki@x")
YEAR = Period(DAY_ONE, DAY_ONE + timedelta(days=365))


def ran(subject: Subject, from_h: float, to_h: float, rate: int = 100, gpus: int = 0) -> Stretch:
    start, end = (DAY_ONE + timedelta(hours=h) for h in (from_h, to_h))
    return Stretch(subject, to_us(start), to_us(end), rate, gpus)


def lines(*stretches: Stretch, by: GroupBy, period: Period = YEAR) -> list[Line]:
    return report(stretches, (), period, by, cents_per_kwh=30)


def test_time_gpus_and_cost_are_summed_by_user_and_deployment() -> None:
    used = (ran(A, 0, 1, gpus=2), ran(B, 0, 0.5), ran(A, 2, 3), ran(C, 0, 2, rate=50))
    ada, oki = lines(*used, by=GroupBy.USER)
    assert (ada.email, ada.running_s, ada.gpu_s, ada.cost_cents) == ("ada@x", 9000, 7200, 250)
    assert (oki.user_id, oki.running_s, oki.cost_cents) == ("user_2", 7200, 100)
    one, two, three = lines(*used, by=GroupBy.DEPLOYMENT)
    assert [x.deployment_id for x in (one, two, three)] == ["dep_a", "dep_b", "dep_c"]
    assert (one.name, one.running_s, one.cost_cents) == ("one", 7200, 200)


def test_a_stretch_over_midnight_counts_on_both_days() -> None:
    first, second = lines(ran(A, 20, 26), by=GroupBy.DAY)
    assert (first.day, first.running_s) == (date(2026, 1, 1), 4 * 3600)
    assert (second.day, second.running_s) == (date(2026, 1, 2), 2 * 3600)
    assert first.user_id is None


def test_only_what_lies_within_the_period_counts() -> None:
    hour = Period(DAY_ONE + timedelta(hours=1), DAY_ONE + timedelta(hours=2))
    [line] = lines(ran(A, 0, 9), by=GroupBy.DEPLOYMENT, period=hour)
    assert line.running_s == 3600
    assert lines(ran(A, 3, 9), by=GroupBy.DEPLOYMENT, period=hour) == []


def test_energy_is_told_in_watt_hours_and_cents() -> None:
    hour = to_us(DAY_ONE) // HOUR_US
    spent = [Spent(A, hour, 3_600_000 * 500), Spent(A, hour + 1, 3_600_000 * 1000)]
    [line] = report([ran(A, 0, 2)], spent, YEAR, GroupBy.USER, cents_per_kwh=30)
    assert (line.energy_wh, line.energy_cents) == (1500.0, 45)


moments = st.floats(0, 24 * 20, allow_nan=False)


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), moments, moments), max_size=8))
def test_every_way_of_grouping_tells_of_the_same_time(
    spans: list[tuple[Subject, float, float]],
) -> None:
    used = [ran(s, min(x, y), max(x, y)) for s, x, y in spans]
    whole_s = sum(s.end_us - s.start_us for s in used) / 1_000_000
    for by in GroupBy:
        found = lines(*used, by=by)
        assert abs(sum(line.running_s for line in found) - whole_s) <= len(found) + 1
