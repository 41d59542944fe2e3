"""What nobody asks for any more is forgotten within the hour, and nothing else."""

from collections.abc import Iterator

import pytest

from appliance.domain.deployment import Status
from appliance.domain.observed import ImageFacts
from appliance.domain.order import Order
from appliance.store import events
from tests.engine.conftest import ADA, IMAGE, PREFIX, an_order
from tests.engine.virtual_world import VirtualWorld

HOUR_S = 3605.0
UP_S = 600.0
"""Nothing answers the health check here; in that time it counts as running all the same."""

OLLAMA = "docker.io/ollama/ollama:latest"
CONTAINERS = "SELECT DISTINCT container_id FROM provision ORDER BY container_id"


@pytest.fixture
def world() -> Iterator[VirtualWorld]:
    made = VirtualWorld()
    made.runtime.images[IMAGE] = ImageFacts(id="sha256:app", exposed_ports=(8080,))
    made.runtime.images[OLLAMA] = ImageFacts(id="sha256:ollama")
    made.runtime.commands["ollama", "pull", "llama2"] = ((b"done",), 0)
    yield made
    made.close()


def provided(world: VirtualWorld) -> set[str]:
    """The containers of which it is on record what is done in them."""
    return {str(row["container_id"]) for row in world.rows(CONTAINERS)}


def deploy(world: VirtualWorld) -> tuple[str, str]:
    """A deployment with a value to provide, and the container in which that is done."""
    order = Order(node_id="node_1", template_id="ollama", env={"OLLAMA_MODELS": "llama2"})
    made = world.run(world.world.deploy(order))
    world.settle(UP_S)
    return made, container_of(world, made)


def container_of(world: VirtualWorld, deployment_id: str) -> str:
    d = world.run(world.world.view(deployment_id)).deployment
    assert d.shown is Status.RUNNING
    return str(d.container_id)


def test_what_was_done_in_a_container_is_forgotten_with_it(world: VirtualWorld) -> None:
    deleted, first = deploy(world)
    made_anew, second = deploy(world)
    stopped, third = deploy(world)
    assert provided(world) == {first, second, third}
    deployments = world.world.engine.deployments
    world.run(deployments.delete(ADA, deleted))
    world.run(deployments.stop(ADA, stopped))
    world.runtime.vanish(f"{PREFIX}-{made_anew.replace('_', '-')}-g1")
    world.settle(HOUR_S)
    fresh = container_of(world, made_anew)
    assert fresh != second
    assert provided(world) == {fresh, third}
    world.run(deployments.start(ADA, stopped))
    world.settle(UP_S)
    assert container_of(world, stopped) == third


def test_a_deployment_that_flaps_keeps_its_newest_events(
    world: VirtualWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEPT", 10)
    flapping = world.run(world.world.deploy(an_order()))
    world.settle(UP_S)
    for _ in range(20):
        world.run(world.world.engine.deployments.restart(ADA, flapping))
        world.settle(20)
    before = world.run(world.world.event_types(flapping))
    assert len(before) > 30
    world.settle(HOUR_S)
    assert world.run(world.world.event_types(flapping)) == before[-10:]
