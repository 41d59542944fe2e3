"""Each single call of Podman goes wrong once, in each way, in each verb's story; and is counted."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest

from appliance.domain.change import Change
from appliance.domain.deployment import Status, Volume
from appliance.domain.errors import (
    ContainerWedged,
    NotFound,
    PortTaken,
    RuntimeFailure,
    RuntimeTimeout,
    RuntimeUnavailable,
)
from appliance.domain.observed import ImageFacts
from appliance.domain.setbacks import LOOK_AGAIN_US
from appliance.engine.deployments import Deployments
from tests.engine.conftest import ADA, IMAGE, an_order
from tests.engine.virtual_world import START_S, VirtualWorld
from tests.fake_faults import Call, Faults, Moment, Verb

PULLED = "docker.io/library/pulled:latest"
ERRORS = {
    "fails": RuntimeFailure("it did not work (test)"),
    "hangs past its deadline": RuntimeTimeout("no answer (test)"),
    "is not reachable": RuntimeUnavailable("away (test)"),
    "finds its port taken": PortTaken("taken (test)"),
    "finds it wedged": ContainerWedged("wedged (test)"),
}
CRASHES: dict[str, Moment] = {
    "meets a crash before": "before",
    "meets a crash after": "after",
    "meets a crash and lands late": "late",
}
WAYS = [*ERRORS, "loses its answer", "lands late", *CRASHES]
STORIES = ("create", "stop", "start", "restart", "delete", "update", "handover")
UPDATES: dict[str, dict[str, object]] = {
    "update": {"env": {"A": "1"}},
    "handover": {"volumes": (Volume("data", "/data"),)},
}
LONG_ENOUGH_S = 3
"""For an update: the new container has to stay up for two seconds."""
STATUS = {"stop": Status.STOPPED}
LONGEST_S = 200
IDLE_S = 60.0
"""Whole numbers of beats, rounds and samples."""
MOST_IDLE_STATEMENTS = 100  # twelve beats of five statements, three rounds, four samples


@pytest.fixture
def world() -> Iterator[VirtualWorld]:
    made = VirtualWorld()
    made.runtime.images[IMAGE] = ImageFacts(id="sha256:app", exposed_ports=(8080,))
    made.runtime.offer(PULLED)
    yield made
    made.close()


def begin(world: VirtualWorld, story: str) -> str:
    """A deployment as it is before the story."""
    if story == "create":
        world.runtime.images.pop(PULLED, None)  # it is to be pulled
        return ""
    deployment_id = world.run(world.world.deploy(an_order(PULLED)))
    world.settle()
    if story == "start":
        world.run(world.world.engine.deployments.stop(ADA, deployment_id))
        world.settle()
    return deployment_id


def tell(world: VirtualWorld, story: str, deployment_id: str) -> str:
    if story == "create":
        return world.run(world.world.deploy(an_order(PULLED)))
    if story in UPDATES:
        change = Change(fields=UPDATES[story])
        world.run(world.world.engine.updates.update(ADA, deployment_id, change))
        return deployment_id
    order = getattr(Deployments, story)
    world.run(order(world.world.engine.deployments, ADA, deployment_id))
    return deployment_id


def plan_fault(faults: Faults, way: str, verb: Verb, nth: int) -> None:
    if way in ERRORS:
        faults.fail(verb, error=ERRORS[way], nth=nth)
    elif way == "loses its answer":
        faults.lose_answer(verb, nth=nth)
    elif way == "lands late":
        faults.delay(verb, nth=nth)
    else:
        faults.crash(verb, CRASHES[way], nth=nth)


def calls_of(world: VirtualWorld, story: str) -> list[Call]:
    """What the story asks of Podman if nothing goes wrong."""
    deployment_id = begin(world, story)
    world.runtime.faults.calls.clear()
    tell(world, story, deployment_id)
    world.settle(LONG_ENOUGH_S)
    return list(world.runtime.faults.calls)


def ended_well(world: VirtualWorld, story: str, deployment_id: str) -> None:
    hyphened = deployment_id.replace("_", "-")
    runtime = world.runtime
    mine = [n for n in (*runtime.names(), *runtime.networks) if hyphened in n]
    if story == "delete":
        assert mine == []
        with pytest.raises(NotFound):
            world.run(world.world.view(deployment_id))
        return
    d = world.run(world.world.view(deployment_id)).deployment
    shown = d.shown
    if story in UPDATES:
        code = None if d.reason is None else d.reason.code
        assert (d.update, code) in ((None, None), (None, "update_failed"))
        assert d.generation == (1 if code else d.last_generation)
    assert shown is STATUS.get(story, Status.RUNNING)
    assert len(runtime.running(deployment_id)) == (shown is Status.RUNNING)
    assert len([n for n in runtime.names() if hyphened in n]) == 1


def ends_well(world: VirtualWorld, story: str, deployment_id: str) -> None:
    """Within ``LONGEST_S``; looked at every second, for most are long done by then."""
    for _ in range(LONGEST_S):
        with suppress(AssertionError, pytest.fail.Exception):
            return ended_well(world, story, deployment_id)
        world.settle(1)
    return ended_well(world, story, deployment_id)


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("way", WAYS)
def test_whichever_call_goes_wrong_the_order_is_carried_out(
    world: VirtualWorld, story: str, way: str
) -> None:
    verbs = [call.verb for call in calls_of(world, story)]
    assert verbs
    told = []
    for position, verb in enumerate(verbs):
        nth = verbs[: position + 1].count(verb)
        deployment_id = begin(world, story)
        plan_fault(world.runtime.faults, way, verb, nth)
        told.append(tell(world, story, deployment_id))
        world.settle()
        world.runtime.faults.land()
        world.settle(LONG_ENOUGH_S)
        ends_well(world, story, told[-1])
        world.runtime.faults.land()
        world.runtime.faults.clear()
    world.settle(LONGEST_S)
    for deployment_id in told:
        ended_well(world, story, deployment_id)


def test_a_create_that_lands_after_the_delete_leaves_no_ghost(world: VirtualWorld) -> None:
    world.runtime.faults.delay("create")
    deployment_id = world.run(world.world.deploy())
    world.settle()
    tell(world, "delete", deployment_id)
    world.settle(LOOK_AGAIN_US / 1_000_000)
    world.runtime.faults.land()
    assert len(world.runtime.names()) == 1
    world.settle(LONGEST_S)
    ended_well(world, "delete", deployment_id)


def test_an_idle_round_asks_podman_the_same_whatever_the_number(world: VirtualWorld) -> None:
    counts = []
    for more in (1, 9):
        for _ in range(more):
            world.run(world.world.deploy())
        world.settle(IDLE_S)
        world.runtime.faults.calls.clear()
        world.settle(IDLE_S)
        counts.append([call.verb for call in world.runtime.faults.calls])
    idle = Counter(ping=3, list_containers=3, all_stats=4)
    assert [Counter(c) for c in counts] == [idle] * 2


def test_a_start_asks_podman_four_times_and_writes_three_times(world: VirtualWorld) -> None:
    written: list[str] = []
    world.run(world.world.db._writer.set_trace_callback(written.append))
    world.runtime.faults.calls.clear()
    world.run(world.world.deploy())
    world.settle(START_S * 2)
    calls = [call.verb for call in world.runtime.faults.calls]
    assert calls == ["image", "create", "start", "inspect"]
    assert written.count("COMMIT") == 3


def test_a_removal_that_lands_late_passes_by_a_later_container_of_that_name(
    world: VirtualWorld,
) -> None:
    deployment_id = world.run(world.world.deploy())
    world.settle(LONG_ENOUGH_S)
    [name] = world.runtime.running(deployment_id)
    world.runtime.faults.delay("remove")
    world.runtime.lose(name)
    world.settle(LONGEST_S)
    assert world.runtime.running(deployment_id) == [name]
    world.runtime.faults.land()
    assert world.runtime.running(deployment_id) == [name]


def test_a_page_is_one_statement_one_more_for_new_rows_and_an_idle_round_the_same_for_any_number(
    world: VirtualWorld,
) -> None:
    statements: list[str] = []
    db = world.world.db
    db._near_reader.set_trace_callback(statements.append)
    for connection in (db._reader, db._writer):
        world.run(connection.set_trace_callback(statements.append))
    pages, rounds = [], []
    for more in (1, 9):
        for _ in range(more):
            world.run(world.world.deploy())
        world.settle(IDLE_S)
        statements.clear()
        world.settle(IDLE_S)
        rounds.append(len(statements))
        for _ in range(2):
            statements.clear()
            world.run(world.world.engine.deployments.page(ADA, None, number=1, limit=20))
            pages.append(len(statements))
    assert pages == [2, 1, 2, 1]
    assert rounds[0] == rounds[1] <= MOST_IDLE_STATEMENTS
