"""A database that can't be written for a while: what goes on, and what is made up for after it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from appliance.domain.deployment import Parameter, Status
from appliance.domain.errors import StoreBusy
from appliance.domain.observed import ImageFacts
from appliance.store import nodes
from tests.engine.conftest import GPU_RATE_CENTS, IMAGE, RATE_CENTS, FakeGpus, a_gpu, an_order
from tests.engine.virtual_world import VirtualWorld

OUTAGE_S = 120
CONVERGED_S = 10
UP = "SELECT up_us FROM node"
ENERGY = "SELECT coalesce(sum(energy_mj), 0) FROM energy"
PROVIDED = "SELECT value FROM provision"
LEAKS = "SELECT type FROM event WHERE type LIKE 'gpu_%' ORDER BY seq"


@pytest.fixture
def gpus() -> FakeGpus:
    return FakeGpus((replace(a_gpu(0), energy_mj=0),))


@pytest.fixture
def world(gpus: FakeGpus) -> Iterator[VirtualWorld]:
    made = VirtualWorld(gpus)
    made.runtime.images[IMAGE] = ImageFacts(id="sha256:app")
    try:
        yield made
    finally:
        made.close()


@contextmanager
def locked(world: VirtualWorld) -> Iterator[None]:
    """Another process holds the database; a wait for it takes no time."""
    db = world.world.db
    world.run(db._writer.execute_fetchall("PRAGMA busy_timeout = 0"))
    with closing(sqlite3.connect(db._path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def alive(world: VirtualWorld) -> bool:
    """Whether the engine is still there: an error that escapes ends it, and the process with it."""
    return not world._life.done()


def status(world: VirtualWorld, deployment_id: str) -> Status:
    return world.run(world.world.view(deployment_id)).deployment.shown


def test_the_engine_outlives_it_and_reads_go_on(world: VirtualWorld) -> None:
    made = world.run(world.world.deploy(an_order(gpus=1)))
    world.settle()
    with locked(world):
        world.settle(OUTAGE_S)
        assert alive(world)
        assert status(world, made) is Status.RUNNING
        with pytest.raises(StoreBusy):
            world.run(world.world.deploy())


def test_its_time_is_in_the_first_beat_after_it(world: VirtualWorld, gpus: FakeGpus) -> None:
    world.run(nodes.register(world.world.db, world.clock.now()))
    made = world.run(world.world.deploy(an_order(gpus=1)))
    world.settle(CONVERGED_S)
    [[up_us]] = world.rows(UP)
    with locked(world):
        world.settle(OUTAGE_S / 2)
        gpus.readings = (replace(gpus.readings[0], energy_mj=7_000),)
        world.settle(OUTAGE_S / 2)
    world.settle(CONVERGED_S)
    [[up_after_us]] = world.rows(UP)
    assert up_after_us - up_us >= OUTAGE_S * 1_000_000
    assert world.rows(ENERGY)[0][0] == 7_000
    cents = world.run(world.world.view(made)).total_cost_cents
    cents_a_second = (RATE_CENTS + GPU_RATE_CENTS) / 3600
    assert cents == pytest.approx(cents_a_second * world.runtime.true_running_s(made), abs=1)


def test_what_happened_meanwhile_is_seen_to_soon_after_it(world: VirtualWorld) -> None:
    made = world.run(world.world.deploy())
    world.settle()
    [name] = world.runtime.running(made)
    with locked(world):
        world.runtime.finish(name, 1)
        world.settle(OUTAGE_S)
        assert alive(world)
        assert world.runtime.running() == []
    world.settle(CONVERGED_S)
    assert status(world, made) is Status.RUNNING
    assert world.runtime.running(made) == [name]


def test_what_was_being_created_is_created_after_it(world: VirtualWorld) -> None:
    held = world.runtime.offer("docker.io/library/slow:latest", held=True)
    made = world.run(world.world.deploy(an_order("docker.io/library/slow:latest")))
    world.settle()
    with locked(world):
        assert held.gate is not None
        held.gate.set()
        world.settle(OUTAGE_S)
        assert alive(world)
    world.settle(CONVERGED_S)
    assert status(world, made) is Status.RUNNING


def test_who_waits_for_a_gpu_gets_it_also_if_it_was_given_back_meanwhile(
    world: VirtualWorld,
) -> None:
    with locked(world):
        with pytest.raises(StoreBusy):
            world.run(world.world.engine.gpus.serve())
        assert world.world.engine.gpus.is_unserved()
    world.settle(CONVERGED_S)
    assert not world.world.engine.gpus.is_unserved()


def test_memory_left_on_a_gpu_meanwhile_is_told_once_after_it(world: VirtualWorld) -> None:
    made = world.run(world.world.deploy())
    world.settle()
    watch = world.world.engine.gpu_watch
    with locked(world):
        watch.state = replace(watch.state, leaked={(made, "GPU-0"): 300})
        with pytest.raises(StoreBusy):
            world.run(world.world.engine.gpu_leaks.tell())
    for _ in range(2):
        world.run(world.world.engine.gpu_leaks.tell())
    assert [row["type"] for row in world.rows(LEAKS)] == ["gpu_leaked"]


def test_a_parameters_command_runs_meanwhile_and_is_on_record_after_it(
    world: VirtualWorld,
) -> None:
    made = world.run(world.world.deploy())
    world.settle()
    d = world.run(world.world.view(made)).deployment
    [name] = world.runtime.running(made)
    c = world.runtime.container(name)
    assert c is not None
    fetching = Parameter("models", ("m",), ("fetch", "{value}"))
    companions = world.world.engine.reconciler._shop.companions

    async def provide() -> None:
        companions.provide(replace(d, spec=replace(d.spec, parameters=(fetching,))), c)

    with locked(world):
        world.run(provide())
        world.settle(OUTAGE_S)
        assert alive(world)
        assert (name, ("fetch", "m")) in world.runtime.executed
    world.settle(CONVERGED_S)
    assert [row["value"] for row in world.rows(PROVIDED)] == ["m"]
