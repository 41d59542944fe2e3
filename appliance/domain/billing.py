"""What a stretch of time costs, summed up by user, deployment or day."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from appliance.domain.instant import from_us, to_us

HOUR_US = 3_600_000_000
DAY = timedelta(days=1)
MJ_PER_WH = 3_600_000
MJ_PER_KWH = 1000 * MJ_PER_WH


class GroupBy(StrEnum):
    """What one line of a report stands for."""

    USER = "user"
    DEPLOYMENT = "deployment"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Subject:
    """A deployment, as far as a report tells of it."""

    deployment_id: str
    name: str
    user_id: str
    email: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time in ``running`` by the wall clock, at ``rate_cents`` an hour, with so many GPUs."""

    subject: Subject
    start_us: int
    end_us: int
    rate_cents: int
    gpus: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Energy of a deployment's GPUs in an hour since 1970, in millijoules."""

    subject: Subject
    hour: int
    energy_mj: int


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` to just before ``end``, both aware."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a report. Money in cents, rounded down once; what does not apply is None."""

    user_id: str | None
    email: str | None
    deployment_id: str | None
    name: str | None
    day: date | None
    running_s: int
    gpu_s: int
    cost_cents: int
    energy_wh: float
    energy_cents: int


@dataclass(slots=True)
class _Sum:
    running_us: int = 0
    gpu_us: int = 0
    us_cents: int = 0
    energy_mj: int = 0


@dataclass(frozen=True, slots=True)
class _Key:
    """What a line stands for; the rest is None."""

    user_id: str | None = None
    email: str | None = None
    deployment_id: str | None = None
    name: str | None = None
    day: date | None = None


def report(
    stretches: Iterable[Stretch],
    energy: Iterable[Spent],
    period: Period,
    group_by: GroupBy,
    *,
    cents_per_kwh: int,
) -> list[Line]:
    """The lines of a report, in the order of what they stand for.

    Energy counts whole hours: the hour that ``period`` begins in counts in full.
    """
    sums: dict[_Key, _Sum] = defaultdict(_Sum)
    for stretch in stretches:
        for key, length_us in _parts(stretch, period, group_by):
            total = sums[key]
            total.running_us += length_us
            total.gpu_us += length_us * stretch.gpus
            total.us_cents += length_us * stretch.rate_cents
    for spent in energy:
        day = from_us(spent.hour * HOUR_US).date()
        sums[_key(spent.subject, day, group_by)].energy_mj += spent.energy_mj
    return [_line(key, sums[key], cents_per_kwh) for key in sorted(sums, key=str)]


def _parts(stretch: Stretch, period: Period, group_by: GroupBy) -> Iterator[tuple[_Key, int]]:
    """What of a stretch is within the period, by day where days are asked for."""
    start_us = max(stretch.start_us, to_us(period.start))
    end_us = min(stretch.end_us, to_us(period.end))
    while start_us < end_us:
        moment = from_us(start_us)
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
        stop_us = min(end_us, to_us(midnight)) if group_by is GroupBy.DAY else end_us
        yield _key(stretch.subject, moment.date(), group_by), stop_us - start_us
        start_us = stop_us


def _key(s: Subject, day: date, group_by: GroupBy) -> _Key:
    match group_by:
        case GroupBy.USER:
            return _Key(s.user_id, s.email)
        case GroupBy.DEPLOYMENT:
            return _Key(s.user_id, s.email, s.deployment_id, s.name)
        case GroupBy.DAY:
            return _Key(day=day)


def _line(key: _Key, total: _Sum, cents_per_kwh: int) -> Line:
    return Line(
        **asdict(key),
        running_s=total.running_us // 1_000_000,
        gpu_s=total.gpu_us // 1_000_000,
        cost_cents=total.us_cents // HOUR_US,
        energy_wh=round(total.energy_mj / MJ_PER_WH, 3),
        energy_cents=total.energy_mj * cents_per_kwh // MJ_PER_KWH,
    )
