"""The fake's faults strike when they were planned to."""

import math

import anyio
import pytest

from appliance.domain.errors import ContainerWedged, RuntimeTimeout, RuntimeUnavailable
from appliance.domain.observed import ContainerState, ImageFacts
from tests.fake_runtime import FakeRuntime
from tests.podman_harness import BUSYBOX

pytestmark = pytest.mark.anyio


@pytest.fixture
def runtime() -> FakeRuntime:
    runtime = FakeRuntime(prefix="nnx")
    runtime.images[BUSYBOX] = ImageFacts("sha256:busybox")
    runtime.add_stranger("nnx-dep-a-g1", running=False)
    return runtime


def state(runtime: FakeRuntime) -> ContainerState:
    container = runtime.container("nnx-dep-a-g1")
    assert container is not None
    return container.state


async def test_the_nth_call_fails_and_the_next_works(runtime: FakeRuntime) -> None:
    runtime.faults.fail("start", nth=2, error=ContainerWedged("no"))
    await runtime.start("nnx-dep-a-g1")
    with pytest.raises(ContainerWedged):
        await runtime.start("nnx-dep-a-g1")
    await runtime.start("nnx-dep-a-g1")
    assert runtime.faults.count("start") == 3


async def test_a_lost_answer_has_its_effect(runtime: FakeRuntime) -> None:
    runtime.faults.lose_answer("start")
    with pytest.raises(RuntimeTimeout):
        await runtime.start("nnx-dep-a-g1")
    assert state(runtime) is ContainerState.RUNNING


async def test_a_delayed_effect_lands_when_told(runtime: FakeRuntime) -> None:
    runtime.faults.delay("start")
    with pytest.raises(RuntimeTimeout):
        await runtime.start("nnx-dep-a-g1")
    assert state(runtime) is ContainerState.CREATED
    runtime.faults.land()
    assert state(runtime) is ContainerState.RUNNING


async def test_a_late_effect_lands_behind_what_was_asked_later(runtime: FakeRuntime) -> None:
    runtime.faults.delay("start")
    with pytest.raises(RuntimeTimeout):
        await runtime.start("nnx-dep-a-g1")
    await runtime.stop("nnx-dep-a-g1", grace_s=1)
    runtime.faults.land()
    assert state(runtime) is ContainerState.RUNNING


async def test_a_late_effect_on_what_is_gone_hurts_nobody(runtime: FakeRuntime) -> None:
    runtime.faults.delay("start")
    with pytest.raises(RuntimeTimeout):
        await runtime.start("nnx-dep-a-g1")
    await runtime.remove("nnx-dep-a-g1")
    runtime.faults.land()
    assert runtime.names() == []


async def test_a_hanging_call_ends_only_by_cancelling(runtime: FakeRuntime) -> None:
    runtime.faults.hang("start")
    with anyio.move_on_after(0.05) as scope:
        await runtime.start("nnx-dep-a-g1")
    assert scope.cancelled_caught
    assert state(runtime) is ContainerState.CREATED


async def test_down_is_every_verb_until_up(runtime: FakeRuntime) -> None:
    runtime.take_down()
    for call in (runtime.ping(), runtime.list_containers(), runtime.remove("x")):
        with pytest.raises(RuntimeUnavailable):
            await call
    runtime.bring_up()
    await runtime.ping()


async def test_a_lasting_fault_lasts_until_it_is_cleared(runtime: FakeRuntime) -> None:
    runtime.faults.fail("ping", times=math.inf)
    for _ in range(3):
        with pytest.raises(RuntimeUnavailable):
            await runtime.ping()
    runtime.faults.clear()
    await runtime.ping()


async def test_a_reboot_forgets_who_ran(runtime: FakeRuntime) -> None:
    await runtime.start("nnx-dep-a-g1")
    runtime.reboot()
    container = runtime.container("nnx-dep-a-g1")
    assert container is not None
    assert (container.state, container.process) == (ContainerState.CREATED, None)
