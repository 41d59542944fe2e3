"""Idle holders of GPUs that may be evicted give way for the first in line, and come back."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from appliance.domain.change import Change
from appliance.domain.deployment import Status
from appliance.domain.observed import ImageFacts
from appliance.domain.permissions import Principal
from tests.engine.conftest import ADA, IMAGE, OKI, FakeGpus, a_gpu, an_order
from tests.engine.virtual_world import VirtualWorld

GRACE_S = 10


class GpuNight(VirtualWorld):
    """Two GPUs, and more who want one."""

    def __init__(self) -> None:
        super().__init__(FakeGpus((a_gpu(0), a_gpu(1))))
        self.runtime.images[IMAGE] = ImageFacts(id="sha256:app", exposed_ports=(8080,))

    def deploy(
        self, gpus: int = 1, *, evictable: bool = False, owner: Principal = ADA, name: str = "x"
    ) -> str:
        order = replace(an_order(gpus=gpus), evictable=evictable, name=name)
        made = self.run(self.world.engine.deployments.create(owner, order))
        assert made.view is not None
        self.settle(1)
        return made.view.deployment.id

    def shown(self, *ids: str) -> list[Status]:
        views = [self.run(self.world.view(i)) for i in ids]
        return [view.deployment.shown for view in views]

    def reason(self, i: str) -> str:
        found = self.run(self.world.view(i)).deployment.reason
        return "" if found is None else f"{found.code}: {found.message}"

    def begin_request(self, i: str) -> None:
        self.world.engine.activity.of(i).open_requests += 1

    def end_request(self, i: str) -> None:
        traffic = self.world.engine.activity.of(i)
        traffic.open_requests -= 1
        traffic.last_activity_boot_us = self.clock.now().boot_us

    def evictions(self) -> int:
        return len(self.rows("SELECT 1 FROM event WHERE type = 'evicted'"))


@pytest.fixture
def night() -> Iterator[GpuNight]:
    world = GpuNight()
    yield world
    world.close()


def test_the_least_recently_used_one_sleeps_for_the_one_that_waits(night: GpuNight) -> None:
    first, second = (night.deploy(evictable=True) for _ in range(2))
    night.begin_request(first)
    night.end_request(first)
    night.settle(GRACE_S + 2)
    taker = night.deploy(name="taker")
    night.settle(3)
    assert night.shown(first, second, taker) == [
        Status.RUNNING, Status.SLEEPING, Status.RUNNING
    ]  # fmt: skip
    assert night.reason(second) == (
        f"evicted: Gave way to taker ({taker}), which waits for its GPU"
    )
    assert night.run(night.world.event_types(second))[-3:] == ["evicted", "stopping", "sleeping"]


def test_without_anybody_in_line_it_stays(night: GpuNight) -> None:
    ids = [night.deploy(evictable=True) for _ in range(2)]
    night.settle(10 * GRACE_S)
    assert night.shown(*ids) == [Status.RUNNING] * 2


def test_who_is_in_use_or_did_not_agree_stays(night: GpuNight) -> None:
    used, unwilling = night.deploy(evictable=True), night.deploy()
    night.begin_request(used)
    taker = night.deploy()
    night.settle(10 * GRACE_S)
    assert night.shown(used, unwilling, taker) == [
        Status.RUNNING, Status.RUNNING, Status.PENDING
    ]  # fmt: skip
    night.end_request(used)
    night.settle(GRACE_S + 3)
    assert night.shown(used, taker) == [Status.SLEEPING, Status.RUNNING]


def test_nobody_gives_way_if_that_is_not_enough(night: GpuNight) -> None:
    willing, unwilling = night.deploy(evictable=True), night.deploy()
    taker = night.deploy(2)
    night.settle(10 * GRACE_S)
    assert night.shown(willing, unwilling, taker) == [
        Status.RUNNING, Status.RUNNING, Status.PENDING
    ]  # fmt: skip
    night.run(night.world.engine.deployments.stop(ADA, unwilling))
    night.settle(3)
    assert night.shown(willing, taker) == [Status.SLEEPING, Status.RUNNING]


def test_it_is_told_once_and_not_again_while_it_stops(night: GpuNight) -> None:
    night.runtime.behaviours[IMAGE].stubborn = True
    ids = [night.deploy(evictable=True) for _ in range(2)]
    night.settle(GRACE_S + 2)
    taker = night.deploy()
    night.settle(5)
    assert sorted(night.shown(*ids)) == [Status.RUNNING, Status.STOPPING]
    night.settle(20)
    assert night.evictions() == 1
    assert night.shown(taker) == [Status.RUNNING]


def test_the_next_request_puts_it_in_line_and_those_who_gave_way_take_turns(
    night: GpuNight,
) -> None:
    giver, other = night.deploy(evictable=True), night.deploy()
    night.settle(GRACE_S + 2)
    taker = night.deploy(evictable=True)
    night.settle(3)
    night.begin_request(giver)
    night.run(night.world.engine.sleep.wake(giver))
    night.settle(1)
    assert night.shown(giver) == [Status.PENDING]
    assert "number 1 in line" in night.reason(giver)
    night.settle(GRACE_S + 3)
    assert night.shown(giver, other, taker) == [
        Status.RUNNING, Status.RUNNING, Status.SLEEPING
    ]  # fmt: skip
    night.end_request(giver)


def test_of_another_users_deployment_nothing_is_told(night: GpuNight) -> None:
    giver, _ = night.deploy(evictable=True), night.deploy()
    night.settle(GRACE_S + 2)
    night.deploy(owner=OKI, name="secret plan")
    night.settle(3)
    assert night.reason(giver) == (
        "evicted: Gave way to another user's deployment, which waits for its GPU"
    )


def test_it_can_be_said_later_that_it_may_be_evicted(night: GpuNight) -> None:
    giver, _, taker = (night.deploy() for _ in range(3))
    night.settle(GRACE_S)
    change = Change(fields={"evictable": True})
    night.run(night.world.engine.updates.update(ADA, giver, change))
    night.settle(3)
    assert night.shown(giver, taker) == [Status.SLEEPING, Status.RUNNING]
    assert night.runtime.running(giver) == []


def test_an_engine_that_is_killed_in_the_midst_of_it_goes_on(night: GpuNight) -> None:
    giver, _ = night.deploy(evictable=True), night.deploy()
    night.settle(GRACE_S + 2)
    night.runtime.faults.crash("stop", "before")
    taker = night.deploy()
    night.settle(25)
    assert night.shown(giver, taker) == [Status.SLEEPING, Status.RUNNING]
