"""Who is not used sleeps, who is asked for wakes up, and nobody is cut short in between."""

from collections.abc import Iterator
from dataclasses import replace

import anyio
import pytest

from appliance.domain.change import Change
from appliance.domain.deployment import Deployment, Status
from appliance.domain.errors import StoreBusy
from appliance.domain.observed import ImageFacts
from appliance.domain.order import IdleTimeout, Order
from appliance.engine.activity import Traffic
from tests.engine.conftest import ADA, IMAGE, PREFIX, an_order
from tests.engine.virtual_world import VirtualWorld
from tests.fake_faults import Verb

MINUTE_S = 60.0
OLLAMA = "docker.io/ollama/ollama:latest"
PULL = ("ollama", "pull", "llama2")
PORTLESS = "docker.io/library/portless:latest"


class Night(VirtualWorld):
    """One deployment that sleeps after a minute."""

    def __init__(self) -> None:
        super().__init__()
        self.runtime.images[IMAGE] = ImageFacts(id="sha256:app", exposed_ports=(8080,))
        self.runtime.images[PORTLESS] = ImageFacts(id="sha256:portless")

    def deploy(self, order: Order | None = None, minutes: float | None = 1.0) -> str:
        wanted = replace(order or an_order(), idle_timeout=IdleTimeout(minutes))
        made = self.run(self.world.deploy(wanted))
        self.settle()
        return made

    def row(self, i: str) -> Deployment:
        return self.run(self.world.view(i)).deployment

    def shown(self, i: str) -> Status:
        return self.row(i).shown

    def traffic(self, i: str) -> Traffic:
        return self.world.engine.activity.of(i)

    def told(self, i: str) -> list[str]:
        return self.run(self.world.event_types(i))

    def wake(self, i: str) -> None:
        self.run(self.world.engine.sleep.wake(i))

    def touch(self, i: str) -> None:
        """A request began and ended just now."""
        self.traffic(i).last_activity_boot_us = self.clock.now().boot_us


@pytest.fixture
def night() -> Iterator[Night]:
    world = Night()
    yield world
    world.close()


def test_it_sleeps_when_its_time_is_over_and_not_before(night: Night) -> None:
    i = night.deploy()
    night.settle(MINUTE_S - 2)
    assert night.shown(i) is Status.RUNNING
    night.settle(4)
    assert night.shown(i) is Status.SLEEPING
    assert night.runtime.running(i) == []
    reason = night.row(i).reason
    assert reason is not None
    assert (reason.code, reason.message) == ("idle", "Not used for 1 minute")
    assert night.told(i)[-3:] == ["idle", "stopping", "sleeping"]


def test_a_use_begins_its_time_anew(night: Night) -> None:
    i = night.deploy()
    night.settle(MINUTE_S - 5)
    night.touch(i)
    night.settle(MINUTE_S - 5)
    assert night.shown(i) is Status.RUNNING
    night.settle(10)
    assert night.shown(i) is Status.SLEEPING


@pytest.mark.parametrize("order", [an_order(), an_order(PORTLESS)], ids=["null", "no ports"])
def test_who_has_no_time_or_can_not_be_woken_never_sleeps(night: Night, order: Order) -> None:
    i = night.deploy(order, minutes=None if order.custom_image == IMAGE else 1)
    night.settle(10 * MINUTE_S)
    assert night.shown(i) is Status.RUNNING


@pytest.mark.parametrize("kind", ["open_requests", "engagements"])
def test_who_is_in_use_never_sleeps(night: Night, kind: str) -> None:
    i = night.deploy()
    setattr(night.traffic(i), kind, 1)
    night.settle(10 * MINUTE_S)
    assert night.shown(i) is Status.RUNNING
    setattr(night.traffic(i), kind, 0)
    night.settle(2)
    assert night.shown(i) is Status.SLEEPING


def test_an_open_terminal_keeps_it_awake(night: Night) -> None:
    i = night.deploy()

    async def watch() -> Status:
        terminals = night.world.engine.terminals
        ticket = await terminals.ticket(ADA, i)
        async with terminals.session(terminals.redeem(ticket.text, i)):
            await anyio.sleep(10 * MINUTE_S)
            return (await night.world.view(i)).deployment.shown

    assert night.run(watch()) is Status.RUNNING
    night.settle(MINUTE_S + 3)
    assert night.shown(i) is Status.SLEEPING


