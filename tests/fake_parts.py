"""What ``FakeRuntime`` is furnished with: a registry's offers, containers' behaviour, terminals."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
import anyio.lowlevel

from appliance.domain.errors import ImageFailure, RuntimeFailure
from appliance.domain.observed import Container, ContainerState, ImageFacts
from appliance.runtime.port import ContainerSpec, PullProgress


@dataclass
class Offer:
    """What the registry has under a reference: facts, or a failure; ``gate`` holds the pull."""

    facts: ImageFacts | None = None
    failure: ImageFailure | None = None
    steps: Sequence[PullProgress] = (PullProgress(1, 1),)
    gate: anyio.Event | None = None

    async def download(self, on_progress: Callable[[PullProgress], None]) -> None:
        """As far as it comes."""
        if self.failure:
            raise self.failure
        for step in self.steps:
            on_progress(step)
            await anyio.lowlevel.checkpoint()
        if self.gate:
            await self.gate.wait()


@dataclass
class Behaviour:
    """How containers of an image act. ``exits`` ends them at once; ``refuses`` fails the start."""

    exits: int | None = None
    refuses: RuntimeFailure | None = None
    stubborn: bool = False
    healthy: bool = True
    missing: tuple[str, ...] = ()


class FakeTerminal:
    """Shows what is typed, as every terminal does; ``exit`` ends it."""

    def __init__(self) -> None:
        self.size = (80, 24)
        self.hung_up = False
        self._send, self._shown = anyio.create_memory_object_stream[bytes](math.inf)

    async def receive(self) -> bytes:
        try:
            return await self._shown.receive()
        except anyio.EndOfStream:
            return b""

    async def send(self, data: bytes) -> None:
        if data == b"exit\n":
            self._send.close()
        else:
            self._send.send_nowait(data)

    async def resize(self, columns: int, rows: int) -> None:
        self.size = (columns, rows)

    def hang_up(self) -> None:
        self.hung_up = True
        self._send.close()
        self._shown.close()


@dataclass
class Kept:
    """One container as the fake keeps it."""

    shown: Container
    spec: ContainerSpec


def podmans_word(state: ContainerState) -> str:
    """The state as Podman's list says it: of a lost process it knows nothing."""
    return "running" if state is ContainerState.LOST else state.value
