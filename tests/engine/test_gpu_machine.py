"""The whole lifecycle once more, with GPUs: whatever happens, none is ever given twice."""

from collections.abc import Iterator

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from appliance.domain.change import Change
from appliance.domain.deployment import Desired, Resources, Status
from appliance.domain.gpu_ledger import Hold
from appliance.domain.order import IdleTimeout, Order, SaidResources
from tests.engine.conftest import ADA, GPU_RATE_CENTS, IMAGE, RATE_CENTS, FakeGpus, a_gpu
from tests.engine.test_state_machine import (
    CRASHES,
    ENDS,
    MISSING,
    PULLED,
    SLEEPS_AFTER_S,
    STUBBORN,
    Acknowledged,
    Lifecycle,
    search,
    which,
)
from tests.gpu_record import overbooked

CARDS = (a_gpu(0), a_gpu(1), a_gpu(2, vram_mb=8_000))
NEEDS = (
    SaidResources(gpus=1), SaidResources(gpus=2), SaidResources(gpus=3), SaidResources(gpus=("0",)),
    SaidResources(gpus=1, min_vram_mb=20_000), SaidResources(gpus=9),
    SaidResources(gpus=1, vram_mb=5_000, exclusive=False),
    SaidResources(gpus=2, vram_mb=12_000, exclusive=False), SaidResources(),
)  # fmt: skip

DEAREST = "SELECT deployment_id, max(rate_cents) FROM usage GROUP BY deployment_id"


def rate_cents(r: Resources) -> int:
    return RATE_CENTS + GPU_RATE_CENTS * (r.gpus if isinstance(r.gpus, int) else len(r.gpus))


class GpuStory(Lifecycle):
    """The GPUs, who wants them, and what must hold whatever happens to both."""

    def __init__(self, gpus: FakeGpus) -> None:
        self.gpus = gpus
        self.cards = gpus.readings
        super().__init__(gpus)
        self.alone: set[str] = set()
        self.met: list[tuple[str, str]] = []
        self.world.runtime.on_run = self.witness

    def deploy(self, image: str, order: Order) -> str:
        made = self.world.run(self.world.world.deploy(order))
        sleeps = order.evictable or bool(order.idle_timeout and order.idle_timeout.minutes)
        self.told[made] = Acknowledged({image}, sleeps=sleeps)
        self.note(made, order.resources)
        self.world.settle()
        return made

    def note(self, made: str, need: SaidResources) -> None:
        """What ``made`` is to have, before it has it."""
        if need.get("exclusive", True):
            self.alone.add(made.replace("_", "-"))

    def witness(self, name: str) -> None:
        """At the moment a process begins: whether it meets another on a GPU one has alone."""
        runtime = self.world.runtime
        mine = set(runtime.created_from(name).devices)
        for other in runtime.running():
            both = mine & set(runtime.created_from(other).devices)
            if other != name and both and (self.is_alone(name) or self.is_alone(other)):
                self.met.append((name, other))

    def is_alone(self, name: str) -> bool:
        return any(hyphened in name for hyphened in self.alone)

    @invariant()
    def no_two_ever_met_on_a_gpu_that_one_has_alone(self) -> None:
        assert self.met == []

    @invariant()
    def no_gpu_is_on_record_twice(self) -> None:
        sizes_mb = {card.gpu.key: card.gpu.vram_mb or 0 for card in self.cards}
        assert overbooked(self.holds(), sizes_mb) == []

    @invariant()
    def no_container_runs_on_a_gpu_that_its_deployment_does_not_hold(self) -> None:
        on_record = {(h.deployment_id, f"nvidia.com/gpu={h.gpu}") for h in self.holds()}
        runtime = self.world.runtime
        in_use = {
            (i, device)
            for i in self.told
            for name in runtime.running(i)
            for device in runtime.created_from(name).devices
        }
        assert in_use <= on_record

    @invariant()
    def what_is_charged_is_the_rate_of_what_serves(self) -> None:
        for view in self.listed().values():
            assert view.deployment.rate_cents == rate_cents(view.deployment.spec.resources)
        for row in self.world.rows("SELECT DISTINCT rate_cents, gpus FROM usage"):
            assert row["rate_cents"] == RATE_CENTS + GPU_RATE_CENTS * row["gpus"]

    def dearest(self, deployment_id: str) -> float:
        dearest = {row[0]: int(row[1]) for row in self.world.rows(DEAREST)}
        return dearest.get(deployment_id, RATE_CENTS) / 3600

    def holds(self) -> list[Hold]:
        rows = self.world.rows("SELECT * FROM gpu_hold")
        return [
            Hold(row["deployment_id"], row["gpu"], bool(row["exclusive"]), row["vram_mb"])
            for row in rows
        ]

    def comes_to_rest(self) -> None:
        self.gpus.readings = self.cards
        super().comes_to_rest()
        at_rest = {i for i, v in self.listed().items() if v.deployment.shown in
                   (Status.STOPPED, Status.SLEEPING, Status.FAILED)}  # fmt: skip
        holding = {hold.deployment_id for hold in self.holds()}
        assert holding.isdisjoint(at_rest)
        assert holding <= set(self.listed())

    def rests(self, deployment_id: str, told: Acknowledged) -> None:
        shown = self.listed().get(deployment_id)
        if shown is None or shown.deployment.status is not Status.PENDING:
            super().rests(deployment_id, told)
            return
        reason = shown.deployment.reason
        assert reason is not None
        assert reason.code == "gpu_unavailable"
        assert not self.world.runtime.running(deployment_id)
        self.waits_for_good_reason(deployment_id)

    def waits_for_good_reason(self, deployment_id: str) -> None:
        """Nobody waits for cards that lie idle, unless somebody ahead in line has need of them."""
        line = self.world.rows("SELECT deployment_id FROM gpu_line ORDER BY seq")
        first = [row["deployment_id"] for row in line]
        assert deployment_id in first
        place = self.world.world.engine.gpus.place(deployment_id)
        assert place is not None
        if first[0] == deployment_id and not place.hopeless:
            assert self.holds() != []


