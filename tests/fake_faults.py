"""Faults for ``FakeRuntime``: what goes wrong at the n-th call of a verb."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import anyio

from appliance.domain.errors import RuntimeFailure, RuntimeTimeout, RuntimeUnavailable

Verb = Literal[
    "ping",
    "image",
    "pull",
    "create",
    "start",
    "stop",
    "remove",
    "purge",
    "inspect",
    "missing_devices",
    "list_containers",
    "events",
    "check_health",
    "execute",
    "open_terminal",
    "stats",
    "all_stats",
]
Moment = Literal["before", "after", "late"]
Kind = Literal["fail", "hang", "lose_answer", "delay", "crash_before", "crash_after", "crash_late"]
CRASHES: frozenset[Kind] = frozenset({"crash_before", "crash_after", "crash_late"})
T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One verb as it was called; ``subject`` is the container, image or deployment."""

    verb: Verb
    subject: str


@dataclass
class Fault:
    """What happens; ``nth`` counts down with each call of the verb, ``times`` with each strike."""

    kind: Kind
    error: RuntimeFailure
    nth: int
    times: float


class Faults:
    """The planned faults and the calls so far. ``nth`` counts from now: 1 is the next call.

    ``times=math.inf`` makes a fault last until ``clear``.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._planned: dict[str, list[Fault]] = defaultdict(list)
        self._late: list[Callable[[], object]] = []
        self._down = False
        self.crashed = False
        """A planned crash has struck: whoever runs the engine is to end it now."""

    def fail(
        self, verb: Verb, *, error: RuntimeFailure | None = None, nth: int = 1, times: float = 1
    ) -> None:
        """The call raises before anything happens."""
        problem = error or RuntimeUnavailable("Podman does not answer (test).")
        self._planned[verb].append(Fault("fail", problem, nth, times))

    def hang(self, verb: Verb) -> None:
        """The next call never returns and has no effect; only cancelling ends it."""
        self._plan("hang", verb, 1, 1)

    def lose_answer(self, verb: Verb, *, nth: int = 1) -> None:
        """The call has its effect, and raises ``RuntimeTimeout``."""
        self._plan("lose_answer", verb, nth, 1)

    def delay(
        self, verb: Verb, *, error: RuntimeFailure | None = None, nth: int = 1, times: float = 1
    ) -> None:
        """The call raises ``error`` (None: ``RuntimeTimeout``); its effect lands at ``land``."""
        self._plan("delay", verb, nth, times, error)

    def crash(self, verb: Verb, moment: Moment, *, nth: int = 1) -> None:
        """The caller is never heard of again: ``crashed``. The effect comes before that, not at
        all (the crash comes ``before`` it) or at ``land``."""
        kinds: dict[Moment, Kind] = {
            "before": "crash_before", "after": "crash_after", "late": "crash_late",
        }  # fmt: skip
        self._plan(kinds[moment], verb, nth, 1)

    def land(self) -> None:
        """The delayed effects happen now, in the order of their calls, each as it still can."""
        late, self._late = self._late, []
        for effect in late:
            try:
                effect()
            except RuntimeFailure:
                continue  # the caller of a late effect is gone: nobody hears why it failed

    def clear(self) -> None:
        """No fault is planned any more; delayed effects stay to be landed."""
        self._planned.clear()

    def take_down(self) -> None:
        """Every verb raises ``RuntimeUnavailable`` until ``bring_up``."""
        self._down = True

    def bring_up(self) -> None:
        """The service answers again."""
        self._down = False

    def count(self, verb: Verb) -> int:
        """How often that verb was called."""
        return sum(call.verb == verb for call in self.calls)

    async def around(self, verb: Verb, subject: str, effect: Callable[[], T]) -> T:
        """Counts the call and lets its effect happen, or what the plan says instead."""
        await anyio.lowlevel.checkpoint()
        await self.meet(verb, subject, effect)
        return effect()

    async def meet(self, verb: Verb, subject: str, effect: Callable[[], object]) -> None:
        """Counts the call; returns if nothing goes wrong with it."""
        fault = self._struck(Call(verb, subject))
        if fault is not None:
            await self._suffer(fault, effect)

    def _struck(self, call: Call) -> Fault | None:
        self.calls.append(call)
        if self._down:
            return Fault("fail", RuntimeUnavailable("Podman does not answer (test)."), 1, 1)
        planned = self._planned[call.verb]
        for fault in planned:
            fault.nth -= 1
        struck = next((fault for fault in planned if fault.nth <= 0), None)
        if struck is not None:
            struck.times -= 1
            self._planned[call.verb] = [fault for fault in planned if fault.times > 0]
        return struck

    async def _suffer(self, fault: Fault, effect: Callable[[], object]) -> None:
        """What the fault does; it never returns."""
        if fault.kind in ("lose_answer", "crash_after"):
            effect()
        if fault.kind in ("delay", "crash_late"):
            self._late.append(effect)
        if fault.kind in CRASHES:
            self.crashed = True
        if fault.kind == "hang" or fault.kind in CRASHES:
            await anyio.sleep_forever()
        raise fault.error

    def _plan(
        self, kind: Kind, verb: Verb, nth: int, times: float, error: RuntimeFailure | None = None
    ) -> None:
        problem = error or RuntimeTimeout("Podman did not answer in time (test).")
        self._planned[verb].append(Fault(kind, problem, nth, times))
