"""A new spec for a deployment, on the fake runtime: also through a crash after any call."""

from pathlib import Path

import anyio
import pytest

from appliance.domain.change import Change
from appliance.domain.deployment import Status, Volume
from appliance.domain.errors import ImageFailure, InvalidRequest, NotFound
from appliance.domain.observed import ImageFacts
from appliance.domain.order import SaidResources
from tests.engine.conftest import ADA, IMAGE, OKI, World, an_order, appliance, with_users
from tests.engine.test_lifecycle import name
from tests.fake_runtime import FakeRuntime
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
NEXT = "docker.io/library/app:2"
CALLS_OF_AN_UPDATE = 30


@pytest.fixture(autouse=True)
def _the_next_image(runtime: FakeRuntime) -> None:
    runtime.offer(NEXT, ImageFacts(id="sha256:next", exposed_ports=(8080,)))


async def running(world: World) -> str:
    i = await world.deploy()
    await world.until(i, Status.RUNNING)
    return i


async def order(world: World, i: str, **fields: object) -> None:
    await world.engine.updates.update(ADA, i, Change(fields=fields))


async def settled(world: World, i: str, generation: int) -> None:
    """The update is over, and one container alone is left."""

    async def alone() -> bool:
        over = (await world.view(i)).deployment.update is None
        return over and world.runtime.names() == [name(i, generation)]

    await eventually(alone)


async def test_the_new_container_takes_over_and_the_old_one_goes_with_grace(world: World) -> None:
    i = await running(world)
    before = (await world.view(i)).deployment.published
    await order(world, i, image=NEXT)
    await settled(world, i, 2)
    view = await world.view(i)
    assert view.deployment.status is Status.RUNNING
    assert view.deployment.spec.image == NEXT
    assert view.deployment.published != before
    assert await world.event_types(i) == ["created", "starting", "running", "update", "updated"]
    verbs = [c.verb for c in world.runtime.faults.calls if c.subject == name(i)]
    assert verbs.index("stop") < verbs.index("remove")


async def test_the_old_one_stays_until_the_door_says_that_it_has_answered(world: World) -> None:
    i = await running(world)
    ports: set[frozenset[int]] = set()
    open_requests = 1

    def count(leaving: frozenset[int]) -> int:
        ports.add(leaving)
        return open_requests

    world.engine.drains.count_by(count)
    old_ports = (await world.view(i)).deployment.published.values()
    await order(world, i, image=NEXT)

    async def asked() -> bool:
        return bool(ports)

    await eventually(asked)
    assert sorted(world.runtime.names()) == [name(i, 1), name(i, 2)]
    assert ports == {frozenset(old_ports)}
    open_requests = 0
    await settled(world, i, 2)

    async def alone() -> bool:
        address = world.engine.addresses.of(i)
        return address is not None and not address.leaving

    await eventually(alone)


async def test_the_old_one_serves_while_the_new_image_is_pulled(world: World) -> None:
    i = await running(world)
    offer = world.runtime.offer(NEXT, held=True)
    await order(world, i, image=NEXT)

    async def pulling() -> bool:
        return world.runtime.faults.count("pull") > 0

    await eventually(pulling)
    view = await world.view(i)
    assert view.deployment.shown is Status.RUNNING
    assert view.endpoints
    assert view.deployment.wanted_spec.image == NEXT
    assert offer.gate is not None
    offer.gate.set()
    await settled(world, i, 2)


@pytest.mark.parametrize("fault", ["pull", "refuse", "exit"])
async def test_what_fails_leaves_the_old_one_alone(world: World, fault: str) -> None:
    i = await running(world)
    process = (await world.view(i)).deployment.process
    if fault == "pull":
        world.runtime.refuse(NEXT, ImageFailure("image_not_found", "no such image"))
    elif fault == "refuse":
        world.runtime.behaviours[NEXT].refuses = ImageFailure("pull_failed", "does not start")
    else:
        world.runtime.behaviours[NEXT].exits = 3
    await order(world, i, image=NEXT)
    await settled(world, i, 1)
    d = (await world.view(i)).deployment
    assert (d.status, d.process, d.spec.image) == (Status.RUNNING, process, an_order().custom_image)
    assert d.reason is not None
    assert d.reason.code == "update_failed"
    await order(world, i, env={"A": "1"})
    await settled(world, i, 3)  # 2 was used: a name is never used twice