class GpuBox(GpuStory):
    """Three GPUs, that come and go, and more who want them than there are."""

    def __init__(self) -> None:
        super().__init__(FakeGpus(CARDS))

    @rule(
        image=st.sampled_from([IMAGE, PULLED, ENDS, CRASHES, STUBBORN]),
        need=st.sampled_from(NEEDS),
        sleeps=st.booleans(),
        evictable=st.booleans(),
    )
    def create_on_a_gpu(
        self, image: str, need: SaidResources, sleeps: bool, evictable: bool = False
    ) -> None:
        order = Order(
            node_id="node_1", custom_image=image, resources=need,
            idle_timeout=IdleTimeout(SLEEPS_AFTER_S / 60 if sleeps else None),
            evictable=evictable,
        )  # fmt: skip
        self.deploy(image, order)

    @rule(
        which=which,
        image=st.sampled_from([None, PULLED, MISSING]),
        gpus=st.integers(0, 3),
        back_at_once=st.booleans(),
    )
    @precondition(lambda self: self.told)
    def its_gpus_are_changed(
        self, which: int, image: str | None, gpus: int, back_at_once: bool
    ) -> None:
        """Of one that has its own; refused while it runs, so it is stopped for it.

        ``image`` None is the one it has, fetched anew: that fails but for one of them.
        """
        deployment_id, told = self.some(which)
        if told.desired is Desired.DELETED or not self.is_alone(deployment_id.replace("_", "-")):
            return
        self.order(which, "stop")
        wanted = image or self.listed()[deployment_id].deployment.wanted_spec.image
        change = Change(fields={"image": wanted, "resources": SaidResources(gpus=gpus)})
        self.world.run(self.world.world.engine.updates.update(ADA, deployment_id, change))
        told.images.add(wanted)
        if back_at_once:
            self.order(which, "start")
        self.world.settle()

    @rule(there=st.sets(st.sampled_from(CARDS)))
    def gpus_come_and_go(self, there: set[object]) -> None:
        self.gpus.readings = tuple(card for card in CARDS if card in there)
        self.world.settle(6)


def test_no_story_gives_a_gpu_twice() -> None:
    search(examples=40, steps=20, machine=GpuBox)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_long_story_gives_a_gpu_twice() -> None:
    search(examples=400, steps=60, machine=GpuBox)


@pytest.fixture
def box() -> Iterator[GpuBox]:
    made = GpuBox()
    yield made
    made.teardown()


def test_a_gpu_is_not_given_while_its_holder_is_still_ending(box: GpuBox) -> None:
    for need in (SaidResources(gpus=3), SaidResources(gpus=1)):
        box.create_on_a_gpu(image=STUBBORN, need=need, sleeps=False)
    first, second = box.told
    box.order(which=0, verb="stop")
    assert box.listed()[first].deployment.status is Status.STOPPING
    assert box.listed()[second].deployment.status is Status.PENDING
    box.world.settle(12)
    assert box.listed()[second].deployment.status is Status.RUNNING
    assert box.met == []


def test_a_start_that_lands_after_its_order_to_stop_meets_nobody(box: GpuBox) -> None:
    box.world.runtime.faults.delay("start", times=2)
    box.create_on_a_gpu(image=IMAGE, need=SaidResources(gpus=3), sleeps=False)
    box.order(which=0, verb="stop")
    box.create_on_a_gpu(image=IMAGE, need=SaidResources(gpus=1), sleeps=False)
    box.time_goes_by(4)
    first, second = box.told
    assert box.listed()[second].deployment.status is Status.RUNNING
    box.what_was_late_lands()
    assert box.world.runtime.running(first) == []
    assert box.met == []


@pytest.mark.parametrize("dies", [False, True])
def test_a_start_that_lands_while_an_update_is_tried_out_meets_nobody(
    box: GpuBox, dies: bool
) -> None:
    if dies:
        box.the_engine_will_be_killed_at(verb="start", nth=1, moment="late")
    else:
        box.podman_will_be_late(verb="start", nth=1)
    box.create_on_a_gpu(image=IMAGE, need=SaidResources(gpus=1), sleeps=False)
    box.time_goes_by(4)
    box.update(which=0, image=PULLED, shares=False)
    box.time_goes_by(0.3)
    runtime, [deployment_id] = box.world.runtime, box.told
    update = box.listed()[deployment_id].deployment.update
    assert update is not None
    assert update.handover
    [new] = runtime.running(deployment_id)
    assert runtime.created_from(new).image == PULLED
    assert len(runtime.names()) == 3  # a stranger, the old one and the new one
    box.what_was_late_lands()
    assert runtime.running(deployment_id) == [new]
    assert box.met == []
