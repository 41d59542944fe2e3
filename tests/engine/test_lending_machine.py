"""Stories of lenders: no GPU has less memory than is in use, and nobody is asked in its sleep."""

from collections import Counter

import anyio
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from appliance.domain.deployment import HealthCheck, RestartPolicy, Status
from appliance.domain.errors import StartRefused
from appliance.domain.observed import Container, ImageFacts
from appliance.domain.order import IdleTimeout, Order, SaidResources
from appliance.engine.catalogue import PACKAGED_TEMPLATES, Catalogue
from tests.engine.cards import ASLEEP_MB, TrueCards
from tests.engine.conftest import ADA, IMAGE, a_gpu
from tests.engine.test_gpu_machine import GpuStory
from tests.engine.test_state_machine import (
    CRASHES,
    ENDS,
    LONGEST_BACKOFF_S,
    SLEEPS_AFTER_S,
    STUBBORN,
    Acknowledged,
    search,
    which,
)
from tests.fake_faults import Moment

VLLM = "docker.io/vllm/vllm-openai:latest"
CARDS = (a_gpu(0), a_gpu(1, vram_mb=12_000))
BIG = SaidResources(gpus=1, vram_mb=20_000, exclusive=False)
SHARES = (
    BIG, SaidResources(gpus=1, vram_mb=10_000, exclusive=False),
    SaidResources(gpus=2, vram_mb=9_000, exclusive=False),
)  # fmt: skip
BORROWED = SaidResources(gpus=1, vram_mb=15_000, exclusive=False)
NEEDS = (*SHARES, BORROWED, SaidResources(gpus=1), SaidResources(gpus=2))
KEPT_MB = (ASLEEP_MB, ASLEEP_MB, 7_000)
"""What a lender has in its sleep."""

ATTEMPT_S = 70
"""Longer than either command may last."""

REFUSED = StartRefused("it failed (test)")
HOW = (
    "well", "well", "well", "well", "refused", "refused, and yet done", "unanswered", "late",
    "hangs", "not begun", "before", "after", "killed late",
)  # fmt: skip
"""Well, or wrong; the last three are crashes of the appliance, at that moment of the command."""

hows, shares = st.sampled_from(HOW), st.sampled_from([BIG, BORROWED, SHARES[-1]])
lates = st.sampled_from(["well", "late", "killed late", "refused, and yet done"])


