"""NVIDIA's GPUs, read through the driver's own library, NVML.

nvidia-ml-py loads ``libnvidia-ml.so.1`` anew for as long as it is not there, so a driver that is
installed while we run is found at the next reading. What one card or one driver does not answer
is ``None`` in that place and nothing else.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pynvml

from appliance.domain.gpu import Finding, Gpu, GpuProcess, GpuReading
from appliance.host.nvidia import NO_LIBRARY, NOT_LOADED

MIB = 1024**2
KIND = "nvidia.com/gpu"
T = TypeVar("T")

NO_MATCH = Finding(
    "nvidia_mismatch",
    "NVIDIA's library and kernel module are of different versions.",
    "No GPU can be used: a driver update is only half in force.",
    "reboot",
)
KNOWN = {
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: NO_MATCH,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: NOT_LOADED,
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: NO_LIBRARY,
}

PROCESS_LISTS: tuple[tuple[Callable[..., Sequence[Any]], ...], ...] = (
    (
        pynvml.nvmlDeviceGetComputeRunningProcesses_v3,
        pynvml.nvmlDeviceGetComputeRunningProcesses_v2,
    ),
    (
        pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3,
        pynvml.nvmlDeviceGetGraphicsRunningProcesses_v2,
    ),
)
"""By name and version: called without one they raise what is no NVMLError on drivers before 510."""


@dataclass(frozen=True, slots=True)
class Driver:
    """What is the same for all of NVIDIA's GPUs here."""

    version: str | None
    cuda: str | None


class Nvml:
    """The library, kept open between readings: opening it wakes every card, for a second or more.

    After an error it is opened anew, and so finds a driver that was replaced or came back.
    """

    def __init__(self) -> None:
        self._open = False

    def read(self) -> tuple[list[GpuReading], list[Finding]]:
        """Every NVIDIA GPU, and what is wrong; blocks for as long as the driver does."""
        try:
            if not self._open:
                pynvml.nvmlInit()
                self._open = True
            readings, findings = _read_all()
        except pynvml.NVMLError as error:
            readings, findings = [], [_finding(error)]
        if findings and self._open:
            _or_none(pynvml.nvmlShutdown)
            self._open = False
        return readings, findings


def _read_all() -> tuple[list[GpuReading], list[Finding]]:
    readings: list[GpuReading] = []
    findings: list[Finding] = []
    driver = Driver(_or_none(pynvml.nvmlSystemGetDriverVersion), _cuda_version())
    for number in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(number)
            readings.append(_reading(handle, number, driver))
        except pynvml.NVMLError as error:
            findings.append(_card_finding(number, error))
    return readings, findings


def _reading(handle: Any, number: int, driver: Driver) -> GpuReading:  # noqa: ANN401 - NVML's opaque handle
    uuid = pynvml.nvmlDeviceGetUUID(handle)
    memory = _or_none(pynvml.nvmlDeviceGetMemoryInfo, handle)
    rates = _or_none(pynvml.nvmlDeviceGetUtilizationRates, handle)
    milliwatts = _or_none(pynvml.nvmlDeviceGetPowerUsage, handle)
    return GpuReading(
        gpu=Gpu(
            key=uuid,
            index=number,
            name=_or_none(pynvml.nvmlDeviceGetName, handle),
            brand="NVIDIA",
            vram_mb=None if memory is None else memory.total // MIB,
            cuda_version=driver.cuda,
            driver_version=driver.version,
            cuda_cores=_or_none(pynvml.nvmlDeviceGetNumGpuCores, handle),
            uuid=uuid,
        ),
        vram_used_mb=None if memory is None else memory.used // MIB,
        utilization_percent=None if rates is None else rates.gpu,
        power_watts=None if milliwatts is None else milliwatts / 1000,
        temperature_c=_temperature(handle),
        energy_mj=_or_none(pynvml.nvmlDeviceGetTotalEnergyConsumption, handle),
        processes=tuple(_processes(handle)),
        cdi_names=(f"{KIND}={uuid}", f"{KIND}={number}"),
    )


def _temperature(handle: Any) -> int | None:  # noqa: ANN401 - NVML's opaque handle
    return _or_none(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU)


def _processes(handle: Any) -> Iterator[GpuProcess]:  # noqa: ANN401 - NVML's opaque handle
    """Once each: one that draws and computes stands in both of the driver's lists."""
    listed = [p for kind in PROCESS_LISTS for p in _first(kind, handle)]
    for pid, used in {p.pid: p.usedGpuMemory for p in listed}.items():
        yield GpuProcess(pid, None if used is None else used // MIB)


def _first(functions: Sequence[Callable[..., Sequence[Any]]], handle: object) -> Sequence[Any]:
    """The list of the newest function that this driver has."""
    answers = (_or_none(function, handle) for function in functions)
    return next((answer for answer in answers if answer is not None), ())


def _cuda_version() -> str | None:
    """12040 is 12.4 (nvmlSystemGetCudaDriverVersion)."""
    number = _or_none(pynvml.nvmlSystemGetCudaDriverVersion_v2)
    return None if number is None else f"{number // 1000}.{number % 1000 // 10}"


def _or_none(function: Callable[..., T], *arguments: object) -> T | None:
    try:
        return function(*arguments)
    except pynvml.NVMLError:
        return None


def _finding(error: Any) -> Finding:  # noqa: ANN401 - nvidia-ml-py makes its classes at run time
    unknown = Finding(
        "nvidia_error", f"NVML says: {error}.", "No NVIDIA GPU can be used.", "nvidia-smi"
    )
    return KNOWN.get(error.value, unknown)


def _card_finding(number: int, error: Any) -> Finding:  # noqa: ANN401 - as above
    lost = "It can't be used until the machine is rebooted."
    return Finding("nvidia_gpu_lost", f"NVIDIA GPU {number} says: {error}.", lost, "reboot")
