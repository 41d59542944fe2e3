"""A deployment from order to grave, on the fake runtime."""

import math
from collections.abc import Callable, Iterator

import pytest

from appliance.domain.change import Change
from appliance.domain.deployment import Deployment, RestartPolicy, Status
from appliance.domain.errors import (
    ImageFailure,
    InvalidRequest,
    NotFound,
    RuntimeTimeout,
    RuntimeUnavailable,
)
from appliance.domain.observed import ImageFacts
from appliance.domain.order import Order
from appliance.domain.setbacks import MAX_TRIES
from appliance.engine.pulls import MAX_UNANSWERED, PULLS_AT_ONCE
from appliance.engine.pulse import Pulse
from appliance.runtime.port import ContainerSpec
from tests.engine.conftest import ADA, IMAGE, OKI, PREFIX, World, an_order
from tests.engine.virtual_world import VirtualWorld
from tests.fake_parts import Offer
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
MISSING = "docker.io/library/missing:latest"


def name(deployment_id: str, generation: int = 1) -> str:
    return f"{PREFIX}-{deployment_id.replace('_', '-')}-g{generation}"


async def test_an_order_is_answered_pending_and_comes_up(world: World) -> None:
    made = await world.engine.deployments.create(ADA, an_order())
    assert made.view is not None
    assert made.view.deployment.shown is Status.PENDING
    view = await world.until(made.view.deployment.id, Status.RUNNING)
    assert [e.internal_port for e in view.endpoints] == [8080]
    assert view.deployment.started_at is not None
    assert view.deployment.stopped_at is None


async def test_stop_keeps_the_container_and_start_brings_the_same_one_back(world: World) -> None:
    i = await world.deploy()
    before = (await world.until(i, Status.RUNNING)).deployment.container_id
    assert (await world.engine.deployments.stop(ADA, i)).deployment.shown is Status.STOPPING
    stopped = await world.until(i, Status.STOPPED)
    assert stopped.deployment.stopped_at is not None
    assert stopped.endpoints == ()
    assert (await world.engine.deployments.start(ADA, i)).deployment.shown is Status.STARTING
    assert (await world.until(i, Status.RUNNING)).deployment.container_id == before


async def test_restart_ends_in_running_with_another_process(world: World) -> None:
    i = await world.deploy()
    before = (await world.until(i, Status.RUNNING)).deployment.process
    view = await world.engine.deployments.restart(ADA, i)
    assert view.deployment.shown is Status.STARTING

    async def replaced() -> bool:
        d = (await world.view(i)).deployment
        return d.shown is Status.RUNNING and d.process != before

    await eventually(replaced)


async def test_delete_removes_container_network_and_row(world: World) -> None:
    i = await world.deploy()
    await world.until(i, Status.RUNNING)
    await world.engine.deployments.delete(ADA, i)
    with pytest.raises(NotFound):
        await world.view(i)

    async def gone() -> bool:
        return not world.runtime.names() and not world.runtime.networks

    await eventually(gone)


async def test_starting_what_runs_and_stopping_what_is_stopped_change_nothing(world: World) -> None:
    i = await world.deploy()
    await world.until(i, Status.RUNNING)
    history = await world.event_types(i)
    assert (await world.engine.deployments.start(ADA, i)).deployment.shown is Status.RUNNING
    assert await world.event_types(i) == history
    await world.engine.deployments.stop(ADA, i)
    await world.until(i, Status.STOPPED)
    history = await world.event_types(i)
    assert (await world.engine.deployments.stop(ADA, i)).deployment.shown is Status.STOPPED
    assert await world.event_types(i) == history


async def test_a_crash_is_restarted_at_once_and_told(world: World) -> None:
    i = await world.deploy()
    await world.until(i, Status.RUNNING)
    world.runtime.finish(name(i), 3)

    async def restarted() -> bool:
        d = (await world.view(i)).deployment
        return d.restart_count == 1 and d.shown is Status.RUNNING

    await eventually(restarted)
    assert "crashed" in await world.event_types(i)


async def test_the_second_crash_in_a_row_waits_and_says_why(world: World) -> None:
    i = await world.deploy()
    for count in (1, 2):
        await world.until(i, Status.RUNNING)
        world.runtime.finish(name(i), 3)

        async def counted(expected: int = count) -> bool:
            return (await world.view(i)).deployment.restart_count == expected

        await eventually(counted)
    d = (await world.view(i)).deployment
    assert d.shown is Status.STARTING
    assert d.reason is not None
    assert d.reason.message == "Exited with code 3; restart 2 in 10 s"
    assert d.exit_code == 3


