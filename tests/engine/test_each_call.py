"""Each single call of Podman goes wrong once, in each way, in each verb's story; and is counted."""

from collections.abc import Iterator

import pytest

from appliance.domain.deployment import Status
from appliance.domain.errors import NotFound, RuntimeFailure, RuntimeTimeout, RuntimeUnavailable
from appliance.domain.observed import ImageFacts
from appliance.engine.deployments import Deployments
from appliance.store.database import Database, Parameters, Row
from tests.engine.conftest import ADA, IMAGE, an_order
from tests.engine.virtual_world import VirtualWorld
from tests.fake_faults import Call, Faults, Verb

PULLED = "docker.io/library/pulled:latest"
ERRORS = {
    "fails": RuntimeFailure("it did not work (test)"),
    "hangs past its deadline": RuntimeTimeout("no answer (test)"),
    "is not reachable": RuntimeUnavailable("away (test)"),
}
WAYS = [*ERRORS, "loses its answer", "lands late", "meets a crash before", "meets a crash after"]
STORIES = ("create", "stop", "start", "restart", "delete")
STATUS = {"stop": Status.STOPPED}
LONGEST_S = 200
IDLE_S = 20.0


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
        faults.crash(verb, nth=nth, after=way.endswith("after"))


def calls_of(world: VirtualWorld, story: str) -> list[Call]:
    """What the story asks of Podman if nothing goes wrong."""
    deployment_id = begin(world, story)
    world.runtime.faults.calls.clear()
    tell(world, story, deployment_id)
    world.settle()
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
    shown = world.run(world.world.view(deployment_id)).deployment.shown
    assert shown is STATUS.get(story, Status.RUNNING)
    assert len(runtime.running(deployment_id)) == (shown is Status.RUNNING)
    assert len([n for n in runtime.names() if hyphened in n]) == 1


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("way", WAYS)
def test_whichever_call_goes_wrong_the_order_is_carried_out(
    world: VirtualWorld, story: str, way: str
) -> None:
    verbs = [call.verb for call in calls_of(world, story)]
    assert verbs
    for position, verb in enumerate(verbs):
        nth = verbs[: position + 1].count(verb)
        deployment_id = begin(world, story)
        plan_fault(world.runtime.faults, way, verb, nth)
        deployment_id = tell(world, story, deployment_id)
        world.settle()
        world.runtime.faults.land()
        world.settle(LONGEST_S)
        ended_well(world, story, deployment_id)
        world.runtime.faults.clear()


def test_an_idle_round_asks_podman_the_same_whatever_the_number(world: VirtualWorld) -> None:
    counts = []
    for more in (1, 9):
        for _ in range(more):
            world.run(world.world.deploy())
        world.settle(IDLE_S)
        world.runtime.faults.calls.clear()
        world.settle(IDLE_S)
        counts.append([call.verb for call in world.runtime.faults.calls])
    assert counts == [["ping", "list_containers"]] * 2


def test_a_page_is_one_statement_and_an_idle_beat_the_same_whatever_the_number(
    world: VirtualWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    usual_read, usual_look_up = Database.read, Database.look_up

    async def read(db: Database, sql: str, parameters: Parameters | None = None) -> list[Row]:
        statements.append(sql)
        return await usual_read(db, sql, parameters)

    async def look_up(db: Database, sql: str, parameters: Parameters | None = None) -> list[Row]:
        statements.append(sql)
        return await usual_look_up(db, sql, parameters)

    monkeypatch.setattr(Database, "read", read)
    monkeypatch.setattr(Database, "look_up", look_up)
    pages, beats = [], []
    for more in (1, 9):
        for _ in range(more):
            world.run(world.world.deploy())
        world.settle(IDLE_S)
        statements.clear()
        world.settle(IDLE_S)
        beats.append(list(statements))
        statements.clear()
        world.run(world.world.engine.deployments.page(ADA, None, number=1, limit=20))
        pages.append(len(statements))
    assert pages == [1, 1]
    assert beats[0] == beats[1]
