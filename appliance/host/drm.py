"""The GPUs of AMD and Intel, read from /sys; ``root`` stands before every path.

The files are those of the kernel's amdgpu, i915 and xe drivers (docs.kernel.org/gpu); a file that
is not there is ``None``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from appliance.domain.gpu import Gpu, GpuReading

MIB = 1024**2
CARD = "card[0-9]*"
BRANDS = {"0x1002": "AMD", "0x8086": "Intel"}
NVIDIA_VENDOR = "0x10de"


@dataclass(frozen=True, slots=True)
class _Place:
    """A card in the tree: its ``cardN`` and its PCI device."""

    card: Path
    device: Path
    vendor: str

    @property
    def number(self) -> int:
        return int(self.card.name.removeprefix("card"))


def read(root: Path, first_index: int = 0) -> list[GpuReading]:
    """Every GPU of AMD or Intel, in the order of their card numbers."""
    cards = [p for p in _places(root) if p.vendor in BRANDS]
    ordinals: dict[str, int] = {}
    readings = []
    for index, place in enumerate(cards, start=first_index):
        ordinal = ordinals.setdefault(place.vendor, 0)
        ordinals[place.vendor] += 1
        readings.append(_reading(place, index, ordinal, root))
    return readings


def has_nvidia(root: Path) -> bool:
    """Whether an NVIDIA display or 3D controller is on the PCI bus, with or without a driver."""
    for device in _entries(root / "sys/bus/pci/devices"):
        if _text(device / "vendor") == NVIDIA_VENDOR and _text(device / "class")[:4] == "0x03":
            return True
    return False


def _places(root: Path) -> list[_Place]:
    """Connectors (``card0-HDMI-A-1``) lie beside the cards and are none."""
    found = [
        _Place(card, (card / "device").resolve(), _text(card / "device/vendor"))
        for card in (root / "sys/class/drm").glob(CARD)
        if card.name.removeprefix("card").isdecimal()
    ]
    return sorted(found, key=lambda place: place.number)


def _reading(place: _Place, index: int, ordinal: int, root: Path) -> GpuReading:
    device, brand = place.device, BRANDS[place.vendor]
    unique = _text(device / "unique_id")
    microwatts = _sensor(device, "power1_average") or _sensor(device, "power1_input")
    millidegrees = _sensor(device, "temp1_input")
    return GpuReading(
        gpu=Gpu(
            key=f"{brand}-{unique}" if unique else device.name,
            index=index,
            name=_text(device / "product_name") or None,
            brand=brand,
            vram_mb=_vram_mb(place),
            driver_version=_driver_version(device, root),
            uuid=f"{brand}-{unique}" if unique else None,
        ),
        vram_used_mb=_mib(_number(device / "mem_info_vram_used")),
        utilization_percent=_number(device / "gpu_busy_percent"),
        power_watts=None if microwatts is None else microwatts / 1_000_000,
        temperature_c=None if millidegrees is None else millidegrees // 1000,
        cdi_names=_cdi_names(place, ordinal, unique),
    )


def _cdi_names(place: _Place, ordinal: int, unique: str) -> tuple[str, ...]:
    """As the vendors' own generators call them (amd-ctk, intel-cdi-specs-generator)."""
    if place.vendor == "0x1002":
        named = (f"amd.com/gpu={unique}",) if unique else ()
        return (*named, f"amd.com/gpu={ordinal}")
    return (f"intel.com/gpu={place.device.name}", f"intel.com/gpu={place.card.name}")


def _vram_mb(place: _Place) -> int | None:
    """AMD's amount; Intel's local memory, which only its discrete cards have."""
    for file in (place.device / "mem_info_vram_total", place.card / "lmem_total_bytes"):
        if (size := _number(file)) is not None:
            return _mib(size)
    tiles = [_number(f) for f in place.device.glob("tile*/physical_vram_size_bytes")]
    return _mib(sum(t for t in tiles if t is not None)) if any(tiles) else None


def _driver_version(device: Path, root: Path) -> str | None:
    """That of a module from outside the kernel; the kernel's own have none but its version."""
    driver = (device / "driver").resolve().name
    return _text(root / "sys/module" / driver / "version") or None


def _sensor(device: Path, name: str) -> int | None:
    values = (_number(folder / name) for folder in device.glob("hwmon/hwmon*"))
    return next((value for value in values if value is not None), None)


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return


def _mib(size: int | None) -> int | None:
    return None if size is None else size // MIB


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(file: Path) -> int | None:
    text = _text(file)
    try:
        return int(text, 0) if text else None
    except ValueError:
        return None
