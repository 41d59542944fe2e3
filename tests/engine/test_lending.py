"""What sleeps on its GPU lends its share, and has it back before it is asked for anything."""

from collections.abc import Iterator
from dataclasses import replace

import anyio
import pytest

from appliance.domain.change import Change
from appliance.domain.deployment import Deployment, HealthCheck, Status
from appliance.domain.observed import ImageFacts
from appliance.domain.order import Order, SaidResources
from tests.engine.cards import OneCard
from tests.engine.conftest import ADA, IMAGE, an_order
from tests.engine.virtual_world import VirtualWorld
from tests.fake_faults import Call, Moment

VLLM = "docker.io/vllm/vllm-openai:latest"
SHARE_MB, ASLEEP_MB, OTHERS_MB = 20_000, 1_000, 10_000
GRACE_S = 10
HEALTH = HealthCheck("/health", start_period_s=5)
STARTED_S = 10
"""Nobody answers the health check here; then its start period is over."""


class Dorm(VirtualWorld):
    """An idle vLLM that has loaded its share of the only GPU."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.card = OneCard()
        super().__init__(self.card)
        for image in (VLLM, IMAGE):
            self.runtime.images[image] = ImageFacts(id=f"sha256:{image}", exposed_ports=(8080,))
        share = SaidResources(gpus=1, vram_mb=SHARE_MB, exclusive=False)
        order = Order("node_1", "vllm", resources=share, evictable=True, health=HEALTH)
        self.vllm = self.run(self.world.deploy(order))
        self.settle(STARTED_S)
        self.card.lies_in(self.row(self.vllm).container_id, patch)
        self.card.used_mb = SHARE_MB
        self.settle(GRACE_S)
        template = self.world.engine.deployments._catalogue.get("vllm")
        assert template is not None
        assert template.soften is not None
        self.sleep, self.undo = template.soften.command, template.soften.undo or ()

    def add(self, *, evictable: bool = False) -> str:
        order = an_order(gpus=1, vram_mb=OTHERS_MB, exclusive=False)
        made = self.run(self.world.deploy(replace(order, evictable=evictable)))
        self.settle(1.5)
        return made

    def lend(self, *, evictable: bool = False) -> str:
        """Somebody comes for whom vLLM goes to sleep; who that is."""
        taker = self.add(evictable=evictable)
        self.card.used_mb = ASLEEP_MB
        self.settle(3)
        assert self.shown(self.vllm, taker) == [Status.RUNNING] * 2
        return taker

    def ask(self, times: int = 1) -> None:
        """Requests wait at the door, which has it woken."""

        async def all_at_once() -> None:
            async with anyio.create_task_group() as tasks:
                for _ in range(times):
                    tasks.start_soon(self.world.engine.sleep.wake, self.vllm)

        self.world.engine.activity.of(self.vllm).open_requests = times
        self.run(all_at_once())
        self.settle(1)

    def leave(self, i: str) -> None:
        self.run(self.world.engine.deployments.delete(ADA, i))
        self.settle(3)

    def row(self, i: str) -> Deployment:
        return self.run(self.world.view(i)).deployment

    def shown(self, *ids: str) -> list[Status]:
        return [self.row(i).shown for i in ids]

    def why(self) -> str:
        reason = self.row(self.vllm).reason
        return "" if reason is None else f"{reason.code}: {reason.message}"

    def told(self) -> list[str]:
        return self.run(self.world.event_types(self.vllm))

    @property
    def ran(self) -> list[str]:
        """Which of its template's commands ran, in order."""
        names = {self.sleep: "sleep", self.undo: "undo"}
        return [names[argv] for _, argv in self.runtime.executed]

    @property
    def lending(self) -> bool:
        """Whether the door lets requests wait."""
        address = self.world.engine.addresses.of(self.vllm)
        return address is not None and address.lending


@pytest.fixture
def dorm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dorm]:
    made = Dorm(monkeypatch)
    yield made
    made.close()


def test_another_has_its_share_while_it_sleeps(dorm: Dorm) -> None:
    """It does not use more than its share: nothing less would help."""
    process = dorm.row(dorm.vllm).process
    dorm.lend()
    assert (dorm.ran, dorm.lending) == (["sleep"], True)
    assert dorm.row(dorm.vllm).process == process
    assert dorm.why().startswith("softened: Gave its GPU memory to another")
    assert "softened" in dorm.told()
    dorm.settle(5 * GRACE_S)
    assert (dorm.ran, dorm.lending) == (["sleep"], True)