async def test_with_a_volume_the_old_one_makes_room_and_comes_back_on_failure(
    world: World,
) -> None:
    i = await running(world)
    world.runtime.behaviours[NEXT].exits = 3
    await order(world, i, image=NEXT, volumes=(Volume("data", "/data"),))
    await settled(world, i, 1)
    d = (await world.until(i, Status.RUNNING)).deployment
    assert (d.generation, d.restart_count) == (1, 0)
    assert "updating" in await world.event_types(i)
    assert d.reason is not None
    assert d.reason.code == "update_failed"


async def test_with_a_volume_two_containers_never_run_at_once(world: World) -> None:
    i = await running(world)
    await order(world, i, volumes=(Volume("data", "/data"),))
    await settled(world, i, 2)
    calls = [(c.verb, c.subject) for c in world.runtime.faults.calls]
    assert calls.index(("stop", name(i))) < calls.index(("start", name(i, 2)))


async def test_a_stopped_one_takes_the_new_spec_and_starts_with_it(world: World) -> None:
    i = await running(world)
    await world.engine.deployments.stop(ADA, i)
    await world.until(i, Status.STOPPED)
    await order(world, i, image=NEXT)

    async def taken() -> bool:
        d = (await world.view(i)).deployment
        return d.update is None and d.spec.image == NEXT and not world.runtime.names()

    await eventually(taken)
    assert (await world.view(i)).deployment.status is Status.STOPPED
    await world.engine.deployments.start(ADA, i)
    await world.until(i, Status.RUNNING)
    assert world.runtime.created_from(name(i, 2)).image == NEXT


async def test_a_failed_one_is_mended_by_another_image(world: World) -> None:
    i = await world.deploy(an_order("localhost/missing"))
    await world.until(i, Status.FAILED)
    await order(world, i, image=NEXT)
    assert (await world.view(i)).deployment.shown is not Status.FAILED
    await world.until(i, Status.RUNNING)


async def test_a_second_update_replaces_the_first(world: World) -> None:
    i = await running(world)
    world.runtime.offer(NEXT, held=True)
    await order(world, i, image=NEXT)
    await order(world, i, image=an_order().custom_image, env={"A": "1"})
    await settled(world, i, 3)
    assert world.runtime.created_from(name(i, 3)).env["A"] == "1"


async def test_delete_and_stop_end_an_update(world: World) -> None:
    kept, gone = await running(world), await running(world)
    world.runtime.offer(NEXT, held=True)
    for i in (kept, gone):
        await order(world, i, image=NEXT)
    await world.engine.deployments.delete(ADA, gone)
    await world.engine.deployments.stop(ADA, kept)
    await world.until(kept, Status.STOPPED)

    async def empty() -> bool:
        return not world.runtime.names()

    await eventually(empty)
    assert (await world.view(kept)).deployment.spec.image == NEXT


async def test_a_restart_during_an_update_starts_the_new_one(world: World) -> None:
    i = await running(world)
    world.runtime.offer(NEXT, held=True)
    await order(world, i, image=NEXT)
    world.runtime.offer(NEXT)
    await world.engine.deployments.restart(ADA, i)
    await settled(world, i, 2)
    await world.until(i, Status.RUNNING)


async def test_name_access_and_policy_count_at_once_and_touch_no_container(world: World) -> None:
    i = await running(world)
    calls = len([c for c in world.runtime.faults.calls if c.verb in ("create", "stop")])
    change = Change(name="renamed", fields={"hostname": "blog", "restart_policy": "always"})
    view = await world.engine.updates.update(ADA, i, change)
    assert (view.deployment.name, view.deployment.spec.hostname) == ("renamed", "blog")
    assert view.deployment.update is None
    assert len([c for c in world.runtime.faults.calls if c.verb in ("create", "stop")]) == calls
    before = await world.event_types(i)
    await world.engine.updates.update(ADA, i, change)
    assert await world.event_types(i) == before


async def test_the_same_image_asked_for_again_is_fetched_anew_and_taken_if_it_is_newer(
    world: World,
) -> None:
    i = await running(world)
    world.runtime.offer(IMAGE, world.runtime.images[IMAGE])
    await order(world, i, image=IMAGE)
    await settled(world, i, 1)
    assert (await world.event_types(i))[-2:] == ["update", "newest"]
    assert world.runtime.faults.count("pull") == 1
    world.runtime.offer(IMAGE, ImageFacts(id="sha256:newer", exposed_ports=(8080,)))
    await order(world, i, image=IMAGE)
    await settled(world, i, 3)
    shown = world.runtime.container(name(i, 3))
    assert shown is not None
    assert shown.image_id == "sha256:newer"


