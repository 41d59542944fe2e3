"""GPUs through the engine: held from before create to the end of the process, else waited for."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.domain.change import Change
from appliance.domain.deployment import Status
from appliance.domain.errors import ImageFailure
from appliance.domain.gpu import GpuReading, Survey
from appliance.domain.observed import ImageFacts
from appliance.domain.order import SaidResources
from appliance.engine import gpu_watch
from tests.engine.conftest import (
    ADA,
    GPU_RATE_CENTS,
    IMAGE,
    PREFIX,
    RATE_CENTS,
    FakeGpus,
    World,
    a_gpu,
    an_order,
    appliance,
    with_users,
)
from tests.fake_runtime import FakeRuntime
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
NEXT = "docker.io/library/app:2"


@pytest.fixture
def gpus() -> FakeGpus:
    return FakeGpus((a_gpu(0), a_gpu(1)))


async def reason(world: World, deployment_id: str) -> str:
    d = (await world.view(deployment_id)).deployment
    return "" if d.reason is None else d.reason.message


def name(deployment_id: str, generation: int = 1) -> str:
    return f"{PREFIX}-{deployment_id.replace('_', '-')}-g{generation}"


async def holders(world: World) -> dict[str, list[str]]:
    return {g.reading.gpu.key: [h.deployment_id for h in g.holders]
            for g in await world.engine.gpus.shown()}  # fmt: skip


async def test_a_gpu_is_given_and_the_next_waits_until_it_is_free(
    tmp_path: Path, runtime: FakeRuntime, gpus: FakeGpus
) -> None:
    await with_users(tmp_path / "db")
    async with appliance(tmp_path / "db", runtime, gpus) as world:
        first = await world.deploy(an_order(gpus=2))
        await world.until(first, Status.RUNNING)
        devices = ("nvidia.com/gpu=GPU-0", "nvidia.com/gpu=GPU-1")
        assert runtime.created_from(name(first)).devices == devices
        second, third = await world.deploy(an_order(gpus=1)), await world.deploy(an_order(gpus=1))

        async def waits() -> bool:
            return "number 2 in line" in await reason(world, third)

        await eventually(waits)
        assert await reason(world, second) == (
            "Waits for 1 GPU: GPU 0 is in use, GPU 1 is in use; number 1 in line"
        )
        await world.engine.deployments.stop(ADA, first)
        await world.until(second, Status.RUNNING)
        await world.until(third, Status.RUNNING)
        assert await holders(world) == {"GPU-0": [second], "GPU-1": [third]}


async def test_a_stopped_one_gets_its_container_back_where_its_gpu_is_free(
    tmp_path: Path, runtime: FakeRuntime, gpus: FakeGpus
) -> None:
    await with_users(tmp_path / "db")
    async with appliance(tmp_path / "db", runtime, gpus) as world:
        other, mine = await world.deploy(an_order(gpus=1)), await world.deploy(an_order(gpus=1))
        await world.until(other, Status.RUNNING)
        await world.until(mine, Status.RUNNING)
        made = runtime.container(name(mine))
        for i in (other, mine):
            await world.engine.deployments.stop(ADA, i)
            await world.until(i, Status.STOPPED)
        assert await holders(world) == {"GPU-0": [], "GPU-1": []}
        await world.engine.deployments.start(ADA, mine)
        await world.until(mine, Status.RUNNING)
        again = runtime.container(name(mine))
        assert made is not None
        assert again is not None
        assert again.id == made.id


async def test_a_container_made_for_a_gpu_that_is_taken_now_is_made_anew(
    tmp_path: Path, runtime: FakeRuntime
) -> None:
    await with_users(tmp_path / "db")
    both = FakeGpus((a_gpu(0), a_gpu(1)))
    async with appliance(tmp_path / "db", runtime, both) as world:
        mine = await world.deploy(an_order(gpus=1))
        await world.until(mine, Status.RUNNING)
        await world.engine.deployments.stop(ADA, mine)
        await world.until(mine, Status.STOPPED)
        other = await world.deploy(an_order(gpus=("0",)))
        await world.until(other, Status.RUNNING)
        await world.engine.deployments.start(ADA, mine)
        await world.until(mine, Status.RUNNING)
        assert runtime.created_from(name(mine)).devices == ("nvidia.com/gpu=GPU-1",)


async def test_a_device_that_is_not_inside_fails_with_its_reason(
    tmp_path: Path, runtime: FakeRuntime, gpus: FakeGpus
) -> None:
    await with_users(tmp_path / "db")
    runtime.behaviours[IMAGE].missing = ("/dev/GPU-0",)
    async with appliance(tmp_path / "db", runtime, gpus) as world:
        d = await world.deploy(an_order(gpus=1))
        failed = (await world.until(d, Status.FAILED)).deployment
        assert failed.reason is not None
        assert failed.reason.code == "gpu_missing"
        assert "/dev/GPU-0" in failed.reason.message
        assert runtime.names() == []
        assert await holders(world) == {"GPU-0": [], "GPU-1": []}


async def test_a_gpu_installed_meanwhile_is_given_to_who_waits_for_it(
    tmp_path: Path, runtime: FakeRuntime
) -> None:
    await with_users(tmp_path / "db")
    none = FakeGpus()
    async with appliance(tmp_path / "db", runtime, none) as world:
        d = await world.deploy(an_order(gpus=1))

        async def waits() -> bool:
            return await reason(world, d) == "Needs 1 GPU, this machine has no GPU"

        await eventually(waits)
        none.readings = (a_gpu(0),)
        await world.until(d, Status.RUNNING)


async def test_a_crash_between_any_two_lines_keeps_what_is_held(
    tmp_path: Path, runtime: FakeRuntime, gpus: FakeGpus
) -> None:
    await with_users(tmp_path / "db")
    async with appliance(tmp_path / "db", runtime, gpus) as world:
        first, second = await world.deploy(an_order(gpus=2)), await world.deploy(an_order(gpus=2))
    async with appliance(tmp_path / "db", runtime, gpus) as world:
        await world.until(first, Status.RUNNING)
        await world.engine.deployments.delete(ADA, first)
    async with appliance(tmp_path / "db", runtime, gpus) as world:
        await world.until(second, Status.RUNNING)
        assert await holders(world) == {"GPU-0": [second], "GPU-1": [second]}


class HangingGpus(FakeGpus):
    """A driver that does not answer until it is let go."""

    def __init__(self, *readings: GpuReading) -> None:
        super().__init__(readings)
        self.gate = threading.Event()
        self.gate.set()

    def survey(self) -> Survey:
        survey = super().survey()
        self.gate.wait()
        return survey


async def test_a_driver_that_hangs_is_told_asked_no_more_and_taken_up_again(
    tmp_path: Path, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_watch, "SURVEY_S", 0.1)
    source = HangingGpus(a_gpu(0))
    await with_users(tmp_path / "db")
    async with appliance(tmp_path / "db", runtime, source) as world:
        watch = world.engine.gpu_watch
        await watch.look(older_than_us=0)
        source.gate.clear()
        for _ in range(3):
            await watch.look(older_than_us=0)
        assert watch.state.survey.findings == (gpu_watch.HUNG,)
        assert len(watch.state.survey.readings) == 1
        asked = source.surveys
        await watch.look(older_than_us=0)
        assert source.surveys == asked
        source.gate.set()

        async def answers() -> bool:
            await watch.look(older_than_us=0)
            return watch.state.survey.findings == ()

        await eventually(answers)


@pytest.mark.parametrize("exclusive", [True, False])
async def test_an_update_of_who_has_the_only_gpu_stops_the_old_one_first(
    tmp_path: Path, runtime: FakeRuntime, exclusive: bool
) -> None:
    """And nobody who waits for the GPU gets it in between."""
    await with_users(tmp_path / "db")
    runtime.images[NEXT] = ImageFacts(id="sha256:next", exposed_ports=(8080,))
    async with appliance(tmp_path / "db", runtime, FakeGpus((a_gpu(0),))) as world:
        d = await world.deploy(an_order(gpus=1, exclusive=exclusive, vram_mb=20_000))
        await world.until(d, Status.RUNNING)
        waiting = await world.deploy(an_order(gpus=1))
        change = Change(fields={"image": NEXT, "resources": gpu_and_memory(exclusive)})
        await world.engine.updates.update(ADA, d, change)
        await settled(world, d, generation=2)
        assert runtime.created_from(name(d, 2)).devices == ("nvidia.com/gpu=GPU-0",)
        assert runtime.created_from(name(d, 2)).memory_bytes == 512 * 2**20
        verbs = [c.verb for c in runtime.faults.calls if c.verb in ("start", "stop")]
        assert verbs[:3] == ["start", "stop", "start"]
        assert (await world.view(waiting)).deployment.shown is Status.PENDING


async def test_an_update_that_fails_gives_the_only_gpu_back_to_the_old_one(
    tmp_path: Path, runtime: FakeRuntime
) -> None:
    await with_users(tmp_path / "db")
    runtime.images[NEXT] = ImageFacts(id="sha256:next", exposed_ports=(8080,))
    runtime.behaviours[NEXT].exits = 3
    async with appliance(tmp_path / "db", runtime, FakeGpus((a_gpu(0),))) as world:
        d = await world.deploy(an_order(gpus=1))
        await world.until(d, Status.RUNNING)
        await world.engine.updates.update(ADA, d, Change(fields={"image": NEXT}))
        await settled(world, d, generation=1)
        await world.until(d, Status.RUNNING)
        assert await holders(world) == {"GPU-0": [d]}


async def stopped(world: World, *, gpus: int) -> str:
    d = await world.deploy(an_order(gpus=gpus))
    await world.until(d, Status.RUNNING)
    await world.engine.deployments.stop(ADA, d)
    await world.until(d, Status.STOPPED)
    return d


async def test_gpus_that_were_asked_for_in_vain_are_not_charged(
    tmp_path: Path, runtime: FakeRuntime, gpus: FakeGpus
) -> None:
    await with_users(tmp_path / "db")
    async with appliance(tmp_path / "db", runtime, gpus) as world:
        d = await stopped(world, gpus=1)
        one = RATE_CENTS + GPU_RATE_CENTS
        runtime.refuse(IMAGE, ImageFailure("image_not_found", "no such image"))
        anew = Change(fields={"image": IMAGE, "resources": SaidResources(gpus=2)})
        await world.engine.updates.update(ADA, d, anew)
        await settled(world, d, generation=1)
        row = (await world.view(d)).deployment
        assert (row.spec.resources.gpus, row.rate_cents, row.wanted_rate_cents) == (1, one, one)
        await world.engine.deployments.start(ADA, d)
        await world.until(d, Status.RUNNING)
        charged = await world.db.read("SELECT rate_cents, gpus FROM usage ORDER BY seq DESC")
        assert tuple(charged[0]) == (one, 1)


async def test_other_gpus_cost_what_they_cost_now_and_as_many_what_they_did(
    tmp_path: Path, runtime: FakeRuntime, gpus: FakeGpus
) -> None:
    await with_users(tmp_path / "db")
    async with appliance(tmp_path / "db", runtime, gpus) as world:
        d = await stopped(world, gpus=2)
        dearer = replace(world.engine.updates._house, rate_cents=100, gpu_rate_cents=9000)
        world.engine.updates._house = dearer
        for change, rate_cents in (
            ({"env": {"A": "1"}}, RATE_CENTS + 2 * GPU_RATE_CENTS),
            ({"resources": SaidResources(gpus=1)}, 9100),
            ({"resources": SaidResources(gpus=0)}, 100),
        ):
            view = await world.engine.updates.update(ADA, d, Change(fields=change))
            assert view.deployment.wanted_rate_cents == rate_cents

            async def taken_over(rate_cents: int = rate_cents) -> bool:
                row = (await world.view(d)).deployment
                return (row.update, row.rate_cents) == (None, rate_cents)

            await eventually(taken_over)


def gpu_and_memory(exclusive: bool) -> SaidResources:
    return SaidResources(gpus=1, exclusive=exclusive, vram_mb=20_000, memory_mb=512)


async def settled(world: World, d: str, generation: int) -> None:
    """The update is over, and one container alone is left."""

    async def alone() -> bool:
        names = [n for n in world.runtime.names() if n.startswith(name(d)[:-1])]
        return (await world.view(d)).deployment.update is None and names == [name(d, generation)]

    await eventually(alone)
