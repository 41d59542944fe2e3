"""The figures of the GPU side; ``packaging/test.sh --bench`` prints them."""

import gc
import resource
import time
from pathlib import Path
from statistics import median

import pytest

from appliance.domain.deployment import GpuNeed
from appliance.domain.gpu_ledger import Card, Hold, Waiting, in_turn, settle
from appliance.engine.gpu_watch import SURVEY_EVERY_S
from appliance.host import memory
from appliance.host.gpus import GpuReader
from tests.fake_nvml import FakeGpu, FakeNvml, write_cdi

pytestmark = pytest.mark.bench
GPUS, WAITING = 8, 1000
DECISIONS = 200
SURVEYS = 100


def needs() -> list[GpuNeed]:
    kinds = [
        GpuNeed(1), GpuNeed(2), GpuNeed(8), GpuNeed(1, min_vram_mb=20_000),
        GpuNeed(1, vram_mb=6_000, exclusive=False), GpuNeed(1, named=("3",)),
    ]  # fmt: skip
    return [kinds[n % len(kinds)] for n in range(WAITING)]


@pytest.mark.parametrize("whose", ["others", "lenders"])
@pytest.mark.parametrize("held", [0, GPUS - 1, GPUS])
def test_a_scheduling_decision(held: int, whose: str) -> None:
    """By the wall clock, and by its own thread's time, in a process settled as the appliance is.

    ``lenders``: those who hold the GPUs wait in line themselves, for the rest of what they lent.
    """
    cards = [Card(f"GPU-{n}", n, 24_000) for n in range(GPUS)]
    holder = "dep_h" if whose == "others" else "dep_"
    holds = [Hold(f"{holder}{n}", f"GPU-{n}", exclusive=True) for n in range(held)]
    line = [Waiting(f"dep_{n}", need) for n, need in enumerate(needs())]
    wall_ms, own_ms = [], []
    memory.settle()
    for _ in range(DECISIONS):
        began, own = time.perf_counter(), time.thread_time()
        settle(cards, holds, in_turn(cards, holds, line))
        own_ms.append((time.thread_time() - own) * 1000)
        wall_ms.append((time.perf_counter() - began) * 1000)
    gc.unfreeze()
    print(f"\nscheduling, {GPUS} GPUs ({held} held by {whose}), {WAITING} in line: median "
          f"{median(wall_ms):.2f} ms, worst {max(wall_ms):.2f} ms, "
          f"{max(own_ms):.2f} ms of its own")  # fmt: skip


def test_polling_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeNvml(tmp_path / "state", [FakeGpu(f"GPU-{n}") for n in range(GPUS)])
    fake.save()
    fake.load()
    monkeypatch.setenv("FAKE_NVML", str(fake.file))
    write_cdi(tmp_path / "cdi" / "nvidia.json", [gpu.uuid for gpu in fake.gpus])
    reader = GpuReader([tmp_path / "cdi"], root=tmp_path)
    reader.survey()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(SURVEYS):
        assert len(reader.survey().readings) == GPUS
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent_s = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / SURVEYS
    share = spent_s / SURVEY_EVERY_S
    print(f"\none survey of {GPUS} GPUs: {spent_s * 1000:.2f} ms of CPU, every "
          f"{SURVEY_EVERY_S:.0f} s: {share:.3%} of a core")  # fmt: skip
