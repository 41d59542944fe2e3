"""An hour is kept and no more; rates are those of one run of one container."""

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.domain.deployment import Spec
from appliance.domain.errors import NotFound
from appliance.domain.observed import ContainerName
from appliance.engine.activity import Activity
from appliance.engine.samples import KEPT, TICK_S, Samples
from appliance.runtime.port import ContainerStats
from appliance.store import deployments
from appliance.store.database import open_database
from appliance.store.deployments import NewDeployment
from tests.engine.conftest import ADA, OKI, PREFIX, with_users
from tests.fake_runtime import FakeRuntime
from tests.manual_clock import ManualClock

pytestmark = pytest.mark.anyio
ZERO = ContainerStats(10**9, 2**20, None, 0, 0, 0, 0, 1)


class Meter(FakeRuntime):
    """Shows the readings it is given."""

    reading = ZERO

    async def all_stats(self) -> dict[str, ContainerStats]:
        return {str(ContainerName(PREFIX, "dep_1", 1)): self.reading}


async def test_rates_are_taken_between_ticks_and_an_hour_is_kept(tmp_path: Path) -> None:
    await with_users(tmp_path / "a.db")
    db = await open_database(tmp_path / "a.db")
    clock, meter = ManualClock(), Meter(prefix=PREFIX)
    async with db.transaction() as tx:
        new = NewDeployment("dep_1", "user_ada", "node_1", "n", Spec("localhost/a"), None, 0)
        await deployments.insert(tx, new, clock.now())
    samples = Samples(db, clock, meter, Activity(clock), PREFIX)
    for tick in range(KEPT + 5):
        half_a_core = 10**9 * (1 + tick * TICK_S // 2)
        meter.reading = replace(ZERO, cpu_ns=half_a_core, network_tx_bytes=tick * TICK_S * 100)
        await samples.take()
        clock.pass_time(seconds=TICK_S)
    kept = await samples.of(ADA, "dep_1", None)
    assert len(kept) == KEPT
    assert kept[-1].cpu_percent == pytest.approx(50, abs=4)
    assert (kept[-1].network_tx_bytes_per_s, kept[-1].network_rx_bytes_per_s) == (100, 0)
    meter.reading = ZERO  # it was started again: its counters begin anew
    await samples.take()
    last = (await samples.of(ADA, "dep_1", None))[-1]
    assert (last.cpu_percent, last.requests_per_s) == (None, 0)
    with pytest.raises(NotFound):
        await samples.of(OKI, "dep_1", None)
    async with db.transaction() as tx:
        await tx.execute("UPDATE deployment SET deleted_us = 1, desired = 'deleted'")
    clock.pass_time(hours=1, seconds=1)
    await samples.take()
    assert samples._kept == {}
    await db.close()
