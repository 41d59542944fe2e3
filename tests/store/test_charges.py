"""Any schedule of running, crashes, power cuts and set clocks against a model of true time."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.domain.deployment import Spec
from appliance.domain.instant import Instant, from_us
from appliance.domain.usage import HEARTBEAT_S, OPEN_GRACE_US, end_of
from appliance.store import deployments, usage
from appliance.store.database import Database, open_database
from appliance.store.deployments import NewDeployment
from appliance.store.pages import Pages
from tests.store.conftest import ADA

S = 1_000_000
OFFSET_US = 1_768_000_000 * S
RATE_CENTS = 3600  # a cent a second
ID = "dep_1"
STEPS = ("run", "beat", "end seen", "end unseen", "kill -9 and back", "power cut")
schedules = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 40)), max_size=14)

# The first before the end, the others before it is noticed; a clock set back to where it was
# leaves no trace.
jumps = st.lists(st.sampled_from([0, -86_400, -3, 3, 86_400]), max_size=3).filter(sum)


@dataclass
class Model:
    """What is true: seconds that ran, and how many of them nobody can know of."""

    db: Database
    now_s: int = 1000
    boot: int = 1
    offset_us: int = OFFSET_US
    began_s: int | None = None
    beaten_s: int = 0
    true_s: int = 0
    unknown_s: int = 0
    jumps_us: tuple[int, ...] = ()

    @property
    def now(self) -> Instant:
        return Instant(from_us(self.now_s * S + self.offset_us), self.now_s * S, f"b{self.boot}")

    async def step(self, name: str, seconds: int) -> None:
        self.now_s += seconds
        if name == "run" and self.began_s is None:
            self.began_s = self.beaten_s = self.now_s
            async with self.db.transaction() as tx:
                await usage.open_interval(tx, ID, rate_cents=RATE_CENTS, gpus=0, now=self.now)
        elif name == "beat" and self.began_s is not None:
            self.beaten_s = self.now_s
            async with self.db.transaction() as tx:
                await usage.heartbeat(tx, f'["{ID}"]', self.now)
        elif name == "end seen" and self.began_s is not None:
            before, after, self.jumps_us = self.jumps_us[:1], self.jumps_us[1:], ()
            self.offset_us += sum(before)
            ended = self.now.wall
            self.over(self.now_s)
            self.now_s += seconds  # it is noticed later, also by an appliance that was away
            self.offset_us += sum(after)
            await self.close(ended)
        elif name == "end unseen" and self.began_s is not None:
            self.unknown_s += max(0, self.now_s - self.beaten_s - OPEN_GRACE_US // S)
            self.over(self.now_s)
            await self.close(None)
        elif name == "power cut" and self.began_s is not None:
            self.unknown_s += self.now_s - self.beaten_s
            self.over(self.now_s)
            self.boot, self.now_s = self.boot + 1, 10
            await self.close(None)

    def over(self, at_s: int) -> None:
        assert self.began_s is not None
        self.true_s += at_s - self.began_s
        self.began_s = None

    async def close(self, finished: datetime | None) -> None:
        async with self.db.transaction() as tx:
            interval = await usage.find_open(tx, ID)
            assert interval is not None
            await usage.close_interval(tx, ID, end_of(interval, finished, self.now))

    async def charged_s(self) -> int:
        [found], _ = await Pages(self.db).page(None, None, number=1, limit=1, now=self.now)
        return found.total_cost_cents


async def lives_through(schedule: Sequence[tuple[str, int]], jumps_s: Sequence[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "appliance.db"
        db = await open_database(path)
        new = NewDeployment(ID, "user_ada", "node_1", "n", Spec(image="a"), None, RATE_CENTS)
        model = Model(db, jumps_us=tuple(s * S for s in jumps_s))
        async with db.transaction() as tx:
            await tx.execute(ADA)
            await deployments.insert(tx, new, model.now)
        for name, seconds in schedule:
            await model.step(name, seconds)
            if name == "kill -9 and back":
                await db.close()
                model.db = db = await open_database(path)
            running_s = 0 if model.began_s is None else model.now_s - model.began_s
            unwatched_s = 0 if model.began_s is None else model.now_s - model.beaten_s
            charged = await model.charged_s()
            assert charged <= model.true_s + running_s
            if not jumps_s:
                owed = model.true_s + running_s - model.unknown_s
                assert charged >= owed - max(0, unwatched_s - OPEN_GRACE_US // S)
        await db.close()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(schedules)
def test_what_was_watched_is_charged_to_the_second_and_the_rest_never_over(
    schedule: list[tuple[str, int]],
) -> None:
    anyio.run(lives_through, schedule, ())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(schedules, jumps)
def test_a_wall_clock_set_around_an_end_makes_nothing_dearer(
    schedule: list[tuple[str, int]], jumps_s: list[int]
) -> None:
    anyio.run(lives_through, schedule, jumps_s)


def test_the_grace_is_two_beats() -> None:
    assert 2 * HEARTBEAT_S * S == OPEN_GRACE_US