async def test_exit_code_0_is_a_completed_deployment(world: World) -> None:
    i = await world.deploy()
    await world.until(i, Status.RUNNING)
    world.runtime.finish(name(i), 0)
    view = await world.until(i, Status.STOPPED)
    assert view.deployment.reason is not None
    assert view.deployment.reason.code == "completed"
    await world.engine.deployments.start(ADA, i)
    await world.until(i, Status.RUNNING)


async def test_policy_never_makes_a_crash_a_failure(world: World) -> None:
    i = await world.deploy(
        Order(node_id="node_1", custom_image=IMAGE, restart_policy=RestartPolicy.NEVER)
    )
    await world.until(i, Status.RUNNING)
    world.runtime.finish(name(i), 137, out_of_memory=True)
    d = (await world.until(i, Status.FAILED)).deployment
    assert d.reason is not None
    assert d.reason.code == "out_of_memory"


async def test_a_missing_image_is_a_failure_with_its_code(world: World) -> None:
    world.runtime.refuse(MISSING, ImageFailure("image_not_found", "no such image"))
    i = await world.deploy(an_order(MISSING))
    d = (await world.until(i, Status.FAILED)).deployment
    assert d.reason is not None
    assert d.reason.code == "image_not_found"


async def test_stop_during_a_pull_cancels_the_pull(world: World) -> None:
    world.runtime.offer(MISSING, held=True)
    i = await world.deploy(an_order(MISSING))
    await world.until(i, Status.PULLING)
    await world.engine.deployments.stop(ADA, i)
    await world.until(i, Status.STOPPED)
    assert world.runtime.names() == []


