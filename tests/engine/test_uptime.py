"""How much of its life the machine was up, by its heartbeats and by whoever answers for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.domain.node import NodeSpecs, Room
from appliance.engine.gpu_watch import GpuWatch
from appliance.engine.gpus import Gpus
from appliance.engine.nodes import NodeProfile, Nodes
from appliance.engine.pulse import Pulse
from appliance.store import nodes
from appliance.store.database import Database, open_database
from tests.engine.conftest import PREFIX, FakeGpus
from tests.fake_runtime import FakeRuntime
from tests.manual_clock import ManualClock

pytestmark = pytest.mark.anyio
PROFILE = NodeProfile("user_ada", "attic", NodeSpecs(), None, None, 3600, 0, 100)
BEAT_S = 5


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    made = await open_database(tmp_path / "appliance.db")
    yield made
    await made.close()


def started(db: Database, clock: ManualClock) -> Nodes:
    """As a process does that starts now."""
    watch = GpuWatch(db, clock, FakeGpus())
    gpus = Gpus(db, clock, FakeRuntime(prefix=PREFIX), watch, lambda _: None)
    return Nodes(db, clock, PROFILE, Pulse(clock), gpus, room)


async def room() -> Room:
    return Room()


async def beat(db: Database, clock: ManualClock) -> None:
    clock.pass_time(seconds=BEAT_S)
    async with db.transaction() as tx:
        await nodes.heartbeat(tx, BEAT_S * 1_000_000, clock.now())


async def percent(process: Nodes) -> float | None:
    return (await process.current()).uptime_percent


async def test_a_machine_that_was_never_down_was_always_up(db: Database) -> None:
    clock = ManualClock()
    await nodes.register(db, clock.now())
    clock.pass_time(seconds=2)  # Podman is started
    process = started(db, clock)
    assert await percent(process) is None
    for _ in range(3):
        await beat(db, clock)
        assert await percent(process) == 100.0
    clock.pass_time(seconds=4)
    assert await percent(process) == 100.0


async def test_a_downtime_counts_until_the_next_start(db: Database) -> None:
    clock = ManualClock()
    await nodes.register(db, clock.now())
    await beat(db, clock)
    clock.pass_time(seconds=BEAT_S)  # down
    process = started(db, clock)
    assert await percent(process) == 50.0
    clock.pass_time(seconds=BEAT_S)
    assert await percent(process) == 66.67


async def test_a_clock_that_was_set_makes_it_no_more_than_all(db: Database) -> None:
    clock = ManualClock()
    await nodes.register(db, clock.now())
    process = started(db, clock)
    for _ in range(4):
        await beat(db, clock)
    clock.pass_time(seconds=-3)
    assert await percent(process) == 100.0
