"""A deployment from order to grave, on the fake runtime."""

import math

import pytest

from appliance.domain.deployment import HealthCheck, RestartPolicy, Status
from appliance.domain.errors import (
    ImageFailure,
    InvalidRequest,
    NotFound,
    RuntimeFailure,
    RuntimeTimeout,
)
from appliance.domain.order import Order
from appliance.runtime.port import ContainerSpec
from tests.engine.conftest import ADA, IMAGE, OKI, PREFIX, World, an_order
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


async def test_one_stopped_while_its_start_is_refused_keeps_its_container(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop_and_refuse(_name: str) -> None:
        await world.engine.deployments.stop(ADA, i)
        raise RuntimeFailure("not now")

    i = await world.deploy()
    await world.until(i, Status.RUNNING)
    await world.engine.deployments.stop(ADA, i)
    await world.until(i, Status.STOPPED)
    with monkeypatch.context() as patched:
        patched.setattr(world.runtime, "start", stop_and_refuse)
        await world.engine.deployments.start(ADA, i)
        await world.until(i, Status.STOPPED)
    await world.engine.deployments.start(ADA, i)
    await world.until(i, Status.RUNNING)
    assert world.runtime.faults.count("remove") == 0


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


async def reason_of(world: World, deployment_id: str) -> str | None:
    reason = (await world.view(deployment_id)).deployment.reason
    return None if reason is None else reason.code


async def test_a_podman_that_hangs_is_said_and_waited_for(world: World) -> None:
    hung = RuntimeTimeout("Podman did not answer in time (test)")
    world.runtime.faults.fail("image", error=hung, times=math.inf)
    i = await world.deploy()

    async def told() -> bool:
        return await reason_of(world, i) == "runtime_unavailable"

    await eventually(told)
    world.runtime.faults.clear()
    await world.until(i, Status.RUNNING)
    assert await reason_of(world, i) is None


async def test_a_podman_that_answers_again_is_not_said_to_be_away(world: World) -> None:
    """Also while there is nothing to do but wait, here for a health check."""
    checked = Order("node_1", custom_image=IMAGE, health=HealthCheck("/never"))
    i = await world.deploy(checked)
    await world.until(i, Status.STARTING)
    world.runtime.take_down()
    world.engine.reconciler.nudge(i)

    async def told() -> bool:
        return await reason_of(world, i) == "runtime_unavailable"

    async def cleared() -> bool:
        return await reason_of(world, i) is None

    await eventually(told)
    world.runtime.bring_up()
    world.engine.pulse.suspect()
    await eventually(cleared)
    assert (await world.view(i)).deployment.shown is Status.STARTING


async def test_a_container_with_our_name_and_no_row_is_shown_and_left_alone(world: World) -> None:
    stranger = name("dep_000000000000")
    world.runtime.add_stranger(stranger)
    world.engine.pulse.suspect()

    async def seen() -> bool:
        return world.engine.reconciler.strangers == frozenset({stranger})

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


async def test_the_feed_goes_on_after_an_event_even_where_that_one_is_forgotten(
    world: World,
) -> None:
    feed, i = world.engine.feed, await world.deploy()
    await world.until(i, Status.RUNNING)
    heard = await feed.place(None)
    async with world.db.transaction() as tx:
        await tx.execute("DELETE FROM event")
    changes = feed.watch(ADA, after=await feed.place(heard))
    await world.engine.deployments.stop(ADA, i)
    change = await anext(changes)
    assert change is not None
    assert (change.event.type, change.event.seq) == ("stop", heard + 1)
    with pytest.raises(InvalidRequest, match="Last-Event-ID"):
        await feed.place(heard + 100)
