"""Whose memory lies on a GPU, and whose energy it spent."""

import pytest

from appliance.domain.energy import by_holder, spent_by_gpu, spent_mj
from appliance.domain.gpu import Gpu, GpuProcess, GpuReading
from appliance.domain.gpu_ledger import Hold
from appliance.domain.gpu_memory import GpuMemory, Parting, leaks, memory_of

GPU = Gpu("GPU-a", 0)
LATER_US = 11_000_000
OWNERS = {1: "dep_a", 2: "dep_a", 3: "dep_b"}


def reading(used_mb: int | None, *processes: tuple[int, int | None]) -> GpuReading:
    listed = tuple(GpuProcess(pid, mb) for pid, mb in processes)
    return GpuReading(GPU, vram_used_mb=used_mb, processes=listed)


@pytest.mark.parametrize(
    ("seen", "memory"),
    [
        (reading(900, (1, 200), (2, 9), (3, 100)), GpuMemory({"dep_a": 209, "dep_b": 100}, 0, 591)),
        (reading(900, (1, 200), (77, 400)), GpuMemory({"dep_a": 200}, 400, 300)),
        (reading(900, (1, 200), (77, None)), GpuMemory({"dep_a": 200}, 700, 0)),
        (reading(900, (1, None), (2, 5)), GpuMemory({"dep_a": None}, 0, 895)),
        (reading(None), GpuMemory({}, 0, 0)),
        (reading(100, (1, 200)), GpuMemory({"dep_a": 200}, 0, 0)),
    ],
)  # fmt: skip
def test_memory_belongs_to_the_deployment_of_its_process(
    seen: GpuReading, memory: GpuMemory
) -> None:
    assert memory_of(seen, OWNERS.get) == memory


@pytest.mark.parametrize(
    ("memory", "leaked_mb"),
    [
        (GpuMemory(unexplained_mb=50), None),
        (GpuMemory(unexplained_mb=1050), 1000),
        (GpuMemory(unexplained_mb=9050), 2000),  # the rest is somebody else's
        (GpuMemory(unexplained_mb=60), None),  # the driver's own to and fro
        (GpuMemory({"dep_a": 1500}, unexplained_mb=50), 1500),  # a process that will not die
    ],
)
def test_a_leak_is_what_a_deployment_had_and_did_not_take_along(
    memory: GpuMemory, leaked_mb: int | None
) -> None:
    parting = Parting("dep_a", "GPU-a", 0, had_mb=2000, unexplained_mb=50)
    found = leaks([parting], {"GPU-a": memory}, LATER_US)
    assert found.get(("dep_a", "GPU-a")) == leaked_mb
    assert leaks([parting], {"GPU-a": memory}, 9_000_000) == {}
    assert leaks([parting], {}, LATER_US) == {}


def at(energy_mj: int | None, watts: float | None) -> GpuReading:
    return GpuReading(GPU, energy_mj=energy_mj, power_watts=watts)


def test_energy_is_read_off_the_counter_or_reckoned_from_power() -> None:
    assert spent_mj(at(1000, 1.0), at(6000, 1.0), 5_000_000) == 5000
    assert spent_mj(at(6000, 1.0), at(10, 1.0), 5_000_000) == 0  # the driver was loaded anew
    assert spent_mj(at(None, 100.0), at(None, 200.0), 5_000_000) == 750_000
    assert spent_mj(at(None, 100.0), at(None, 200.0), 3_600_000_000) == 0
    assert spent_mj(at(None, None), at(None, 200.0), 5_000_000) == 0


def test_energy_is_its_holders_and_shared_by_shares() -> None:
    spent = spent_by_gpu([at(0, None)], [at(900, None)], 5_000_000)
    assert spent == {"GPU-a": 900}
    alone = [Hold("dep_a", "GPU-a", exclusive=True)]
    shared = [Hold("dep_a", "GPU-a", False, 2000), Hold("dep_b", "GPU-a", False, 1000)]
    assert by_holder(spent, alone) == {"dep_a": 900}
    assert by_holder(spent, shared) == {"dep_a": 600, "dep_b": 300}
    assert by_holder(spent, []) == {}
