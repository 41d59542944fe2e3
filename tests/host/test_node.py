"""What the machine is, read from trees of /proc and /sys that no single machine has."""

from pathlib import Path

import psutil
import pytest

from appliance.domain.node import DiskType
from appliance.host.mounts import Mount, mount_of, parse_mountinfo
from appliance.host.node import (
    cpu_model,
    default_interface,
    disk_type,
    network_speed_mbps,
    os_name,
    read_room,
    read_specs,
)

DATA = Path("/data/appliance")
ROUTE_HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


def write(file: Path, text: str = "") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def add_disk(root: Path, device: str, path: str, *, rotational: int | None = 0) -> Path:
    """A disk under /sys/devices with its two links; a partition has no queue of its own."""
    folder = root / "sys/devices" / path
    folder.mkdir(parents=True)
    if rotational is None:
        write(folder / "partition", "1\n")
    else:
        write(folder / "queue/rotational", f"{rotational}\n")
    for link in (root / "sys/dev/block" / device, root / "sys/class/block" / folder.name):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder)
    return folder


def stack(device: Path, *below: Path) -> None:
    (device / "slaves").mkdir(exist_ok=True)
    for disk in below:
        (device / "slaves" / disk.name).symlink_to(disk)


def mount(root: Path, device: str, *, kind: str = "ext4", source: str = "/dev/x") -> None:
    lines = f"22 1 0:5 / /proc rw - proc proc rw\n27 1 {device} / / rw - {kind} {source} rw\n"
    write(root / "proc/self/mountinfo", lines)


@pytest.mark.parametrize(
    ("name", "rotational", "kind"),
    [
        ("nvme0n1", 0, DiskType.NVME),
        ("sda", 0, DiskType.SSD),
        ("sda", 1, DiskType.HDD),
        ("mmcblk0", 0, DiskType.SSD),
        ("vda", 0, DiskType.SSD),
        ("vda", 1, None),
    ],
)
def test_a_whole_disk(tmp_path: Path, name: str, rotational: int, kind: DiskType | None) -> None:
    add_disk(tmp_path, "8:0", f"pci0/block/{name}", rotational=rotational)
    mount(tmp_path, "8:0")
    assert disk_type(DATA, tmp_path) is kind


def test_a_partition_is_its_disk(tmp_path: Path) -> None:
    add_disk(tmp_path, "8:0", "pci0/block/sda", rotational=1)
    add_disk(tmp_path, "8:2", "pci0/block/sda/sda2", rotational=None)
    mount(tmp_path, "8:2")
    assert disk_type(DATA, tmp_path) is DiskType.HDD


def test_an_encrypted_volume_on_a_partition_is_its_disk(tmp_path: Path) -> None:
    add_disk(tmp_path, "259:0", "pci0/nvme/nvme0/nvme0n1")
    partition = add_disk(tmp_path, "259:2", "pci0/nvme/nvme0/nvme0n1/nvme0n1p2", rotational=None)
    crypt = add_disk(tmp_path, "254:0", "virtual/block/dm-0")
    volume = add_disk(tmp_path, "254:1", "virtual/block/dm-1")
    stack(crypt, partition)
    stack(volume, crypt)
    mount(tmp_path, "254:1")
    assert disk_type(DATA, tmp_path) is DiskType.NVME


@pytest.mark.parametrize(
    ("second", "kind"), [("sdb", DiskType.HDD), ("vdb", None), ("nvme1n1", DiskType.NVME)]
)
def test_an_array_is_as_slow_as_its_slowest(
    tmp_path: Path, second: str, kind: DiskType | None
) -> None:
    array = add_disk(tmp_path, "9:0", "virtual/block/md0")
    first = add_disk(tmp_path, "259:0", "pci0/nvme0n1")
    stack(array, first, add_disk(tmp_path, "8:16", f"pci0/{second}", rotational=1))
    mount(tmp_path, "9:0")
    assert disk_type(DATA, tmp_path) is kind


def test_a_file_system_without_a_device_number_is_found_by_its_source(tmp_path: Path) -> None:
    add_disk(tmp_path, "254:0", "virtual/block/dm-0", rotational=1)
    (tmp_path / "dev/mapper").mkdir(parents=True)
    write(tmp_path / "dev/dm-0")
    (tmp_path / "dev/mapper/vg-data").symlink_to("../dm-0")
    mount(tmp_path, "0:31", kind="btrfs", source="/dev/mapper/vg-data")
    assert disk_type(DATA, tmp_path) is DiskType.HDD


