"""GPUs with memory in use: of one process, or of whatever runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from appliance.domain.deployment import Process
from appliance.domain.gpu import GpuProcess, GpuReading, Survey
from appliance.domain.observed import Container
from appliance.engine import gpu_watch
from tests.engine.conftest import FakeGpus, a_gpu
from tests.engine.virtual_world import VirtualWorld, owner

PID = 4711
ASLEEP_MB = 500
FREED_AFTER_S = 1.5
"""Drivers give memory back late."""


@dataclass
class OneCard(FakeGpus):
    """One GPU of 24,000 MiB, and the memory of one process on it."""

    used_mb: int = 0

    def survey(self) -> Survey:
        process = GpuProcess(PID, self.used_mb)
        reading = replace(a_gpu(0), vram_used_mb=self.used_mb, processes=(process,))
        return Survey((reading,))

    def lies_in(self, container_id: str | None, patch: pytest.MonkeyPatch) -> None:
        """Whose container that process is in."""
        patch.setattr(gpu_watch, "container_of", lambda pid: container_id if pid == PID else None)


class TrueCards(FakeGpus):
    """Whoever runs on one has its share of the memory there; asleep, next to nothing."""

    def __init__(self, readings: Sequence[GpuReading]) -> None:
        super().__init__(tuple(readings))
        self.shares_mb: dict[str, int] = {}
        """By deployment; who has none has its GPUs alone, and all of their memory."""
        self.asleep_mb: dict[str, int] = {}
        """What it can't give up; who has none here, next to nothing."""
        self.outside_mb = 0
        """What programs have on each that are in no container."""
        self._world: VirtualWorld | None = None
        self._fell_asleep_s: dict[Process, float] = {}

    def belong_to(self, world: VirtualWorld, patch: pytest.MonkeyPatch) -> None:
        """What runs there are the only processes on them."""
        self._world = world
        patch.setattr(gpu_watch, "container_of", self._container_of)

    def sleeps(self, container: Container) -> bool:
        """Whether it has given up its memory, and so serves nobody."""
        return container.process in self._fell_asleep_s

    def fall_asleep(self, container: Container) -> None:
        """It gives its memory up, which the driver has a moment later."""
        assert self._world is not None
        assert container.process is not None
        self._fell_asleep_s.setdefault(container.process, self._world.clock.true_s)

    def wake_up(self, container: Container) -> None:
        """It takes its memory back."""
        assert container.process is not None
        self._fell_asleep_s.pop(container.process, None)

    def survey(self) -> Survey:
        return Survey(tuple(map(self._read, super().survey().readings)))

    def used_mb(self, reading: GpuReading) -> Counter[str]:
        """What each deployment truly has on that card."""
        used: Counter[str] = Counter()
        for container in self._on(reading):
            used[owner(container.name)] += self._has_mb(container, reading)
        return used

    def _read(self, reading: GpuReading) -> GpuReading:
        processes = tuple(
            GpuProcess(container.process.pid, self._has_mb(container, reading))
            for container in self._on(reading)
            if container.process
        )
        outside = GpuProcess(PID, self.outside_mb)
        used_mb = self.used_mb(reading).total() + self.outside_mb
        return replace(reading, vram_used_mb=used_mb, processes=(*processes, outside))

    def _has_mb(self, container: Container, reading: GpuReading) -> int:
        assert self._world is not None
        share_mb = self.shares_mb.get(owner(container.name), reading.gpu.vram_mb or 0)
        asleep_s = self._fell_asleep_s.get(container.process) if container.process else None
        if asleep_s is None or self._world.clock.true_s < asleep_s + FREED_AFTER_S:
            return share_mb
        return self.asleep_mb.get(owner(container.name), ASLEEP_MB)

    def _on(self, reading: GpuReading) -> list[Container]:
        running = [] if self._world is None else self._world.runtime.processes()
        return [container for container in running if reading.device in container.devices]

    def _container_of(self, pid: int) -> str | None:
        running = [] if self._world is None else self._world.runtime.processes()
        return next((c.id for c in running if c.process and c.process.pid == pid), None)
