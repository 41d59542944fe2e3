"""Hours of the engine in a moment: an asyncio loop whose clock jumps whenever nothing can happen.

Timers fire in their order, at their exact moments, and never while a statement is under way in
one of SQLite's threads; so a run depends on nothing but what the test does.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from selectors import SelectorKey
from typing import Any, TypeVar

import aiosqlite.core
import anyio

from appliance.domain.instant import Instant

START = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
STUCK_S = 30.0
T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Waits for threads in real time and for everything else not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.statements = 0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        waits = bool(self.statements) and timeout != 0
        ready: list[tuple[SelectorKey, int]] = super().select(STUCK_S if waits else 0)
        if ready or timeout == 0:
            return ready
        assert not self.statements, "a statement hangs"
        assert timeout is not None, "everybody waits for somebody"
        self.now_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its ``time()`` is the test's; ``elapse`` is the way to let time go by."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now_s

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` comes to; all others go on meanwhile."""
        return self.run_until_complete(work)

    def elapse(self, seconds: float = 0.0) -> None:
        """Everything happens that happens within ``seconds``; 0 is all that needs no time."""
        self.run(asyncio.sleep(seconds + 0.001))

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle:
        if callback in (aiosqlite.core.set_result, aiosqlite.core.set_exception):
            return super().call_soon_threadsafe(self._answer, callback, args, context=context)
        return super().call_soon_threadsafe(callback, *args, context=context)

    def statement_begins(self) -> None:
        """A thread of SQLite's got something to do."""
        self._virtual.statements += 1

    def _answer(self, callback: Callable[..., object], args: tuple[object, ...]) -> None:
        self._virtual.statements -= 1
        callback(*args)


class CountedQueue(SimpleQueue[Any]):
    """In the place of aiosqlite's queue of statements: tells the loop of each."""

    def put_nowait(self, item: Any) -> None:
        loop = asyncio.get_event_loop()
        assert isinstance(loop, VirtualLoop)
        loop.statement_begins()
        super().put_nowait(item)


class VirtualClock:
    """The machine's clocks by a virtual loop; the wall can be set, the machine rebooted."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._boot = 1
        self._booted_s = -3600.0
        self._set = timedelta()
        self._suspended_s = 0.0

    @property
    def true_s(self) -> float:
        """Seconds since the test began, whatever the clocks say."""
        return self._loop.time() + self._suspended_s

    def now(self) -> Instant:
        boot_us = round((self.true_s - self._booted_s) * 1_000_000)
        wall = START + self._set + round(self.true_s * 1_000_000) * MICROSECOND
        return Instant(wall, boot_us, f"boot-{self._boot}")

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    def set_wall(self, **by: float) -> None:
        """Somebody sets the wall clock; as ``timedelta`` takes it."""
        self._set += timedelta(**by)

    def suspend(self, seconds: float) -> None:
        """The machine sleeps: its clocks go on, and nobody's timer does."""
        self._suspended_s += seconds

    def reboot(self) -> None:
        """The boot clock begins anew."""
        self._boot += 1
        self._booted_s = self.true_s - 10
