"""A machine with NVIDIA GPUs, as its driver's library tells of it: real nvidia-ml-py, fake driver.

The library is compiled from ``native/nvml.c``. It is loaded here under NVML's own name, so that
nvidia-ml-py in this process finds it; another process finds it by ``LD_LIBRARY_PATH``.
"""

import ctypes
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex

from tests.native import shared_library

NAME = "libnvidia-ml.so.1"


@dataclass(frozen=True)
class FakeGpu:
    uuid: str
    vram_mb: int = 24_576
    used_mb: int = 0
    utilization: int = 0
    milliwatts: int = 30_000
    degrees: int = 40
    energy_mj: int = 0
    cores: int = 10_496
    name: str = "NVIDIA GeForce RTX 3090"

    def line(self) -> str:
        return (
            f"gpu {self.uuid} {self.vram_mb} {self.used_mb} {self.utilization} {self.milliwatts} "
            f"{self.degrees} {self.energy_mj} {self.cores} {self.name}"
        )


@dataclass
class FakeNvml:
    """What the library answers; ``save`` makes it so."""

    file: Path
    gpus: list[FakeGpu] = field(default_factory=list)
    processes: list[tuple[str, int, int]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def save(self) -> None:
        """Whole or not at all: the library may read at any moment."""
        text = [g.line() for g in self.gpus]
        text += [f"process {uuid} {pid} {mb}" for uuid, pid, mb in self.processes]
        fresh = self.file.with_suffix(".new")
        fresh.write_text("\n".join([*text, *self.lines, ""]))
        fresh.replace(self.file)

    def change(self, index: int, **changes: int) -> None:
        self.gpus[index] = replace(self.gpus[index], **changes)  # type: ignore[arg-type]
        self.save()

    @property
    def environ(self) -> dict[str, str]:
        """For a process that is to find these GPUs."""
        return self.environ_of(library())

    def environ_of(self, made: Path) -> dict[str, str]:
        return {"LD_LIBRARY_PATH": str(made.parent), "FAKE_NVML": str(self.file)}

    def load(self) -> None:
        """Makes nvidia-ml-py in this process find them."""
        ctypes.CDLL(str(library()), mode=ctypes.RTLD_GLOBAL)
        os.environ["FAKE_NVML"] = str(self.file)


def library(*, old: bool = False) -> Path:
    """The compiled library; ``old``: as of a driver before 510."""
    return shared_library("nvml.c", NAME, *(["-DOLD"] if old else []))


@contextmanager
def gpus_of(folder: Path, count: int) -> Iterator[FakeNvml]:
    """A driver with so many GPUs, each named by a CDI spec while the block lasts."""
    uuids = [f"GPU-{token_hex(8)}" for _ in range(count)]
    file = Path("/var/run/cdi") / f"nntest-{uuids[0]}.json"
    write_cdi(file, uuids)
    made = FakeNvml(folder / "state", [FakeGpu(uuid) for uuid in uuids])
    made.save()
    try:
        yield made
    finally:
        file.unlink()


def write_cdi(file: Path, uuids: Sequence[str], *, kind: str = "nvidia.com/gpu") -> None:
    """A spec that gives harmless device nodes for GPUs: /dev/null and /dev/zero by other names."""
    common = {"deviceNodes": [{"path": "/dev/nvidiactl", "hostPath": "/dev/zero"}]}
    devices = [
        {
            "name": uuid,
            "containerEdits": {
                "deviceNodes": [{"path": f"/dev/nvidia{number}", "hostPath": "/dev/null"}],
                "env": [f"FAKE_GPU_{number}={uuid}"],
            },
        }
        for number, uuid in enumerate(uuids)
    ]
    spec = {"cdiVersion": "0.5.0", "kind": kind, "devices": devices, "containerEdits": common}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(spec))
