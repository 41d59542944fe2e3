"""Any orders, faults of Podman, deaths of the engine and cuts of the power, in any order.

Whatever happened: what was acknowledged is carried out, once, and nobody pays for what did not
run. Hypothesis looks for the story that breaks it and tells the shortest one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from appliance.domain.change import Change
from appliance.domain.deployment import Desired, RestartPolicy, Status, Volume
from appliance.domain.errors import (
    ContainerWedged,
    ImageFailure,
    NotFound,
    PortTaken,
    RuntimeFailure,
    RuntimeTimeout,
    RuntimeUnavailable,
    StartRefused,
)
from appliance.domain.observed import ImageFacts
from appliance.domain.order import IdleTimeout, Order
from appliance.domain.usage import OPEN_GRACE_US
from appliance.engine.deployments import Deployments
from appliance.engine.views import DeploymentView
from tests.engine.conftest import ADA, IMAGE, PREFIX, RATE_CENTS, FakeGpus
from tests.engine.virtual_world import VirtualWorld, is_up
from tests.fake_faults import Moment, Verb

PULLED, MISSING, ENDS, CRASHES, STUBBORN, REFUSED = (
    f"docker.io/library/{word}:latest"
    for word in ("pulled", "missing", "ends", "crashes", "stubborn", "refused")
)
LOOPING = frozenset({Status.STARTING, Status.RUNNING})
ENDING = {
    IMAGE: Status.RUNNING,
    PULLED: Status.RUNNING,
    STUBBORN: Status.RUNNING,
    MISSING: Status.FAILED,
    REFUSED: Status.FAILED,
    ENDS: Status.STOPPED,
    CRASHES: Status.FAILED,
}
"""Where a deployment wanted running comes to rest, if it is not started again for ever."""

VERBS: list[Verb] = [
    "ping", "image", "pull", "create", "start", "stop", "remove", "purge", "inspect",
    "list_containers",
]  # fmt: skip
ERRORS = [
    RuntimeFailure("it did not work (test)"), RuntimeTimeout("no answer (test)"),
    RuntimeUnavailable("away (test)"), ContainerWedged("wedged (test)"), PortTaken("taken (test)"),
]  # fmt: skip
ORDERS = {
    "start": (Deployments.start, Desired.RUNNING),
    "stop": (Deployments.stop, Desired.STOPPED),
    "restart": (Deployments.restart, Desired.RUNNING),
    "delete": (Deployments.delete, Desired.DELETED),
}
LATE = "SELECT message FROM event WHERE message LIKE '%Still %' OR message LIKE '%not up in%'"
IDLED = "SELECT deployment_id FROM event WHERE type = 'idle' ORDER BY seq"
SLEEPS_AFTER_S = 6
GRACE_S = OPEN_GRACE_US / 1_000_000
LONGEST_BACKOFF_S = 310
STRANGER = f"{PREFIX}-dep-000000000000-g1"
MOMENTS: list[Moment] = ["before", "after", "late"]
which, verbs, nth = st.integers(0, 9), st.sampled_from(VERBS), st.integers(1, 4)
moments = st.sampled_from(MOMENTS)


@dataclass
class Acknowledged:
    """What a caller was told, and so may count on."""

    images: set[str]
    desired: Desired = Desired.RUNNING
    unseen_ends: int = 0
    sleeps: bool = False


class Lifecycle(RuleBasedStateMachine):
    """A user, a Podman and a power supply with a will of their own."""

    def __init__(self, gpus: FakeGpus | None = None) -> None:
        super().__init__()
        self.world = VirtualWorld(gpus)
        self.told: dict[str, Acknowledged] = {}
        self.wall_was_set = False
        runtime = self.world.runtime
        for image in (IMAGE, ENDS, CRASHES, STUBBORN, REFUSED):
            runtime.images[image] = ImageFacts(id=f"sha256:{image}", exposed_ports=(8080,))
        runtime.offer(PULLED)
        runtime.behaviours[ENDS].exits = 0
        runtime.behaviours[CRASHES].exits = 3
        runtime.behaviours[STUBBORN].stubborn = True
        runtime.behaviours[REFUSED].refuses = StartRefused("no such device (test)")
        runtime.add_stranger(STRANGER)

    def teardown(self) -> None:
        try:
            self.comes_to_rest()
        finally:
            self.world.close()

    # The user.

    @rule(
        image=st.sampled_from(sorted(ENDING)),
        policy=st.sampled_from(RestartPolicy),
        sleeps=st.booleans(),
    )
    def create(self, image: str, policy: RestartPolicy, sleeps: bool = False) -> None:
        order = Order(
            node_id="node_1", custom_image=image, restart_policy=policy,
            idle_timeout=IdleTimeout(SLEEPS_AFTER_S / 60 if sleeps else None),
        )  # fmt: skip
        made = self.world.run(self.world.world.deploy(order))
        self.told[made] = Acknowledged({image}, sleeps=sleeps)
        self.world.settle()

    @rule(which=which, verb=st.sampled_from(sorted(ORDERS)))
    @precondition(lambda self: self.told)
    def order(self, which: int, verb: str) -> None:
        deployment_id, told = self.some(which)
        method, desired = ORDERS[verb]
        work = method(self.world.world.engine.deployments, ADA, deployment_id)
        if told.desired is Desired.DELETED:
            with pytest.raises(NotFound):
                self.world.run(work)
        else:
            self.world.run(work)
            told.desired = desired
        self.world.settle()

    @rule(which=which, image=st.sampled_from(sorted(ENDING)), shares=st.booleans())
    @precondition(lambda self: self.told)
    def update(self, which: int, image: str, shares: bool) -> None:
        deployment_id, told = self.some(which)
        if told.desired is Desired.DELETED:
            return
        volumes = (Volume("data", "/data"),) if shares else ()
        change = Change(fields={"image": image, "volumes": volumes})
        self.world.run(self.world.world.engine.updates.update(ADA, deployment_id, change))
        told.images.add(image)
        self.world.settle()

    @rule(open_requests=st.integers(0, 2))
    def the_door_is_busy(self, open_requests: int) -> None:
        self.world.open_requests = open_requests

    @rule(which=which, stays_s=st.sampled_from([0, 1, SLEEPS_AFTER_S - 1]))
    @precondition(lambda self: self.told)
    def somebody_asks_for_it(self, which: int, stays_s: float) -> None:
        """As the door does: counted first, woken then; nobody is put to sleep under a request."""
        deployment_id, _ = self.some(which)
        engine = self.world.world.engine
        traffic = engine.activity.of(deployment_id)
        traffic.open_requests += 1
        idle = self.world.rows(IDLED)
        self.world.run(engine.sleep.wake(deployment_id))
        self.world.settle(stays_s)
        traffic.open_requests -= 1
        traffic.last_activity_boot_us = self.world.clock.now().boot_us
        put_to_sleep = [row["deployment_id"] for row in self.world.rows(IDLED)[len(idle) :]]
        assert deployment_id not in put_to_sleep

    @rule(seconds=st.sampled_from([0.3, 4, 11, 45]))
    def time_goes_by(self, seconds: float) -> None:
        self.world.settle(seconds)

    # Podman.

    @rule(verb=verbs, nth=nth, error=st.sampled_from(ERRORS), times=st.integers(1, 3))
    def podman_will_fail(self, verb: Verb, nth: int, error: RuntimeFailure, times: int) -> None:
        if verb == "pull" and isinstance(error, ContainerWedged | PortTaken):
            error = ImageFailure("registry_unreachable", "refused (test)")
        self.world.runtime.faults.fail(verb, error=error, nth=nth, times=times)

    @rule(verb=verbs, nth=nth)
    def podman_will_not_be_heard(self, verb: Verb, nth: int) -> None:
        self.world.runtime.faults.lose_answer(verb, nth=nth)

    @rule(verb=verbs, nth=nth)
    def podman_will_be_late(self, verb: Verb, nth: int) -> None:
        self.world.runtime.faults.delay(verb, nth=nth)

    @rule()
    def what_was_late_lands(self) -> None:
        self.world.runtime.faults.land()
        self.world.settle()

    @rule(seconds=st.sampled_from([1, 30, 1000]))
    def podman_is_away(self, seconds: float) -> None:
        self.world.runtime.take_down()
        self.world.settle(seconds)
        self.world.runtime.bring_up()
        self.world.settle()

    @rule(which=which, code=st.sampled_from([0, 3, 137]))
    @precondition(lambda self: self.told)
    def a_container_ends(self, which: int, code: int) -> None:
        for name in self.world.runtime.running(self.some(which)[0]):
            self.world.runtime.finish(name, code)
        self.world.settle()

    @rule(which=which, removed=st.booleans())
    @precondition(lambda self: self.told)
    def a_container_is_lost(self, which: int, removed: bool) -> None:
        deployment_id, told = self.some(which)
        for name in self.world.runtime.running(deployment_id):
            told.unseen_ends += 1
            (self.world.runtime.vanish if removed else self.world.runtime.lose)(name)
        self.world.settle()

    # The machine.

    @rule(away_s=st.sampled_from([0, 3, 120, 3600]))
    def the_engine_is_killed(self, away_s: float) -> None:
        self.world.kill()
        self.world.loop.elapse(away_s)
        self.world.crash()

    @rule(verb=verbs, nth=nth, moment=moments)
    def the_engine_will_be_killed_at(self, verb: Verb, nth: int, moment: Moment) -> None:
        self.world.runtime.faults.crash(verb, moment, nth=nth)

    @rule(seconds=st.sampled_from([50, 3600]))
    def the_machine_is_suspended(self, seconds: float) -> None:
        self.world.clock.suspend(seconds)
        self.world.settle()

    @rule()
    def the_power_fails(self) -> None:
        self.world.power_cut()

    @rule(seconds=st.sampled_from([-3600, -7, 7, 3600]))
    @precondition(lambda self: not self.wall_was_set)
    def the_wall_clock_is_set(self, seconds: float) -> None:
        self.wall_was_set = True
        self.world.clock.set_wall(seconds=seconds)

    # What always holds.

    @invariant()
    def what_was_acknowledged_is_listed(self) -> None:
        alive = {i for i, told in self.told.items() if told.desired is not Desired.DELETED}
        assert set(self.listed()) == alive

    @invariant()
    def never_two_of_one_but_for_an_update_and_never_on_one_volume(self) -> None:
        runtime = self.world.runtime
        for deployment_id, told in self.told.items():
            running = [n for n in runtime.running(deployment_id) if n in runtime.names()]
            assert len(running) <= (1 if len(told.images) == 1 else 2)
            volumes = [v for n in running for v in runtime.created_from(n).volumes]
            assert len(set(volumes)) == len(volumes)

    @invariant()
    def nobody_pays_for_what_did_not_run(self) -> None:
        for deployment_id, view in self.listed().items():
            ran = self.world.runtime.true_running_s(deployment_id)
            unseen = self.told[deployment_id].unseen_ends
            paid = (ran + GRACE_S * (1 + unseen)) * self.dearest(deployment_id)
            assert view.total_cost_cents <= paid

    @invariant()
    def stretches_never_overlap(self) -> None:
        rows = self.world.rows("SELECT * FROM usage ORDER BY deployment_id, seq")
        for before, after in pairwise(rows):
            if before["deployment_id"] == after["deployment_id"]:
                assert before["end_boot_us"] is not None
                same_boot = before["boot_id"] == after["boot_id"]
                assert not same_boot or before["end_boot_us"] <= after["start_boot_us"]

    @invariant()
    def strangers_are_left_alone(self) -> None:
        assert STRANGER in self.world.runtime.names()

    # What holds in the end.

    def comes_to_rest(self) -> None:
        """With nothing wrong any more, everything becomes as it is wanted."""
        world = self.world
        world.runtime.faults.clear()
        world.runtime.faults.land()
        world.settle(LONGEST_BACKOFF_S)
        for i, view in self.listed().items():
            given_up = view.deployment.shown in (Status.FAILED, Status.STOPPED)
            if self.told[i].desired is Desired.RUNNING and given_up:
                assert view.deployment.reason is not None, view
                world.run(world.world.engine.deployments.start(ADA, i))
        world.settle(LONGEST_BACKOFF_S)
        for deployment_id, told in self.told.items():
            self.rests(deployment_id, told)
        assert world.world.engine.reconciler.strangers == frozenset({STRANGER})
        assert world.rows(LATE) == []  # nothing ever hangs here

    def rests(self, deployment_id: str, told: Acknowledged) -> None:
        runtime, shown = self.world.runtime, self.listed().get(deployment_id)
        hyphened = deployment_id.replace("_", "-")
        mine = [n for n in (*runtime.names(), *runtime.networks, *runtime.volumes) if hyphened in n]
        if shown is None:
            assert mine == []
            return
        d = shown.deployment
        assert len([name for name in mine if name in runtime.names()]) <= 1
        ran = runtime.true_running_s(deployment_id) + GRACE_S * told.unseen_ends
        assert shown.total_cost_cents <= ran * self.dearest(deployment_id)
        if told.desired is Desired.STOPPED:
            assert d.shown is Status.STOPPED
        else:
            rests = {Status.SLEEPING} if told.sleeps else set()
            assert d.shown in endings(d.spec.image, d.spec.restart_policy) | rests, d
        assert d.update is None
        assert d.spec.image in told.images
        assert len([n for n in runtime.names() if hyphened in n]) <= 1
        assert (d.shown is Status.RUNNING) == bool(runtime.running(deployment_id)), d
        if d.shown is Status.RUNNING:
            assert is_up(runtime, f"{PREFIX}-{hyphened}-g{d.generation}")

    def dearest(self, _deployment_id: str) -> float:
        """What a second of it has cost at most, in cents."""
        return RATE_CENTS / 3600

    def some(self, which: int) -> tuple[str, Acknowledged]:
        return list(self.told.items())[which % len(self.told)]

    def listed(self) -> dict[str, DeploymentView]:
        page = self.world.world.engine.deployments.page(ADA, None, number=1, limit=100)
        views, total = self.world.run(page)
        assert len(views) == total
        return {view.deployment.id: view for view in views}


def endings(image: str, policy: RestartPolicy) -> frozenset[Status]:
    if image == ENDS and policy is RestartPolicy.ALWAYS:
        return LOOPING
    if image == CRASHES and policy is not RestartPolicy.NEVER:
        return LOOPING
    return frozenset({ENDING.get(image, Status.RUNNING)})


def search(examples: int, steps: int, machine: type[Lifecycle] = Lifecycle) -> None:
    thorough = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=False,
        database=None, suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=thorough)


def test_no_story_breaks_a_promise() -> None:
    search(examples=40, steps=20)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_long_story_breaks_a_promise() -> None:
    search(examples=400, steps=60)


@pytest.fixture
def story() -> Iterator[Lifecycle]:
    made = Lifecycle()
    yield made
    made.teardown()


@pytest.mark.parametrize("verb", ["remove", "purge"])
def test_what_lands_after_a_delete_leaves_nothing_though_its_removal_is_cut_short(
    story: Lifecycle, verb: Verb
) -> None:
    faults = story.world.runtime.faults
    faults.delay("create", times=math.inf)
    story.create(image=IMAGE, policy=RestartPolicy.ALWAYS, sleeps=False)
    story.order(which=0, verb="delete")
    story.world.settle(LONGEST_BACKOFF_S)
    faults.clear()
    story.the_engine_will_be_killed_at(verb=verb, nth=1, moment="after")
    faults.land()
    assert len(story.world.runtime.names()) == 2  # a stranger, and what came late
    story.world.settle(LONGEST_BACKOFF_S)
    assert story.world.runtime.names() == [STRANGER]
