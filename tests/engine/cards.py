"""GPUs with memory in use: of one process, or of whatever runs."""

from dataclasses import dataclass, replace

import pytest

from appliance.domain.gpu import GpuProcess, Survey
from appliance.engine import gpu_watch
from tests.engine.conftest import FakeGpus, a_gpu

PID = 4711


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