def test_where_there_is_room_again_it_takes_it_back_once_however_many_ask(dorm: Dorm) -> None:
    dorm.leave(dorm.lend())
    dorm.ask(100)
    assert (dorm.ran, dorm.lending, dorm.why()) == (["sleep", "undo"], False, "")
    assert dorm.told().count("took_back") == 1


def test_where_there_is_none_it_waits_in_line(dorm: Dorm) -> None:
    taker = dorm.lend()
    dorm.ask()
    dorm.settle(5 * GRACE_S)
    assert (dorm.ran, dorm.lending) == (["sleep"], True)
    assert dorm.why().startswith("gpu_unavailable: ")
    assert dorm.why().endswith("number 1 in line")
    dorm.leave(taker)
    assert (dorm.ran, dorm.lending, dorm.why()) == (["sleep", "undo"], False, "")


def test_nobody_overtakes_it_in_line(dorm: Dorm) -> None:
    taker = dorm.lend()
    dorm.ask()
    later = dorm.add()
    dorm.settle(5 * GRACE_S)
    dorm.leave(taker)
    assert (dorm.ran, dorm.shown(later)) == (["sleep", "undo"], [Status.PENDING])


def test_it_does_not_wait_for_who_waits_for_it(dorm: Dorm) -> None:
    """Ahead in line is one who wants the GPU alone, and can't have it before this one is gone."""
    taker = dorm.lend()
    alone = dorm.run(dorm.world.deploy(an_order(gpus=1)))
    dorm.ask()
    dorm.settle(5)
    assert (dorm.lending, dorm.shown(alone)) == (True, [Status.PENDING])
    dorm.leave(taker)
    assert (dorm.ran, dorm.lending, dorm.shown(alone)) == (
        ["sleep", "undo"], False, [Status.PENDING]
    )  # fmt: skip


def test_who_agreed_to_gives_way_for_it(dorm: Dorm) -> None:
    process = dorm.row(dorm.vllm).process
    taker = dorm.lend(evictable=True)
    dorm.ask()
    dorm.settle(GRACE_S + 5)
    assert dorm.shown(dorm.vllm, taker) == [Status.RUNNING, Status.SLEEPING]
    assert (dorm.ran, dorm.lending) == (["sleep", "undo"], False)
    assert dorm.row(dorm.vllm).process == process


def test_its_memory_is_kept_for_it_from_when_it_is_returned(dorm: Dorm) -> None:
    """Though it is not in use yet: what it comes back to must be there."""
    dorm.leave(dorm.lend())
    dorm.runtime.faults.hang("execute")
    dorm.ask()
    later = dorm.add()
    dorm.settle(GRACE_S)
    assert (dorm.lending, dorm.shown(later)) == (True, [Status.PENDING])


@pytest.mark.parametrize("nth", [1, 2], ids=["sleep", "undo"])
@pytest.mark.parametrize("moment", ["before", "after", "late"])
def test_a_command_that_a_crash_left_behind_is_not_the_last_word(
    dorm: Dorm, nth: int, moment: Moment
) -> None:
    """Nobody heard its end, so the process that it may yet run in is replaced."""
    dorm.runtime.faults.crash("execute", moment, nth=nth)
    taker = dorm.add()
    dorm.card.used_mb = ASLEEP_MB
    dorm.settle(5)
    dorm.leave(taker)
    dorm.ask()
    if dorm.lending:  # who waited at the door is gone with it, and another one comes
        dorm.ask()
    dorm.card.used_mb = 0
    dorm.settle(2 * STARTED_S)
    ran = dorm.ran
    dorm.runtime.faults.land()
    assert (dorm.ran, dorm.lending, dorm.shown(dorm.vllm)) == (ran, False, [Status.RUNNING])
    assert "not_woken" in dorm.told()
    assert dorm.row(dorm.vllm).generation == 2


def test_memory_that_comes_free_later_than_anybody_looks_for_it_is_given_all_the_same(
    dorm: Dorm,
) -> None:
    dorm.runtime.faults.crash("execute", "late")
    taker = dorm.add()
    assert dorm.shown(taker) == [Status.PENDING]
    dorm.card.used_mb = ASLEEP_MB
    dorm.settle(6)
    assert dorm.shown(dorm.vllm, taker) == [Status.RUNNING] * 2


