"""Any order of verbs, faults and crashes ends where the last order says, with nothing left over."""

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.domain.deployment import Desired, Status
from appliance.domain.errors import NotFound
from appliance.domain.observed import ImageFacts
from tests.engine.conftest import (
    ADA,
    IMAGE,
    PREFIX,
    World,
    an_order,
    appliance,
    with_users,
)
from tests.fake_runtime import FakeRuntime
from tests.waiting import eventually

VERBS = ("create", "start", "stop", "restart", "delete", "die", "crash", "away", "back")
RESTING = {Desired.RUNNING: Status.RUNNING, Desired.STOPPED: Status.STOPPED}


class Story:
    """What was ordered so far, and the appliance that has to live up to it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "appliance.db"
        self.runtime = FakeRuntime(prefix=PREFIX)
        self.runtime.images[IMAGE] = ImageFacts(id="sha256:app", exposed_ports=(8080,))
        self.wanted: dict[str, Desired] = {}

    async def tell(self, chapters: list[tuple[str, int]]) -> None:
        await with_users(self.path)
        while chapters:
            async with appliance(self.path, self.runtime) as world:
                while chapters and chapters[0][0] != "crash":
                    await self.act(world, *chapters.pop(0))
            chapters = chapters[1:]
        self.runtime.bring_up()
        async with appliance(self.path, self.runtime) as world:
            await eventually(lambda: self.settled(world))
        names = self.runtime.names()
        for i, wanted in self.wanted.items():
            count = sum(i[4:] in name for name in names)
            assert count == 1 if wanted is Desired.RUNNING else count <= 1
            assert wanted is not Desired.DELETED or count == 0
        assert len(self.runtime.networks) == len(names)

    def live(self) -> list[str]:
        return [i for i, wanted in self.wanted.items() if wanted is not Desired.DELETED]

    async def act(self, world: World, verb: str, which: int) -> None:
        simple: dict[str, Callable[[], Any]] = {
            "away": self.runtime.take_down,
            "back": self.runtime.bring_up,
        }
        if verb in simple:
            simple[verb]()
        elif verb == "create":
            self.wanted[await world.deploy(an_order())] = Desired.RUNNING
        elif self.live():
            await self.steer(world, verb, self.live()[which % len(self.live())])
        await anyio.lowlevel.checkpoint()

    async def steer(self, world: World, verb: str, i: str) -> None:
        if verb == "die":
            self.end(i)
            return
        orders: dict[str, tuple[Callable[..., Awaitable[object]], Desired]] = {
            "start": (world.engine.deployments.start, Desired.RUNNING),
            "restart": (world.engine.deployments.restart, Desired.RUNNING),
            "stop": (world.engine.deployments.stop, Desired.STOPPED),
            "delete": (world.engine.deployments.delete, Desired.DELETED),
        }
        order, self.wanted[i] = orders[verb]
        await order(ADA, i)

    def end(self, i: str) -> None:
        """Its process ends with exit code 137, if it runs: killed by somebody else."""
        for name in self.runtime.names():
            container = self.runtime.container(name)
            if i[4:] in name and container is not None and container.process is not None:
                self.runtime.finish(name, 137)

    async def settled(self, world: World) -> bool:
        for i, wanted in self.wanted.items():
            try:
                d = (await world.view(i)).deployment
            except NotFound:
                assert wanted is Desired.DELETED
                continue
            waits = d.reason is not None and "restart" in d.reason.message
            if d.shown is not RESTING[wanted] and not waits:
                return False
        names = "".join([*self.runtime.names(), *self.runtime.networks])
        return not any(
            i[4:] in names for i, wanted in self.wanted.items() if wanted is Desired.DELETED
        )


@given(st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 3)), min_size=3, max_size=14))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_last_order_wins_whatever_happened(chapters: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(Story(Path(folder)).tell, [("create", 0), *chapters])