@pytest.mark.parametrize("source", ["tmpfs", "overlay", "server:/export", "/dev/gone"])
def test_what_lies_on_no_known_disk_is_unknown(tmp_path: Path, source: str) -> None:
    mount(tmp_path, "0:31", source=source)
    assert disk_type(DATA, tmp_path) is None


def test_an_unreadable_machine_has_no_disk_type(tmp_path: Path) -> None:
    assert disk_type(DATA, tmp_path) is None


def test_the_deepest_and_last_mount_holds_a_path() -> None:
    mounts = parse_mountinfo(
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "2 1 8:2 / /srv/my\\040data rw,relatime shared:1 - xfs /dev/sda2 rw\n"
        "3 1 8:3 / /srv/my\\040data rw - xfs /dev/sda3 rw\n"
        "4 1 8:4 / /srv/my rw - xfs /dev/sda4 rw\n"
    )
    found = mount_of(Path("/srv/my data/db"), mounts)
    assert found == Mount("8:3", Path("/srv/my data"), "/dev/sda3")
    assert mount_of(Path("/srv"), mounts) == mounts[0]
    assert mount_of(Path("/srv"), ()) is None


def test_the_default_route_with_the_lowest_metric_wins() -> None:
    rows = (
        "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
        "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        "eth1\t00000000\t0101A8C0\t0002\t0\t0\t1\t00000000\t0\t0\t0\n"
        "eth2\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n"
    )
    assert default_interface(ROUTE_HEAD + rows) == "eth0"
    assert default_interface(ROUTE_HEAD) is None
    assert default_interface("") is None


@pytest.mark.parametrize(("text", "speed"), [("2500\n", 2500), ("-1\n", None), ("", None)])
def test_a_link_without_a_speed_is_unknown(tmp_path: Path, text: str, speed: int | None) -> None:
    row = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
    write(tmp_path / "proc/net/route", ROUTE_HEAD + row)
    write(tmp_path / "sys/class/net/eth0/speed", text)
    assert network_speed_mbps(tmp_path) == speed


def test_no_default_route_has_no_speed(tmp_path: Path) -> None:
    assert network_speed_mbps(tmp_path) is None


@pytest.mark.parametrize(
    ("cpuinfo", "model"),
    [
        ("processor\t: 0\nmodel name\t: AMD Ryzen 9\nmodel\t\t: 33\n", "AMD Ryzen 9"),
        ("processor : 0\nHardware\t: BCM2711\nModel\t: Raspberry Pi 4\n", "Raspberry Pi 4"),
        ("processor\t: 0\nCPU part\t: 0xd0c\n", None),
        ("", None),
    ],
)
def test_the_processors_name(cpuinfo: str, model: str | None) -> None:
    assert cpu_model(cpuinfo) == model


@pytest.mark.parametrize(
    ("os_release", "name"),
    [
        ('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12"\n', "Debian GNU/Linux 12"),
        ("PRETTY_NAME=Alpine\n", "Alpine"),
        ('PRETTY_NAME=""\n', None),
        ("", None),
    ],
)
def test_the_systems_name(os_release: str, name: str | None) -> None:
    assert os_name(os_release) == name


def test_the_system_is_also_read_where_vendors_keep_it(tmp_path: Path) -> None:
    write(tmp_path / "usr/lib/os-release", "PRETTY_NAME=Vendor\n")
    assert read_specs(tmp_path, root=tmp_path).os == "Vendor"


def test_a_machine_that_tells_nothing_is_none_where_psutil_knows_nothing(tmp_path: Path) -> None:
    specs = read_specs(tmp_path / "gone", root=tmp_path)
    unread = (specs.cpu_model, specs.disk_gb, specs.disk_type, specs.network_speed_mbps, specs.os)
    assert unread == (None,) * 5


def test_this_machine(tmp_path: Path) -> None:
    specs = read_specs(tmp_path)
    assert specs.cpu_threads == psutil.cpu_count()
    assert specs.ram_mb == psutil.virtual_memory().total // 1024**2
    assert specs.disk_gb is not None


def test_what_this_machine_has_left_is_part_of_what_it_has(tmp_path: Path) -> None:
    specs, room = read_specs(tmp_path), read_room(tmp_path)
    assert 0 <= (room.cpus or 0) <= (specs.cpu_threads or 0)
    assert 0 < (room.memory_mb or 0) < (specs.ram_mb or 0)
    assert 0 <= (room.disk_gb or 0) <= (specs.disk_gb or 0)
    assert read_room(tmp_path / "gone").disk_gb is None