def test_a_parameter_is_worked_off_before_it_sleeps(night: Night) -> None:
    night.runtime.images[OLLAMA] = ImageFacts(id="sha256:ollama")
    night.runtime.commands[PULL] = ((), 1)
    i = night.deploy(Order(node_id="node_1", template_id="ollama", env={"OLLAMA_MODELS": "llama2"}))
    night.settle(10 * MINUTE_S)
    assert night.shown(i) is Status.RUNNING
    night.runtime.commands[PULL] = ((b"done",), 0)
    night.settle(10 * MINUTE_S)
    assert night.shown(i) is Status.SLEEPING


def test_a_paused_one_is_left_as_it_is(night: Night) -> None:
    i = night.deploy()
    night.runtime.freeze(f"{PREFIX}-{i.replace('_', '-')}-g1")
    night.settle(25)
    night.settle(5 * MINUTE_S)
    assert night.shown(i) is Status.RUNNING


def test_sleep_costs_nothing(night: Night) -> None:
    i = night.deploy()
    night.settle(MINUTE_S + 5)
    before = night.run(night.world.view(i)).total_cost_cents
    assert 60 <= before <= 62
    night.settle(10 * MINUTE_S)
    assert night.run(night.world.view(i)).total_cost_cents == before


def test_it_wakes_once_however_often_it_is_asked_for(night: Night) -> None:
    i = night.deploy()
    night.settle(MINUTE_S + 5)

    async def all_at_once() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(night.world.engine.sleep.wake, i)

    night.run(all_at_once())
    night.settle()
    assert night.shown(i) is Status.RUNNING
    assert night.row(i).reason is None
    assert night.told(i).count("wake") == 1
    night.settle(MINUTE_S + 5)
    assert night.shown(i) is Status.SLEEPING


def test_its_address_is_shown_while_it_sleeps(night: Night) -> None:
    i = night.deploy()
    before = night.run(night.world.view(i)).endpoints
    night.settle(MINUTE_S + 5)
    assert night.run(night.world.view(i)).endpoints == before != ()


@pytest.mark.parametrize(
    ("verb", "status"), [("start", Status.RUNNING), ("restart", Status.RUNNING)]
)
def test_a_user_can_wake_it(night: Night, verb: str, status: Status) -> None:
    i = night.deploy()
    night.settle(MINUTE_S + 5)
    view = night.run(getattr(night.world.engine.deployments, verb)(ADA, i))
    assert view.deployment.shown is Status.STARTING
    night.settle()
    assert night.shown(i) is status


def test_a_user_can_stop_it_for_good(night: Night) -> None:
    i = night.deploy()
    night.settle(MINUTE_S + 5)
    night.run(night.world.engine.deployments.stop(ADA, i))
    night.settle()
    assert night.shown(i) is Status.STOPPED
    assert night.row(i).reason is None
    night.wake(i)
    night.settle()
    assert night.shown(i) is Status.STOPPED


def test_a_user_can_delete_it(night: Night) -> None:
    i = night.deploy()
    night.settle(MINUTE_S + 5)
    night.run(night.world.engine.deployments.delete(ADA, i))
    night.settle()
    assert night.runtime.names() == []


def test_a_change_leaves_it_asleep_and_counts_when_it_wakes(night: Night) -> None:
    i = night.deploy()
    night.settle(MINUTE_S + 5)
    change = Change(fields={"env": {"A": "1"}})
    night.run(night.world.engine.updates.update(ADA, i, change))
    night.settle(5)
    assert night.shown(i) is Status.SLEEPING
    assert night.row(i).update is None
    night.wake(i)
    night.settle()
    assert night.shown(i) is Status.RUNNING
    [name] = night.runtime.running(i)
    assert night.runtime.created_from(name).env["A"] == "1"