class Lending(GpuStory):
    """Two GPUs, and lenders who sleep on them while others use their memory."""

    def __init__(self) -> None:
        self.truth = TrueCards(CARDS)
        super().__init__(self.truth)
        self.patch = pytest.MonkeyPatch()
        self.truth.belong_to(self.world, self.patch)
        self.world.runtime.images[VLLM] = ImageFacts(id="sha256:vllm", exposed_ports=(8000,))
        self.world.runtime.on_command = self.obey
        template = Catalogue.load(PACKAGED_TEMPLATES, None).get("vllm")
        assert template is not None
        assert template.soften is not None
        self.sleep, self.undo = template.soften.command, template.soften.undo or ()
        self.vllms: list[str] = []
        self.keeps_mb = ASLEEP_MB
        self.over: list[str] = []
        self.undone: Counter[str] = Counter()

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.patch.undo()

    # Who wants memory.

    @initialize()
    def a_lender_is_there(self) -> None:
        self.create_a_lender(share=BIG, sleeps=False, keeps_mb=ASLEEP_MB)

    @rule(need=shares, evictable=st.booleans(), how=hows, stays_s=st.sampled_from([1, 5, 15]))
    def a_share_is_lent(
        self, need: SaidResources, evictable: bool, how: str, stays_s: float
    ) -> None:
        """Somebody comes for memory, where all who have some are idle."""
        for i in self.vllms:
            self.come(i, 1)
        self.world.settle(2)
        for i in self.vllms:
            self.go(i)
        self.world.settle(12)
        self.will_go(how)
        self.create(IMAGE, RestartPolicy.ON_FAILURE, need=need, evictable=evictable)
        self.world.settle(stays_s)

    @rule(need=shares, how=hows, how_back=hows)
    def a_share_goes_round(self, need: SaidResources, how: str, how_back: str) -> None:
        """It is lent, and there is room again before it is asked for."""
        self.a_share_is_lent(need, evictable=False, how=how, stays_s=1)
        self.order(len(self.told) - 1, "delete")
        self.world.settle(1)
        if self.lenders():
            self.many_ask_for_it(0, 5, how_back)

    @rule(need=shares, how=lates, how_back=lates, again=st.booleans())
    def what_was_late_comes_last(
        self, need: SaidResources, how: str, how_back: str, again: bool
    ) -> None:
        self.a_share_goes_round(need, how, how_back)
        if again:
            self.a_share_is_lent(need, evictable=True, how="well", stays_s=5)
        self.what_was_late_lands()

    @rule(share=st.sampled_from(SHARES), sleeps=st.booleans(), keeps_mb=st.sampled_from(KEPT_MB))
    def create_a_lender(self, share: SaidResources, sleeps: bool, keeps_mb: int) -> None:
        order = Order(
            "node_1", "vllm", resources=share, evictable=True, health=HealthCheck("/", None, 1),
            idle_timeout=IdleTimeout(1 if sleeps else None),
        )  # fmt: skip
        self.keeps_mb = keeps_mb
        self.vllms.append(self.deploy(VLLM, order))

    @rule(
        image=st.sampled_from([IMAGE, IMAGE, STUBBORN, ENDS, CRASHES]),
        policy=st.sampled_from(RestartPolicy),
        sleeps=st.booleans(),
        need=st.sampled_from(NEEDS),
        evictable=st.booleans(),
    )
    def create(
        self, image: str, policy: RestartPolicy, sleeps: bool = False, *,
        need: SaidResources = BORROWED, evictable: bool = False,
    ) -> None:  # fmt: skip
        order = Order(
            "node_1", custom_image=image, resources=need, restart_policy=policy,
            evictable=evictable, idle_timeout=IdleTimeout(SLEEPS_AFTER_S / 60 if sleeps else None),
        )  # fmt: skip
        self.deploy(image, order)

    def note(self, made: str, need: SaidResources) -> None:
        super().note(made, need)
        share_mb = need.get("vram_mb")
        if share_mb is not None:
            self.truth.shares_mb[made] = share_mb
        self.truth.asleep_mb[made] = self.keeps_mb

    # The commands.

    def obey(self, name: str, argv: tuple[str, ...]) -> None:
        container = self.world.runtime.container(name)
        assert container is not None
        if argv == self.sleep:
            self.truth.fall_asleep(container)
        elif argv == self.undo:
            self.truth.wake_up(container)
            self.undone[name] += 1
            self.measure(name)

    def will_go(self, how: str) -> None:
        """How it goes with the next command."""
        faults = self.world.runtime.faults
        match how:
            case "refused":
                faults.fail("execute", error=REFUSED)
            case "refused, and yet done":
                faults.delay("execute", error=REFUSED)
            case "unanswered":
                faults.lose_answer("execute")
            case "late":
                faults.delay("execute")
            case "hangs":
                faults.hang("execute")
            case "not begun":
                faults.fail("execute")
            case "before" | "after" | "killed late":
                moments: dict[str, Moment] = {"before": "before", "after": "after"}
                faults.crash("execute", moments.get(how, "late"))
            case _:
                pass

    @rule(there=st.sets(st.sampled_from(CARDS)), seconds=st.sampled_from([1, 6, 20]))
    def a_gpu_is_away(self, there: set[object], seconds: float) -> None:
        self.gpus.readings = tuple(card for card in CARDS if card in there)
        self.world.settle(seconds)
        self.gpus.readings = CARDS
        self.world.settle()

    # Who asks.

    @rule(which=which, stays_s=st.sampled_from([0, 1, 20]), how=hows)
    @precondition(lambda self: self.lenders())
    def many_ask_for_it(self, which: int, stays_s: float, how: str) -> None:
        i = self.lenders()[which % len(self.lenders())]
        self.will_go(how)
        before = self.undone.copy()
        self.come(i, 3)
        self.world.settle(stays_s)
        assert max((self.undone - before).values(), default=0) <= 1
        self.go(i)

    def come(self, i: str, number: int) -> None:
        """Requests wait at the door, which has it woken."""
        engine = self.world.world.engine

        async def all_at_once() -> None:
            async with anyio.create_task_group() as tasks:
                for _ in range(number):
                    tasks.start_soon(engine.sleep.wake, i)

        engine.activity.of(i).open_requests = number
        self.world.run(all_at_once())

    def go(self, i: str) -> None:
        traffic = self.world.world.engine.activity.of(i)
        traffic.open_requests = 0
        traffic.last_activity_boot_us = self.world.clock.now().boot_us

    # What always holds.

    def witness(self, name: str) -> None:
        super().witness(name)
        self.measure(name)

    def measure(self, name: str) -> None:
        """Whether there is as much memory as is in use, now that ``name`` has more."""
        for card in CARDS:
            used = self.truth.used_mb(card)
            if used.total() > (card.gpu.vram_mb or 0):
                self.over.append(f"{name} on {card.gpu.key}: {dict(used)}")

    @invariant()
    def no_more_memory_is_ever_in_use_than_there_is(self) -> None:
        assert self.over == []

    @invariant()
    def no_gpu_is_on_record_twice(self) -> None:
        """Whose share is lent counts with what it has in spite of that."""
        rows = self.world.rows("SELECT * FROM gpu_hold")
        for card in CARDS:
            used = self.truth.used_mb(card)
            booked_mb = sum(
                used[row["deployment_id"]] if row["loan"] == "lent" else row["vram_mb"] or 0
                for row in rows
                if row["gpu"] == card.gpu.key
            )
            assert booked_mb <= (card.gpu.vram_mb or 0), [dict(row) for row in rows]

    @invariant()
    def nobody_is_asked_for_anything_in_its_sleep(self) -> None:
        for address in self.world.world.engine.addresses.all():
            if address.status is Status.RUNNING and not address.awaited:
                asleep = [c.name for c in self.containers(address.deployment_id)
                          if self.truth.sleeps(c)]  # fmt: skip
                assert asleep == []
                assert self.loan(address.deployment_id) is None

    def containers(self, i: str) -> list[Container]:
        return [c for c in self.world.runtime.processes() if i.replace("_", "-") in c.name]

    def loan(self, i: str) -> str | None:
        rows = self.world.rows("SELECT * FROM gpu_hold")
        return next((row["loan"] for row in rows if row["deployment_id"] == i), None)

    # What holds in the end.

    def rests(self, deployment_id: str, told: Acknowledged) -> None:
        shown = self.listed().get(deployment_id)
        if shown and shown.deployment.update and self.loan(deployment_id) == "lent":
            self.waits_for_its_share(deployment_id)  # its new container would find no room
        else:
            super().rests(deployment_id, told)

    def waits_for_its_share(self, i: str) -> None:
        d = self.listed()[i].deployment
        assert d.status is Status.RUNNING
        assert d.reason is not None
        assert d.reason.code == "gpu_unavailable"
        self.waits_for_good_reason(i)

    def waits_for_good_reason(self, deployment_id: str) -> None:
        """And nobody waits for those alone who wait themselves."""
        super().waits_for_good_reason(deployment_id)
        place = self.world.world.engine.gpus.place(deployment_id)
        if place and not place.hopeless:
            assert self.world.rows("SELECT 1 FROM gpu_hold WHERE loan IS NULL")

    def comes_to_rest(self) -> None:
        super().comes_to_rest()
        for i in self.lenders():
            self.come(i, 2)
            self.world.settle(ATTEMPT_S)
            if i in self.lenders():
                self.waits_for_its_share(i)
            self.go(i)
        for last in self.lenders()[:1]:
            for other in self.listed().keys() - {last}:
                self.world.run(self.world.world.engine.deployments.delete(ADA, other))
            self.come(last, 1)
            self.world.settle(LONGEST_BACKOFF_S)
            assert self.lenders() == []
            self.rests(last, self.told[last])

    def lenders(self) -> list[str]:
        return [i for i in self.told if self.loan(i) is not None]


def test_no_story_of_lenders_takes_memory_that_is_anothers() -> None:
    search(examples=12, steps=12, machine=Lending)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_long_story_of_lenders_takes_memory_that_is_anothers() -> None:
    search(examples=400, steps=60, machine=Lending)
