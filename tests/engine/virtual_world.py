"""An engine in virtual time that can be killed at any moment, and a witness of what really ran."""

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite.core
import anyio
import anyio.to_thread
import pytest

from appliance.domain.observed import Container, ContainerName, ContainerState
from appliance.engine import gpu_watch
from appliance.store.database import Row
from tests.engine.conftest import PREFIX, FakeGpus, appliance, with_users
from tests.fake_runtime import FakeRuntime
from tests.virtual_time import CountedQueue, VirtualClock, VirtualLoop

SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of our own in it
START_S = 0.02
MOMENT_S = 0.2
"""Long enough for whatever need not wait for anything."""

T = TypeVar("T")


class WitnessedRuntime(FakeRuntime):
    """Writes down when each container's process truly began and ended."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(prefix=PREFIX, clock=clock)
        self._true = clock
        self.on_run: Callable[[str], None] = lambda _name: None
        self.on_command: Callable[[str, tuple[str, ...]], None] = lambda _name, _argv: None
        self._began: dict[str, float] = {}
        self._ran: defaultdict[str, float] = defaultdict(float)

    def true_running_s(self, deployment_id: str) -> float:
        """How long containers of that deployment have truly run, to the microsecond.

        No time is told finer, and sums of binary fractions are not exact beyond.
        """
        still = sum(
            self._true.true_s - began
            for name, began in self._began.items()
            if owner(name) == deployment_id
        )
        return round(self._ran[deployment_id] + still, 6)

    def running(self, deployment_id: str | None = None) -> list[str]:
        """Its containers (None: everybody's) whose process runs now."""
        return [name for name in self._began if deployment_id in (None, owner(name))]

    def processes(self) -> list[Container]:
        """Every container whose process runs now."""
        there = [self.container(name) for name in self._began]
        return [container for container in there if container and container.process]

    async def start(self, name: str) -> None:
        """Takes a moment, as every start does: two runs never begin at once."""
        await self._true.sleep(START_S)
        await super().start(name)

    def vanish(self, name: str) -> None:
        """Somebody removes it with Podman's command line."""
        self._remove(name)

    def lose(self, name: str) -> None:
        super().lose(name)
        self._over(name)

    def reboot(self) -> None:
        for name in list(self._began):
            self._over(name)
        super().reboot()

    def _run(self, name: str) -> None:
        super()._run(name)
        self._began[name] = self._true.true_s
        self.on_run(name)

    def _run_in(self, name: str, argv: Sequence[str]) -> Callable[[], tuple[Sequence[bytes], int]]:
        run = super()._run_in(name, argv)

        def witnessed() -> tuple[Sequence[bytes], int]:
            output, code = run()
            if code == 0:
                self.on_command(name, tuple(argv))
            return output, code

        return witnessed

    def _end(self, name: str, exit_code: int, *, out_of_memory: bool = False) -> None:
        super()._end(name, exit_code, out_of_memory=out_of_memory)
        self._over(name)

    def _remove(self, name: str) -> None:
        super()._remove(name)
        self._over(name)

    def _over(self, name: str) -> None:
        began = self._began.pop(name, None)
        if began is not None:
            self._ran[owner(name)] += self._true.true_s - began


def owner(name: str) -> str:
    """The deployment whose container has that name, or would have it."""
    parsed = ContainerName.parse(name, prefix=PREFIX)
    return parsed.deployment_id if parsed else ""


class VirtualWorld:
    """One data directory and one Podman, and the engines that come and go on them."""

    def __init__(self, gpus: FakeGpus | None = None) -> None:
        self._gpus = gpus
        self.open_requests = 0
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.runtime = WitnessedRuntime(self.clock)
        with ExitStack() as undone:
            undone.callback(self.loop.close)
            patch = undone.enter_context(pytest.MonkeyPatch.context())
            # Every connection made from here on tells its loop of its statements.
            patch.setattr(aiosqlite.core, "SimpleQueue", CountedQueue)
            # A thread's time is not virtual: what it would come to is there at once.
            patch.setattr(gpu_watch, "run_in_daemon", at_once)
            patch.setattr(anyio.to_thread, "run_sync", at_once)
            folder = tempfile.TemporaryDirectory(prefix="nnworld-", dir=SCRATCH)
            self._path = Path(undone.enter_context(folder)) / "appliance.db"
            asyncio.set_event_loop(self.loop)
            undone.callback(asyncio.set_event_loop, None)
            undone.callback(lambda: self.loop.run(self.loop.shutdown_asyncgens()))
            self.loop.run(with_users(self._path))
            undone.callback(self.kill)
            self.boot()
            self._undone = undone.pop_all()

    def boot(self) -> None:
        """An engine starts on what there is."""
        up = asyncio.Event()
        self._life = self.loop.create_task(self._live(up))
        self.run(up.wait())
        self.settle()

    def kill(self) -> None:
        """It is gone, whatever it was at, and says goodbye to nobody."""
        self._life.cancel()
        self.run(asyncio.wait([self._life]))

    def crash(self) -> None:
        """Killed, and another one starts."""
        self.kill()
        self.runtime.faults.crashed = False
        self.boot()

    def power_cut(self) -> None:
        """The machine goes down and comes up again, with nothing running."""
        self.kill()
        self.runtime.faults.land()
        self.runtime.reboot()
        self.clock.reboot()
        self.runtime.faults.crashed = False
        self.boot()

    def settle(self, seconds: float = MOMENT_S) -> None:
        """Time goes by; a crash that was planned and struck happens."""
        self.loop.elapse(seconds)
        while self.runtime.faults.crashed:
            self.crash()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    def rows(self, sql: str) -> list[Row]:
        return self.run(self.world.db.read(sql))

    def close(self) -> None:
        self._undone.close()

    async def _live(self, up: asyncio.Event) -> None:
        async with appliance(self._path, self.runtime, self._gpus, self.clock) as self.world:
            self.world.engine.drains.count_by(lambda _ports: self.open_requests)
            up.set()
            await anyio.sleep_forever()


async def at_once(work: Callable[[], T]) -> T:
    return work()


def is_up(runtime: FakeRuntime, name: str) -> bool:
    shown = runtime.container(name)
    return shown is not None and shown.state is ContainerState.RUNNING
