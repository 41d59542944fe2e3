"""What a pull tells while it runs: lines of the Docker-compatible image create, as progress."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from appliance.runtime.port import PullProgress

STORING_BYTES = 4 * 1024 * 1024
LOOKS_PER_STALL = 4
DONE = frozenset({"Download complete", "Pull complete", "Already exists"})


@dataclass(frozen=True, slots=True)
class PullDeadlines:
    """Seconds for the service to take the order, without any progress, and in all."""

    connect_s: float = 10
    stall_s: float = 60
    total_s: float = 30 * 60


USUAL_DEADLINES = PullDeadlines()


@dataclass(slots=True)
class _Layer:
    done: bool = False
    bytes_done: int = 0
    bytes_total: int | None = None


class Tally:
    """Adds up the lines; ``error`` is the failure's own text, once there was one.

    A failure comes as a line of a successful answer (HTTP 200), so it must be looked for.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self._layers: dict[str, _Layer] = {}

    @property
    def progress(self) -> PullProgress:
        """How far it is, over all layers known so far."""
        layers = self._layers.values()
        sized = [(layer.bytes_done, layer.bytes_total) for layer in layers if layer.bytes_total]
        return PullProgress(
            layers_done=sum(layer.done for layer in layers),
            layers_total=len(layers),
            bytes_done=sum(done for done, _ in sized) if sized else None,
            bytes_total=sum(total or 0 for _, total in sized) if sized else None,
        )

    def add(self, line: Mapping[str, Any]) -> None:
        """Takes one line of the answer."""
        if line.get("error"):
            self.error = str(line["error"])
        elif line.get("id"):
            self._add_layer(self._layers.setdefault(line["id"], _Layer()), line)

    def _add_layer(self, layer: _Layer, line: Mapping[str, Any]) -> None:
        detail = line.get("progressDetail") or {}
        layer.bytes_done = detail.get("current", layer.bytes_done)
        layer.bytes_total = detail.get("total", layer.bytes_total)
        if line.get("status") in DONE:
            layer.done = True
            layer.bytes_done = layer.bytes_total or layer.bytes_done


class StallWatch:
    """Ends a scope once nothing has moved for ``stall_s``; ``stalled`` says that it did.

    Silence is no stall as long as Podman writes: it stores a layer. ``bytes_written`` tells how
    much it has written so far, None where that can't be known.
    """

    def __init__(self, stall_s: float, bytes_written: Callable[[], Awaitable[int | None]]) -> None:
        self.stalled = False
        self._stall_s = stall_s
        self._bytes_written = bytes_written
        self._moved_at = 0.0

    def note(self) -> None:
        """Something moved."""
        self._moved_at = anyio.current_time()

    async def run(self, scope: anyio.CancelScope) -> None:
        """Watches until it is cancelled or has cancelled ``scope``."""
        self.note()
        written = await self._bytes_written()
        while anyio.current_time() < self._moved_at + self._stall_s:
            await anyio.sleep(self._stall_s / LOOKS_PER_STALL)
            before, written = written, await self._bytes_written()
            if before is not None and written is not None and written - before > STORING_BYTES:
                self.note()
        self.stalled = True
        scope.cancel()
