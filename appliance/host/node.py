"""Reads what this machine is. ``root`` stands before every path, so tests bring their own tree.

psutil answers what it knows for every architecture; the rest is read from /proc and /sys.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import psutil

from appliance.domain.node import DiskType, NodeSpecs, Room
from appliance.host.mounts import Mount, mount_of, parse_mountinfo

MIB = 1024**2
GIB = 1024**3
CPU_MODEL_KEYS = ("model name", "Model", "Hardware")
ROUTE_UP = 0x1
SLOWEST_FIRST = (DiskType.HDD, DiskType.SSD, DiskType.NVME)


def read_specs(data_dir: Path, *, root: Path = Path("/")) -> NodeSpecs:
    """This machine's figures; the disk is the one that ``data_dir`` lies on."""
    return NodeSpecs(
        cpu_model=cpu_model(_text(root / "proc/cpuinfo")),
        cpu_cores=psutil.cpu_count(logical=False),
        cpu_threads=psutil.cpu_count(),
        ram_mb=psutil.virtual_memory().total // MIB,
        disk_gb=_disk(data_dir, "total"),
        disk_type=disk_type(data_dir, root),
        network_speed_mbps=network_speed_mbps(root),
        os=os_name(_text(root / "etc/os-release") or _text(root / "usr/lib/os-release")),
    )


def read_room(data_dir: Path) -> Room:
    """What is left; blocks for as long as the file system of ``data_dir`` takes to answer.

    Processors by the load of the last minute (proc(5), ``/proc/loadavg``); memory is what can be
    given without swapping (``MemAvailable``); disk is what users but root may still write.
    """
    threads = psutil.cpu_count()
    idle = None if threads is None else round(max(0.0, threads - os.getloadavg()[0]), 1)
    return Room(idle, psutil.virtual_memory().available // MIB, _disk(data_dir, "free"))


def cpu_model(cpuinfo: str) -> str | None:
    """The processor's name; x86 and ARM boards write it under different keys."""
    pairs = [line.partition(":") for line in cpuinfo.splitlines()]
    named = {key.strip(): value.strip() for key, _, value in pairs}
    return next((named[key] for key in CPU_MODEL_KEYS if named.get(key)), None)


def os_name(os_release: str) -> str | None:
    """PRETTY_NAME of os-release(5)."""
    for line in os_release.splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip().strip("\"'") or None
    return None


def network_speed_mbps(root: Path) -> int | None:
    """The link speed of the interface that the default route leaves by.

    Wireless and most virtual interfaces know none.
    """
    interface = default_interface(_text(root / "proc/net/route"))
    speed = _number(root / "sys/class/net" / interface / "speed") if interface else None
    return speed if speed and speed > 0 else None


def default_interface(route: str) -> str | None:
    """The interface of the default route with the lowest metric, of /proc/net/route."""
    rows = [line.split() for line in route.splitlines()[1:]]
    default = [
        (int(row[6]), row[0])
        for row in rows
        if len(row) > 7 and row[1] == row[7] == "00000000" and int(row[3], 16) & ROUTE_UP  # noqa: PLR2004 -- the columns up to the mask
    ]
    return min(default)[1] if default else None


def disk_type(path: Path, root: Path) -> DiskType | None:
    """What ``path`` lies on, through partitions, device mapper and RAID; of several the slowest."""
    mounts = parse_mountinfo(_text(root / "proc/self/mountinfo"))
    mount = mount_of(path.resolve(), mounts)
    device = _device(mount, root) if mount else None
    return _type_of(device) if device else None


def _device(mount: Mount, root: Path) -> Path | None:
    """The device's folder in /sys. File systems like btrfs have no device number of their own."""
    if not mount.device.startswith("0:"):
        found = root / "sys/dev/block" / mount.device
    elif mount.source.startswith("/dev/"):
        found = root / "sys/class/block" / (root / mount.source[1:]).resolve().name
    else:
        return None
    return found.resolve() if found.exists() else None


def _type_of(device: Path) -> DiskType | None:
    if slaves := _entries(device / "slaves"):
        return _slowest(_type_of(slave.resolve()) for slave in slaves)
    disk = device.parent if (device / "partition").exists() else device
    rotational = _number(disk / "queue/rotational")
    if disk.name.startswith("nvme"):
        return DiskType.NVME
    if rotational is None or (rotational and disk.name.startswith(("vd", "xvd"))):
        return None  # a virtual disk of these kinds always claims to rotate
    return DiskType.HDD if rotational else DiskType.SSD


def _slowest(types: Iterable[DiskType | None]) -> DiskType | None:
    known = list(types)
    return None if None in known else next((t for t in SLOWEST_FIRST if t in known), None)


def _disk(path: Path, which: Literal["total", "free"]) -> int | None:
    try:
        return int(getattr(shutil.disk_usage(path), which)) // GIB
    except OSError:
        return None


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _number(file: Path) -> int | None:
    text = _text(file).strip()
    return int(text) if text.lstrip("-").isdecimal() else None
