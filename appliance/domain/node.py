"""What a machine is. ``None`` always means that it could not be read; nothing is made up."""

from dataclasses import dataclass
from enum import StrEnum


class DiskType(StrEnum):
    """What the deployments' data lies on."""

    NVME = "nvme"
    SSD = "ssd"
    HDD = "hdd"


@dataclass(frozen=True, slots=True)
class NodeSpecs:
    """The machine's figures: physical cores, memory in MiB, the data's file system in GiB."""

    cpu_model: str | None = None
    cpu_cores: int | None = None
    cpu_threads: int | None = None
    ram_mb: int | None = None
    disk_gb: int | None = None
    disk_type: DiskType | None = None
    network_speed_mbps: int | None = None
    os: str | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """What the machine has left now: processors that idle, memory in MiB, disk in GiB.

    Limits of deployments reserve nothing, so it is what programs leave, not what is promised.
    """

    cpus: float | None = None
    memory_mb: int | None = None
    disk_gb: int | None = None