async def test_an_image_that_can_not_be_fetched_anew_leaves_the_old_one(world: World) -> None:
    i = await running(world)
    process = (await world.view(i)).deployment.process
    world.runtime.refuse(IMAGE, ImageFailure("registry_unreachable", "no route to it (test)"))
    await order(world, i, image=IMAGE)
    await settled(world, i, 1)
    d = (await world.view(i)).deployment
    assert d.process == process
    assert d.reason is not None
    assert (d.reason.code, "no route to it" in d.reason.message) == ("update_failed", True)


async def test_a_stopped_one_is_compared_too_and_starts_with_what_is_newer(world: World) -> None:
    i = await running(world)
    await world.engine.deployments.stop(ADA, i)
    await world.until(i, Status.STOPPED)
    world.runtime.offer(IMAGE, ImageFacts(id="sha256:newer", exposed_ports=(8080,)))
    await order(world, i, image=IMAGE)

    async def taken() -> bool:
        return (await world.event_types(i))[-1] == "updated"

    await eventually(taken)
    await world.engine.deployments.start(ADA, i)
    await world.until(i, Status.RUNNING)
    await settled(world, i, 2)


async def test_secrets_are_set_and_taken_away_one_by_one(world: World) -> None:
    i = await running(world)
    for secrets in ({"A": "1", "B": "2"}, {"A": None, "C": "3"}):
        await world.engine.updates.update(ADA, i, Change(secrets=secrets))
        await world.until(i, Status.RUNNING)
    await settled(world, i, 3)
    env = world.runtime.created_from(name(i, 3)).env
    assert {k: env.get(k) for k in "ABC"} == {"A": None, "B": "2", "C": "3"}
    assert (await world.view(i)).deployment.spec.secret_names == ("B", "C")


async def test_to_take_away_a_secret_that_is_not_there_changes_nothing(world: World) -> None:
    i = await running(world)
    view = await world.engine.updates.update(ADA, i, Change(secrets={"NONE": None}))
    assert view.deployment.update is None
    assert "update" not in await world.event_types(i)


async def test_wrong_changes_and_strangers_change_nothing(world: World) -> None:
    i = await running(world)
    with pytest.raises(NotFound):
        await world.engine.updates.update(OKI, i, Change(name="mine"))
    for fields in ({"image": "No Image"}, {"resources": SaidResources(cpus=64)}):
        with pytest.raises(InvalidRequest):
            await order(world, i, **fields)
    with pytest.raises(InvalidRequest):
        await world.engine.updates.update(
            ADA, i, Change(fields={"env": {"A": "1"}}, secrets={"A": "2"})
        )
    assert "update" not in await world.event_types(i)


@pytest.mark.parametrize("volumes", [(), (Volume("data", "/data"),)], ids=["beside", "handover"])
@pytest.mark.parametrize("calls", range(0, CALLS_OF_AN_UPDATE, 2))
async def test_after_a_crash_at_any_call_the_update_is_carried_out(
    tmp_path: Path, runtime: FakeRuntime, calls: int, volumes: tuple[Volume, ...]
) -> None:
    checked = ImageFacts(id="sha256:next", exposed_ports=(8080,), healthcheck=("CMD", "true"))
    runtime.offer(NEXT, checked)  # healthy at once, so that nothing has to settle
    path = tmp_path / "appliance.db"
    await with_users(path)
    async with appliance(path, runtime) as world:
        i = await running(world)
        before = len(runtime.faults.calls)
        await order(world, i, image=NEXT, volumes=volumes)
        with anyio.move_on_after(3):
            while len(runtime.faults.calls) < before + calls:
                await anyio.lowlevel.checkpoint()
    async with appliance(path, runtime) as world:
        await settled(world, i, 2)
        d = (await world.until(i, Status.RUNNING)).deployment
        assert (d.spec.image, d.generation) == (NEXT, 2)


async def test_what_a_crash_left_of_another_generation_is_found_and_retired(
    tmp_path: Path, runtime: FakeRuntime
) -> None:
    path = tmp_path / "appliance.db"
    await with_users(path)
    async with appliance(path, runtime) as world:
        i = await running(world)
        await order(world, i, image=NEXT)
        await settled(world, i, 2)
    runtime.add_stranger(name(i, 1))
    async with appliance(path, runtime) as world:
        await settled(world, i, 2)