def test_it_is_not_woken_before_it_sleeps(dorm: Dorm) -> None:
    """What came first would be undone by what comes last, and nobody would know.

    Also who takes longer for it than anybody waits may yet fall asleep: it starts anew.
    """
    dorm.runtime.faults.hang("execute")
    taker = dorm.add()
    dorm.leave(taker)
    dorm.ask()
    dorm.settle(20)
    assert (dorm.ran, dorm.lending) == ([], True)
    dorm.settle(50)
    assert (dorm.ran, dorm.lending) == ([], False)
    assert "not_woken" in dorm.told()


def test_a_command_that_comes_late_is_not_the_last_word(dorm: Dorm) -> None:
    """Asleep with its door open, or with a share that is another's: so it starts anew."""
    dorm.runtime.faults.delay("execute")
    dorm.leave(dorm.add())
    dorm.ask()
    dorm.settle(STARTED_S)
    dorm.runtime.faults.land()
    assert (dorm.ran, dorm.lending, dorm.shown(dorm.vllm)) == ([], False, [Status.RUNNING])
    assert "not_woken" in dorm.told()


def test_nor_is_one_that_wakes_it(dorm: Dorm) -> None:
    dorm.leave(dorm.lend())
    dorm.runtime.faults.delay("execute")
    dorm.ask()
    dorm.card.used_mb = 0
    dorm.settle(2 * STARTED_S)
    dorm.runtime.faults.land()
    assert (dorm.ran, dorm.lending, dorm.shown(dorm.vllm)) == (["sleep"], False, [Status.RUNNING])


def test_it_sleeps_on_over_a_restart_of_the_appliance(dorm: Dorm) -> None:
    taker = dorm.lend()
    dorm.crash()
    dorm.settle(25)
    assert (dorm.ran, dorm.lending) == (["sleep"], True)
    assert dorm.shown(dorm.vllm, taker) == [Status.RUNNING] * 2
    dorm.leave(taker)
    dorm.ask()
    assert (dorm.ran, dorm.lending) == (["sleep", "undo"], False)


def test_where_its_memory_does_not_come_back_it_is_stopped_in_the_end(dorm: Dorm) -> None:
    taker = dorm.add()
    dorm.settle(20)
    assert dorm.shown(dorm.vllm, taker) == [Status.SLEEPING, Status.RUNNING]
    assert (dorm.ran, dorm.lending) == (["sleep"], False)


def test_where_it_can_not_sleep_so_it_is_stopped(dorm: Dorm) -> None:
    dorm.runtime.commands[dorm.sleep] = ((), 1)
    taker = dorm.add()
    dorm.settle(20)
    assert dorm.shown(dorm.vllm, taker) == [Status.SLEEPING, Status.RUNNING]
    assert (dorm.lending, "softened" in dorm.told()) == (False, False)


@pytest.mark.parametrize("fails", ["ends badly", "hangs"])
def test_one_that_does_not_wake_up_starts_anew(dorm: Dorm, fails: str) -> None:
    dorm.leave(dorm.lend())
    if fails == "hangs":
        dorm.runtime.faults.hang("execute")
    else:
        dorm.runtime.commands[dorm.undo] = ((), 1)
    before = dorm.row(dorm.vllm)
    dorm.ask()
    dorm.settle(60 + STARTED_S)
    after = dorm.row(dorm.vllm)
    assert (after.shown, after.generation, dorm.lending) == (Status.RUNNING, 2, False)
    assert after.process != before.process
    assert "not_woken" in dorm.told()
    assert len(dorm.runtime.running(dorm.vllm)) == 1


def test_one_that_ends_while_it_wakes_up_is_told_as_ended(dorm: Dorm) -> None:
    """And charged to its end, not to when it was given up."""
    dorm.leave(dorm.lend())
    dorm.runtime.faults.hang("execute")
    dorm.ask()
    [name] = dorm.runtime.running(dorm.vllm)
    dorm.runtime.finish(name, 3)
    dorm.card.used_mb = 0
    dorm.settle(60 + STARTED_S)
    told = [one for one in dorm.told() if one in ("crashed", "not_woken")]
    assert (told, dorm.shown(dorm.vllm)) == (["crashed"], [Status.RUNNING])


