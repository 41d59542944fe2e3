"""Every GPU of this machine, and the CDI name by which a container can be given it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.domain.gpu import Finding, GpuReading, Survey
from appliance.host import drm
from appliance.host.cdi import CdiRegistry, read_registry
from appliance.host.nvidia import NO_LIBRARY, NOT_LOADED, has_library

if TYPE_CHECKING:
    from appliance.host.nvml import Nvml

NO_DEVICE = Finding(
    "gpu_without_cdi",
    "No CDI spec names {names}.",
    "Deployments can't be given it.",
    "appliance doctor --fix",
)


class GpuReader:
    """Reads NVML, /sys below ``root`` and the CDI specs in ``cdi_folders``. Calls block."""

    def __init__(self, cdi_folders: Sequence[Path], *, root: Path = Path("/")) -> None:
        self._folders = tuple(cdi_folders)
        self._root = root
        self._nvml: Nvml | None = None
        self._registry = CdiRegistry()

    def survey(self) -> Survey:
        """Every GPU and finding of this moment; never raises."""
        self._registry = read_registry(self._folders)
        nvidia, findings = self._nvidia()
        if not drm.has_nvidia(self._root):  # nobody misses a driver for what is not there
            findings = [f for f in findings if f not in (NO_LIBRARY, NOT_LOADED)]
        found = [*nvidia, *drm.read(self._root, first_index=len(nvidia))]
        readings = tuple(self._with_device(reading) for reading in found)
        return Survey(readings, (*findings, *self._unnamed(readings)))

    def paths(self, device: str) -> tuple[str, ...]:
        """Where in a container the nodes of a CDI device appear; none if nobody knows it."""
        known = self._registry.devices.get(device)
        return () if known is None else known.paths

    def _nvidia(self) -> tuple[list[GpuReading], list[Finding]]:
        if self._nvml is None:
            if not has_library():
                return [], [NO_LIBRARY]
            # Here and not above: it is 2 MiB of memory that a machine without the driver spares.
            from appliance.host.nvml import Nvml  # noqa: PLC0415

            self._nvml = Nvml()
        return self._nvml.read()

    def _with_device(self, reading: GpuReading) -> GpuReading:
        device = next((n for n in reading.cdi_names if n in self._registry.devices), None)
        return replace(reading, device=device)

    def _unnamed(self, readings: Sequence[GpuReading]) -> list[Finding]:
        names = [f"GPU {r.gpu.index}" for r in readings if r.device is None]
        if not names:
            return []
        return [replace(NO_DEVICE, what=NO_DEVICE.what.format(names=", ".join(names)))]
