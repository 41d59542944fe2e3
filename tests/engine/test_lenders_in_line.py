"""Lenders that are all asked for, and keep one another from the rest of their shares."""

from collections.abc import Iterator

import pytest

from appliance.domain.deployment import HealthCheck, Status
from appliance.domain.observed import ImageFacts
from appliance.domain.order import Order, SaidResources
from tests.engine.cards import TrueCards
from tests.engine.conftest import ADA, IMAGE, a_gpu, an_order
from tests.engine.virtual_world import VirtualWorld

VLLM = "docker.io/vllm/vllm-openai:latest"
ASLEEP_MB, OUTSIDE_MB, LAST_MB = 5_000, 3_000, 13_000
IDLE_S = 12


class Knot(VirtualWorld):
    """Two on one GPU that gave back most of their memory; an outside program took some of it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.cards = TrueCards([a_gpu(0)])
        super().__init__(self.cards)
        self.cards.belong_to(self, patch)
        self.runtime.on_command = self._obey
        for image in (VLLM, IMAGE):
            self.runtime.images[image] = ImageFacts(id=f"sha256:{image}", exposed_ports=(8080,))
        template = self.world.engine.deployments._catalogue.get("vllm")
        assert template is not None
        assert template.soften is not None
        self._sleep = template.soften.command
        self.first, self.second = (self._lender(mb) for mb in (20_000, 18_000))
        self.third = self._deploy(an_order(gpus=1, vram_mb=LAST_MB, exclusive=False))
        assert self.shown() == [Status.RUNNING] * 2
        assert self.lending() == [True, True]
        self.cards.outside_mb = OUTSIDE_MB
        self.run(self.world.engine.deployments.delete(ADA, self.third))
        self.settle(IDLE_S)

    def ask(self) -> None:
        """A request for either waits at the door, and goes on waiting; the first was first."""
        for i in (self.first, self.second):
            self.world.engine.activity.of(i).open_requests = 1
            self.run(self.world.engine.sleep.wake(i))

    def has_had_enough(self, i: str) -> None:
        traffic = self.world.engine.activity.of(i)
        traffic.open_requests = 0
        traffic.last_activity_boot_us = self.clock.now().boot_us

    def shown(self) -> list[Status]:
        views = [self.run(self.world.view(i)) for i in (self.first, self.second)]
        return [view.deployment.shown for view in views]

    def lending(self) -> list[bool]:
        addresses = [self.world.engine.addresses.of(i) for i in (self.first, self.second)]
        return [address is not None and address.lending for address in addresses]

    def waits(self, i: str) -> bool:
        address = self.world.engine.addresses.of(i)
        return address is not None and address.awaited

    def events(self, i: str) -> list[str]:
        return self.run(self.world.event_types(i))

    def _lender(self, share_mb: int) -> str:
        share = SaidResources(gpus=1, vram_mb=share_mb, exclusive=False)
        health = HealthCheck("/health", start_period_s=1)
        order = Order("node_1", "vllm", resources=share, evictable=True, health=health)
        return self._deploy(order)

    def _deploy(self, order: Order) -> str:
        made = self.run(self.world.deploy(order))
        share_mb = order.resources["vram_mb"]
        assert share_mb is not None
        self.cards.shares_mb[made] = share_mb
        self.cards.asleep_mb[made] = ASLEEP_MB
        self.settle(IDLE_S)
        return made

    def _obey(self, name: str, argv: tuple[str, ...]) -> None:
        container = self.runtime.container(name)
        assert container is not None
        if argv == self._sleep:
            self.cards.fall_asleep(container)
        else:
            self.cards.wake_up(container)


@pytest.fixture
def knot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Knot]:
    made = Knot(monkeypatch)
    yield made
    made.close()


def test_the_later_one_begins_anew_so_that_the_first_has_its_share(knot: Knot) -> None:
    knot.ask()
    knot.settle(20)
    assert knot.shown() == [Status.RUNNING, Status.PENDING]
    assert knot.lending() == [False, False]
    assert knot.events(knot.second)[-3:] == ["evicted", "stopping", "waiting"]


def test_whoever_asked_for_it_goes_on_waiting_and_is_answered_in_its_turn(knot: Knot) -> None:
    knot.ask()
    for _ in range(20):
        knot.settle(1)
        assert knot.waits(knot.second)
    knot.has_had_enough(knot.first)
    knot.settle(20)
    assert knot.shown()[1] is Status.RUNNING
    assert not knot.waits(knot.second)


def test_its_share_is_not_given_on_before_its_process_is_gone(knot: Knot) -> None:
    knot.runtime.faults.hang("stop")
    knot.ask()
    knot.settle(8)
    assert "evicted" in knot.events(knot.second)
    assert knot.lending() == [True, True]
    assert knot.runtime.running(knot.second)


def test_a_crash_in_the_midst_of_it_changes_nothing(knot: Knot) -> None:
    knot.runtime.faults.crash("stop", "before")
    knot.ask()
    knot.settle(40)
    assert knot.shown() == [Status.RUNNING, Status.PENDING]


def test_nobody_begins_anew_for_one_who_fits_beside_it(knot: Knot) -> None:
    knot.cards.outside_mb = 0
    knot.settle(6)
    knot.runtime.faults.calls.clear()
    knot.ask()
    knot.settle(20)
    assert "stop" not in [call.verb for call in knot.runtime.faults.calls]
    assert knot.lending() == [True, False]


def test_a_terminal_in_it_is_not_cut(knot: Knot) -> None:
    with knot.world.engine.activity.engaged(knot.second):
        knot.ask()
        knot.settle(20)
        assert knot.lending() == [True, True]
    knot.settle(20)
    assert knot.shown() == [Status.RUNNING, Status.PENDING]