def test_a_command_that_fails_may_have_begun_something(dorm: Dorm) -> None:
    """A server that was too slow for it goes to sleep all the same, behind what wakes it."""
    dorm.runtime.commands[dorm.sleep] = ((), 1)
    dorm.leave(dorm.add())
    dorm.ask()
    dorm.settle(STARTED_S)
    assert (dorm.ran, dorm.lending, dorm.shown(dorm.vllm)) == (["sleep"], False, [Status.RUNNING])
    assert "not_woken" in dorm.told()


def test_podman_away_is_no_reason_to_start_anew(dorm: Dorm) -> None:
    dorm.leave(dorm.lend())
    dorm.runtime.faults.fail("execute", times=3)
    dorm.ask()
    dorm.settle(10)
    assert (dorm.lending, dorm.row(dorm.vllm).generation) == (False, 1)


@pytest.mark.parametrize("how", ["restart", "power cut", "end", "stop and start"])
def test_a_new_process_waits_in_line_for_the_whole_share(dorm: Dorm, how: str) -> None:
    """It would take memory that is another's by now."""
    taker = dorm.lend()
    deployments = dorm.world.engine.deployments
    [name] = dorm.runtime.running(dorm.vllm)
    dorm.card.used_mb = 0
    match how:
        case "restart":
            dorm.run(deployments.restart(ADA, dorm.vllm))
        case "power cut":
            dorm.power_cut()
        case "end":
            dorm.runtime.finish(name, 1)
        case _:
            dorm.run(deployments.stop(ADA, dorm.vllm))
            dorm.settle(15)
            dorm.run(deployments.start(ADA, dorm.vllm))
    dorm.settle(40)
    assert sorted(dorm.shown(dorm.vllm, taker)) == [Status.PENDING, Status.RUNNING]
    assert not dorm.lending
    assert len(dorm.runtime.running()) == 1


def test_a_user_stops_it_and_its_share_is_whole_again(dorm: Dorm) -> None:
    dorm.lend()
    dorm.run(dorm.world.engine.deployments.stop(ADA, dorm.vllm))
    dorm.settle(15)
    assert (dorm.shown(dorm.vllm), dorm.lending) == ([Status.STOPPED], False)
    assert dorm.rows("SELECT 1 FROM gpu_hold WHERE loan IS NOT NULL") == []


def test_a_user_stops_it_also_while_it_takes_its_memory_back(dorm: Dorm) -> None:
    dorm.leave(dorm.lend())
    dorm.runtime.faults.hang("execute")
    dorm.ask()
    dorm.run(dorm.world.engine.deployments.stop(ADA, dorm.vllm))
    dorm.settle(15)
    assert (dorm.shown(dorm.vllm), dorm.lending) == ([Status.STOPPED], False)


def test_an_update_waits_for_the_share(dorm: Dorm) -> None:
    """The new container gets the GPU from the old one, and would find no room on it."""
    taker = dorm.lend()
    change = Change(fields={"env": {"A": "1"}})
    dorm.run(dorm.world.engine.updates.update(ADA, dorm.vllm, change))
    dorm.settle(60)
    assert "updating" not in dorm.told()
    dorm.leave(taker)
    dorm.settle(5)
    told = [one for one in dorm.told() if one in ("took_back", "updating")]
    assert (dorm.ran, told) == (["sleep", "undo"], ["took_back", "updating"])


def test_idle_for_long_it_is_stopped_as_any_other(dorm: Dorm) -> None:
    dorm.lend()
    change = Change(fields={"idle_timeout_minutes": 1.0})
    dorm.run(dorm.world.engine.updates.update(ADA, dorm.vllm, change))
    dorm.settle(80)
    assert (dorm.shown(dorm.vllm), dorm.lending) == ([Status.SLEEPING], False)


def test_after_a_power_cut_it_is_not_started_beside_who_has_its_share(dorm: Dorm) -> None:
    dorm.lend()
    [name] = dorm.runtime.running(dorm.vllm)
    dorm.card.used_mb = 0
    dorm.runtime.faults.calls.clear()
    dorm.power_cut()
    dorm.settle(GRACE_S)
    assert Call("start", name) not in dorm.runtime.faults.calls
    assert dorm.shown(dorm.vllm) == [Status.PENDING]
    assert "in line" in dorm.why()
