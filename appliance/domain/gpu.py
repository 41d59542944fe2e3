"""What is known of the machine's GPUs. ``None`` always means that it could not be read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU; ``vram_mb`` in MiB.

    ``key`` is the name it keeps over reboots (its uuid, else its PCI address); ``index`` counts
    through the whole machine, NVIDIA's as its driver counts them, then the others.
    """

    key: str
    index: int
    name: str | None = None
    brand: str | None = None
    vram_mb: int | None = None
    cuda_version: str | None = None
    driver_version: str | None = None
    cuda_cores: int | None = None
    tensor_cores: int | None = None
    uuid: str | None = None


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that uses a GPU, and how much of its memory in MiB, where the driver tells."""

    pid: int
    vram_mb: int | None


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One GPU at one moment.

    ``energy_mj`` counts millijoules since the driver was loaded, where it counts them at all.
    ``cdi_names`` are the names a CDI spec may give it, the best first; ``device`` is the first
    that one does, the only way to hand the GPU to a container.
    """

    gpu: Gpu
    vram_used_mb: int | None = None
    utilization_percent: int | None = None
    power_watts: float | None = None
    temperature_c: int | None = None
    energy_mj: int | None = None
    processes: tuple[GpuProcess, ...] = ()
    cdi_names: tuple[str, ...] = ()
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the GPUs' software, why it matters and the command that mends it."""

    code: str
    what: str
    why: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """Every GPU of the machine, and what stands in the way of using them."""

    readings: tuple[GpuReading, ...] = ()
    findings: tuple[Finding, ...] = ()
