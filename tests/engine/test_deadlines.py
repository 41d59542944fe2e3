"""How long what is under way may last: hours that go by in a moment, on the fake runtime."""

import math
from collections.abc import Callable, Iterator

import pytest

from appliance.domain.change import Change
from appliance.domain.deployment import Deployment, RestartPolicy, Status
from appliance.domain.errors import (
    RuntimeFailure,
    RuntimeTimeout,
    RuntimeUnavailable,
)
from appliance.domain.observed import ImageFacts
from appliance.domain.order import Order
from appliance.domain.setbacks import MAX_TRIES
from appliance.engine.pulls import MAX_UNANSWERED, PULLS_AT_ONCE
from appliance.engine.pulse import Pulse
from tests.engine.conftest import ADA, IMAGE
from tests.engine.virtual_world import VirtualWorld
from tests.fake_parts import Offer

MISSING = "docker.io/library/missing:latest"


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


def test_one_that_crashed_often_outlives_a_start_that_is_refused_after_a_reboot(
    hours: Hours,
) -> None:
    i = hours.deploy()
    for _ in range(MAX_TRIES):
        [name] = hours.runtime.running(i)
        hours.runtime.finish(name, 1)
        hours.settle(300)
    assert hours.row(i).failures == MAX_TRIES
    hours.runtime.faults.fail("start", error=RuntimeFailure("not now"))
    hours.power_cut()
    hours.settle(60)
    assert hours.row(i).status is Status.RUNNING


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
