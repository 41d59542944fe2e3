"""Idle deployments that share a GPU give memory back before any is stopped."""

from collections.abc import Iterator

import pytest

from appliance.domain.deployment import Status
from appliance.domain.observed import ImageFacts
from appliance.domain.order import Order, SaidResources
from tests.engine.cards import OneCard
from tests.engine.conftest import ADA, IMAGE, an_order
from tests.engine.virtual_world import VirtualWorld

OLLAMA = "docker.io/ollama/ollama:latest"
SHARE_MB, LOADED_MB, EMPTY_MB = 8_000, 20_000, 500
GRACE_S = 10
STARTED_S = 70
"""The template has a health check that nobody answers here; then its start period is over."""


class Crowd(VirtualWorld):
    """An idle Ollama that has loaded more than its share."""

    def __init__(self, patch: pytest.MonkeyPatch, *, exclusive: bool = False) -> None:
        self.card = OneCard()
        super().__init__(self.card)
        for image in (OLLAMA, IMAGE):
            self.runtime.images[image] = ImageFacts(id=f"sha256:{image}", exposed_ports=(8080,))
        share = SaidResources(gpus=1, vram_mb=SHARE_MB, exclusive=exclusive)
        order = Order("node_1", "ollama", resources=share, evictable=True)
        self.ollama = self.run(self.world.deploy(order))
        self.settle(STARTED_S)
        container = self.run(self.world.view(self.ollama)).deployment.container_id
        self.card.lies_in(container, patch)
        self.card.used_mb = LOADED_MB
        self.settle(GRACE_S)

    def add(self) -> str:
        order = an_order(gpus=1, vram_mb=10_000, exclusive=False)
        made = self.run(self.world.engine.deployments.create(ADA, order))
        assert made.view is not None
        return made.view.deployment.id

    def shown(self, *ids: str) -> list[Status]:
        return [self.run(self.world.view(i)).deployment.shown for i in ids]

    def softened(self) -> int:
        """How often its template's command ran."""
        return len([argv for _, argv in self.runtime.executed if "ollama stop" in argv[-1]])


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowd]:
    made = Crowd(monkeypatch)
    yield made
    made.close()


def test_memory_that_comes_back_is_enough_and_nobody_is_stopped(crowd: Crowd) -> None:
    taker = crowd.add()
    crowd.settle(2.5)
    assert (crowd.softened(), crowd.shown(taker)) == (1, [Status.PENDING])
    crowd.card.used_mb = EMPTY_MB
    crowd.settle(3)
    assert crowd.shown(crowd.ollama, taker) == [Status.RUNNING, Status.RUNNING]
    assert "softened" in crowd.run(crowd.world.event_types(crowd.ollama))


def test_where_it_does_not_come_back_it_is_stopped_in_the_end(crowd: Crowd) -> None:
    taker = crowd.add()
    crowd.settle(20)
    assert crowd.softened() == 1
    assert crowd.shown(crowd.ollama, taker) == [Status.SLEEPING, Status.RUNNING]


def test_a_command_that_fails_is_no_more_than_that(crowd: Crowd) -> None:
    template = crowd.world.engine.deployments._catalogue.get("ollama")
    assert template is not None
    assert template.soften is not None
    crowd.runtime.commands[template.soften.command] = ((), 1)
    taker = crowd.add()
    crowd.settle(20)
    assert "softened" not in crowd.run(crowd.world.event_types(crowd.ollama))
    assert crowd.shown(crowd.ollama, taker) == [Status.SLEEPING, Status.RUNNING]


def test_what_is_used_again_may_be_asked_again(crowd: Crowd) -> None:
    first = crowd.add()
    crowd.settle(2)
    crowd.card.used_mb = EMPTY_MB
    crowd.settle(5)
    crowd.run(crowd.world.engine.deployments.delete(ADA, first))
    traffic = crowd.world.engine.activity.of(crowd.ollama)
    traffic.last_activity_boot_us = crowd.clock.now().boot_us
    crowd.card.used_mb = LOADED_MB
    crowd.settle(GRACE_S + 5)
    second = crowd.add()
    crowd.settle(2)
    crowd.card.used_mb = EMPTY_MB
    crowd.settle(5)
    assert crowd.softened() == 2
    assert crowd.shown(crowd.ollama, second) == [Status.RUNNING, Status.RUNNING]


def test_who_holds_its_gpu_alone_is_not_asked_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(monkeypatch, exclusive=True)
    try:
        taker = crowd.add()
        crowd.settle(5)
        assert crowd.softened() == 0
        assert crowd.shown(crowd.ollama, taker) == [Status.SLEEPING, Status.RUNNING]
    finally:
        crowd.close()