async def test_stopped_while_it_is_created_it_is_never_started(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = world.runtime.create

    async def create_and_stop(spec: ContainerSpec) -> None:
        await create(spec)
        await world.engine.deployments.stop(ADA, i)

    monkeypatch.setattr(world.runtime, "create", create_and_stop)
    i = await world.deploy()
    await world.until(i, Status.STOPPED)
    assert world.runtime.faults.count("start") == 0
    await world.engine.deployments.start(ADA, i)
    await world.until(i, Status.RUNNING)
    assert world.runtime.names() == [name(i)]


async def test_one_pull_serves_two_deployments(world: World) -> None:
    offer = world.runtime.offer(MISSING, held=True)
    first, second = [await world.deploy(an_order(MISSING)) for _ in range(2)]
    await world.until(first, Status.PULLING)
    await world.until(second, Status.PULLING)
    assert offer.gate is not None
    offer.gate.set()
    await world.until(first, Status.RUNNING)
    await world.until(second, Status.RUNNING)
    assert world.runtime.faults.count("pull") == 1


async def test_podman_away_is_said_and_waited_for(world: World) -> None:
    world.runtime.take_down()
    i = await world.deploy()

    async def told() -> bool:
        reason = (await world.view(i)).deployment.reason
        return reason is not None and reason.code == "runtime_unavailable"

    await eventually(told)

    async def noticed() -> bool:
        return not world.engine.pulse.runtime_reachable()

    await eventually(noticed)
    world.runtime.bring_up()
    await world.until(i, Status.RUNNING)
    assert (await world.view(i)).deployment.reason is None


async def test_a_container_with_our_name_and_no_row_is_shown_and_left_alone(world: World) -> None:
    stranger = name("dep_000000000000")
    world.runtime.add_stranger(stranger)
    world.engine.pulse.suspect()

    async def seen() -> bool:
        return world.engine.reconciler.strangers == {stranger}

    await eventually(seen)
    assert stranger in world.runtime.names()


async def test_a_foreign_deployment_is_not_there_for_others(world: World) -> None:
    i = await world.deploy()
    with pytest.raises(NotFound):
        await world.engine.deployments.get(OKI, i)
    with pytest.raises(NotFound):
        await world.engine.deployments.delete(OKI, i)
    assert (await world.engine.deployments.page(OKI, None, number=1, limit=20)) == ([], 0)


async def test_every_wrong_field_is_told_at_once(world: World) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await world.deploy(Order(node_id="node_2", template_id="nope"))
    assert [e.field for e in caught.value.errors] == ["nodeId", "templateId"]


class Hours(VirtualWorld):
    """An engine for which hours go by in a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.runtime.images[IMAGE] = ImageFacts(id="sha256:app", exposed_ports=(8080,))

    def deploy(self, image: str = IMAGE) -> str:
        order = Order("node_1", custom_image=image, restart_policy=RestartPolicy.ALWAYS)
        made = self.run(self.world.deploy(order))
        self.settle()
        return made

    def row(self, deployment_id: str) -> Deployment:
        return self.run(self.world.view(deployment_id)).deployment

    def held(self, image: str) -> Offer:
        return self.runtime.offer(image, held=True)

    def let_go(self, offer: Offer) -> None:
        assert offer.gate is not None
        offer.gate.set()
        self.settle(5)

    def podman_away(self, seconds: float) -> None:
        self.runtime.take_down()
        self.settle(seconds)
        self.runtime.bring_up()

    def switched_off(self, seconds: float) -> None:
        self.kill()
        self.loop.elapse(seconds)
        self.boot()

    def suspended(self, seconds: float) -> None:
        self.clock.suspend(seconds)


@pytest.fixture
def hours() -> Iterator[Hours]:
    made = Hours()
    yield made
    made.close()


@pytest.mark.parametrize("absence", [Hours.podman_away, Hours.switched_off, Hours.suspended])
def test_a_back_off_that_nobody_saw_the_end_of_goes_on_where_it_was(
    hours: Hours, absence: Callable[[Hours, float], None]
) -> None:
    hours.runtime.behaviours[IMAGE].exits = 3
    i = hours.deploy()
    hours.settle(60)
    absence(hours, 1200)
    hours.runtime.behaviours[IMAGE].exits = None
    hours.settle(310)
    assert hours.row(i).status is Status.RUNNING


def test_who_waits_in_line_for_a_pull_has_all_of_its_time(hours: Hours) -> None:
    offers = [hours.held(f"registry.example/{n}:1") for n in range(PULLS_AT_ONCE + 1)]
    *_, last = [hours.deploy(f"registry.example/{n}:1") for n in range(len(offers))]
    updated, update = hours.deploy(), hours.world.engine.updates.update
    change = Change(fields={"image": f"registry.example/{PULLS_AT_ONCE}:1"})
    hours.run(update(ADA, updated, change))
    for offer in offers:
        hours.settle(2400)
        hours.run(update(ADA, updated, Change(name=str(hours.clock.true_s))))  # a look
        hours.settle()
        assert hours.row(last).status is Status.PULLING
        assert hours.row(updated).update is not None
        hours.let_go(offer)
    assert hours.row(last).status is Status.RUNNING
    assert (hours.row(updated).generation, hours.row(updated).update) == (2, None)


def test_a_pull_that_podman_breaks_off_every_time_comes_to_an_end(hours: Hours) -> None:
    hours.runtime.offer(MISSING)
    hours.runtime.faults.fail("pull", times=math.inf)
    i = hours.deploy(MISSING)
    hours.settle(3600)
    d = hours.row(i)
    assert (d.status, d.reason and d.reason.code) == (Status.FAILED, "pull_failed")
    assert hours.runtime.faults.count("pull") == MAX_TRIES * MAX_UNANSWERED


def test_a_start_that_is_never_answered_comes_to_an_end(
    hours: Hours, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(_name: str) -> None:
        await hours.clock.sleep(60)
        raise RuntimeTimeout("no answer")

    monkeypatch.setattr(hours.runtime, "start", hangs)
    i = hours.deploy()
    hours.settle(890)
    assert hours.row(i).status is Status.STARTING
    hours.settle(80)
    d = hours.row(i)
    assert (d.status, d.reason and d.reason.code) == (Status.FAILED, "start_timeout")


def test_podman_answers_until_it_does_not_or_nobody_listened(hours: Hours) -> None:
    pulse, clock = Pulse(hours.clock), hours.clock
    assert pulse.answering_boot_us() == clock.now().boot_us
    breaks: list[Callable[[], None]] = [
        lambda: pulse.lost(RuntimeUnavailable("x")), lambda: clock.suspend(61),
    ]  # fmt: skip
    for break_off in breaks:
        pulse.heard()
        since_us = clock.now().boot_us
        hours.loop.elapse(20)
        pulse.heard()
        pulse.lost(RuntimeTimeout("a container that is being started holds the list"))
        assert pulse.answering_boot_us() == since_us
        break_off()
        assert pulse.answering_boot_us() == clock.now().boot_us