def test_the_time_is_changed_at_once_and_taken_away_at_once(night: Night) -> None:
    i = night.deploy()
    for minutes, slept in ((None, Status.RUNNING), (2.0, Status.SLEEPING)):
        change = Change(fields={"idle_timeout_minutes": minutes})
        night.run(night.world.engine.updates.update(ADA, i, change))
        night.settle(5 * MINUTE_S)
        assert night.shown(i) is slept
    assert night.row(i).last_generation == 1


def test_it_sleeps_on_over_a_restart_and_can_still_be_woken(night: Night) -> None:
    i = night.deploy()
    night.settle(MINUTE_S + 5)
    for gone in (night.crash, night.power_cut):
        gone()
        night.settle(25)
        assert night.shown(i) is Status.SLEEPING
    night.wake(i)
    night.settle()
    assert night.shown(i) is Status.RUNNING


def test_a_new_process_counts_from_its_own_beginning(night: Night) -> None:
    i = night.deploy()
    night.settle(MINUTE_S - 5)
    night.crash()
    night.settle(MINUTE_S - 5)
    assert night.shown(i) is Status.RUNNING
    night.settle(10)
    assert night.shown(i) is Status.SLEEPING


def test_a_crash_between_order_and_stop_ends_asleep(night: Night) -> None:
    i = night.deploy()
    night.runtime.faults.crash("stop", "before")
    night.settle(MINUTE_S + 5)
    night.settle(25)
    assert night.shown(i) is Status.SLEEPING
    assert night.runtime.running(i) == []


@pytest.mark.parametrize("verb", ["stop", "inspect"])
def test_it_falls_asleep_though_podman_fails_at_first(night: Night, verb: Verb) -> None:
    i = night.deploy()
    night.settle(MINUTE_S - 5)
    night.runtime.faults.lose_answer(verb, nth=1)
    night.settle(60)
    assert night.shown(i) is Status.SLEEPING


def test_who_asks_while_it_is_being_stopped_gets_it_back(night: Night) -> None:
    night.runtime.behaviours[IMAGE].stubborn = True
    i = night.deploy()
    night.settle(MINUTE_S + 2)
    assert night.shown(i) is Status.STOPPING
    night.wake(i)
    assert night.shown(i) is Status.STARTING
    night.settle(15)
    assert night.shown(i) is Status.RUNNING


def test_it_is_marked_for_the_door_before_anything_is_written(night: Night) -> None:
    """Every address that the door saw as running and not dozing was still so in the database."""
    i = night.deploy()
    seen: list[tuple[Status, bool, bool]] = []
    addresses = night.world.engine.addresses
    addresses.listen(lambda a: seen.append((a.status, a.dozing, a.asleep)))
    night.settle(MINUTE_S + 5)
    assert list(dict.fromkeys(seen)) == [
        (Status.RUNNING, True, False), (Status.STOPPING, False, True),
        (Status.SLEEPING, False, True),
    ]  # fmt: skip
    assert night.shown(i) is Status.SLEEPING


def test_what_was_written_meanwhile_speaks_against_it(night: Night) -> None:
    """An order that comes while it is marked wins; it is looked at anew then."""
    i = night.deploy()
    addresses = night.world.engine.addresses
    stops: list[str] = []

    def heard(dozing: bool) -> None:
        if dozing and not stops:
            stops.append(i)
            night.loop.create_task(night.world.engine.deployments.restart(ADA, i))

    addresses.listen(lambda a: heard(a.dozing))
    night.settle(MINUTE_S + 5)
    assert stops == [i]
    assert night.shown(i) in (Status.RUNNING, Status.SLEEPING)
    address = addresses.of(i)
    assert address is not None
    assert not address.dozing
    assert night.told(i).count("restart") == 1


def test_a_database_that_is_busy_leaves_it_awake_and_unmarked(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    i = night.deploy()
    marks: list[bool] = []
    night.world.engine.addresses.listen(lambda a: marks.append(a.dozing))
    night.settle(MINUTE_S + 0.2 - night.loop.time())  # between two beats of the heart
    with monkeypatch.context() as patch:
        patch.setattr(type(night.world.db), "transaction", busy)
        night.settle(2)
    assert marks == [True, False] * 2
    assert night.shown(i) is Status.RUNNING
    night.settle(2)
    assert night.shown(i) is Status.SLEEPING


def busy(_db: object) -> object:
    raise StoreBusy("busy (test)")
