"""What is right and wrong with this machine: facts are read thinly, and judged purely."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Literal

from appliance.host.firewall import unavailable
from appliance.host.welcome import find_busybox

NETWORK_PROGRAM_PLACES = (Path("/usr/lib/podman"), Path("/usr/libexec/podman"))
PODMAN_FLOOR = (4, 3)
PODMAN_NEEDED = "4.3 or newer is needed (Debian 12, Ubuntu 24.04)"
PODMAN_ADVISED = (4, 9)
SQLITE_MENDED = (3, 51, 3)
GIB = 1024**3
LEAST_FREE_BYTES = 5 * GIB
LEAST_FREE_SHARE = 0.1
CGROUPS = Path("/sys/fs/cgroup")
CGROUP_V1_MEMORY = CGROUPS / "memory"
VERSION_S = 10
MUTE = f"it is there, and does not tell its version in {VERSION_S} s"
NAMED = 10
"""How many containers a finding names; more are counted."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; ``remedy`` says what to do about it, ``why`` what it is good for."""

    name: str
    status: Literal["ok", "warn", "fail", "unknown"]
    detail: str
    remedy: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read of the machine. ``memory_limits``: a cgroup can limit memory here.

    ``podman`` is what it says of itself: None where there is none, empty where it says nothing.
    """

    python: tuple[int, int]
    podman: str | None
    programs: frozenset[str]
    static_busybox: bool
    no_firewall: str | None
    memory_limits: bool
    free_bytes: int | None
    total_bytes: int | None
    data_mode: int | None
    sqlite: str


def examine(
    data_dir: Path, pool: IPv4Network, *, sqlite_version: str, trial: Check | None
) -> list[Check]:
    """Every finding about this machine; ``trial`` is what trying the OCI runtimes has shown."""
    checks = judge(read(data_dir, pool, sqlite_version))
    return checks if trial is None else [*checks, trial]


def judge(facts: Facts) -> list[Check]:
    """The findings that follow from ``facts``."""
    return [
        _python(facts),
        _podman(facts),
        *_programs(facts),
        _busybox(facts),
        _firewall(facts),
        _memory(facts),
        _disk(facts),
        _data_dir(facts),
        _sqlite(facts),
    ]


def judge_strangers(names: Collection[str] | None, podman: str) -> Check:
    """Containers named as this appliance's own of which it knows nothing; None: nobody has looked.

    ``podman`` is the command that reaches them.
    """
    if names is None:
        return Check(
            "containers", "unknown", "only an appliance that runs and reaches Podman knows"
        )
    if not names:
        return Check("containers", "ok", "each one named as ours belongs to a deployment")
    shown = sorted(names)[:NAMED]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return Check(
        "containers",
        "warn",
        f"left alone, for no deployment knows them: {', '.join(shown)}{more}",
        f"restore a backup that knows them, or remove them: {podman} rm --force {' '.join(shown)}",
        "They go on using memory, disk and GPUs. Mostly they are newer than the data restored.",
    )


def read(data_dir: Path, pool: IPv4Network, sqlite_version: str) -> Facts:
    """Looks at the machine."""
    place = next((p for p in (data_dir, *data_dir.parents) if p.exists()), Path("/"))
    usage = shutil.disk_usage(place)
    return Facts(
        python=sys.version_info[:2],
        podman=_podman_version(),
        programs=frozenset(_programs_here()),
        static_busybox=find_busybox() is not None,
        no_firewall=unavailable(pool),
        memory_limits=_memory_limits(),
        free_bytes=usage.free,
        total_bytes=usage.total,
        data_mode=data_dir.stat().st_mode & 0o777 if data_dir.exists() else None,
        sqlite=sqlite_version,
    )


def refuse_old_podman() -> None:
    """One that is not here may come; one that is too old would do other things than we ask.

    Raises:
        ValueError: it is too old.
    """
    found = _podman_version()
    if found and version_of(found) < PODMAN_FLOOR:
        raise ValueError(f"{found}: {PODMAN_NEEDED}")


def version_of(text: str) -> tuple[int, ...]:
    """The numbers of a version: ``podman version 4.3.1`` is (4, 3, 1)."""
    found = re.search(r"\d+(\.\d+)+", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def _python(f: Facts) -> Check:
    text = ".".join(map(str, f.python))
    fine = f.python >= (3, 11)
    return Check("python", "ok" if fine else "fail", text, "" if fine else "install 3.11 or newer")


def _podman(f: Facts) -> Check:
    if f.podman is None:
        return Check("podman", "fail", "not found", "apt-get install podman")
    if not f.podman:
        return Check("podman", "fail", MUTE, "podman --version")
    version = version_of(f.podman)
    if version < PODMAN_FLOOR:
        return Check("podman", "fail", f.podman, PODMAN_NEEDED)
    if version < PODMAN_ADVISED:
        return Check("podman", "warn", f.podman, why="It works; newer ones mend vulnerabilities.")
    return Check("podman", "ok", f.podman)


def _programs(f: Facts) -> Iterator[Check]:
    needs: dict[str, tuple[Literal["warn", "fail"], str]] = {
        "netavark": ("fail", "containers get no network"),
        "aardvark-dns": ("warn", "containers resolve no names"),
        "catatonit": ("warn", "containers have no init: slow to stop, zombies stay"),
    }
    for name, (status, effect) in needs.items():
        if name in f.programs:
            yield Check(name, "ok", "found")
        else:
            yield Check(name, status, f"not found: {effect}", f"apt-get install {name}")


def _busybox(f: Facts) -> Check:
    if f.static_busybox:
        return Check("busybox", "ok", "static")
    detail = "no static one: the welcome template has no image, OCI runtimes can't be tried"
    return Check("busybox", "warn", detail, "apt-get install busybox-static")


def _firewall(f: Facts) -> Check:
    if f.no_firewall is None:
        return Check("firewall", "ok", "containers are kept from this machine's services")
    detail = f"{f.no_firewall}: containers can reach this machine's services"
    return Check("firewall", "warn", detail, "run as root, with nftables installed")


def _memory(f: Facts) -> Check:
    if f.memory_limits:
        return Check("memory limits", "ok", "a cgroup controller is there")
    remedy = "boot with cgroup_enable=memory; without root, with cgroup v2 under systemd"
    return Check("memory limits", "fail", "no memory cgroup: limits would not hold", remedy)


def _disk(f: Facts) -> Check:
    if f.free_bytes is None or not f.total_bytes:
        return Check("disk", "unknown", "could not be read")
    detail = f"{f.free_bytes / GIB:.1f} of {f.total_bytes / GIB:.1f} GiB free"
    short = f.free_bytes < LEAST_FREE_BYTES or f.free_bytes / f.total_bytes < LEAST_FREE_SHARE
    if short:
        return Check("disk", "warn", detail, "images need room: below 5 GiB or 10 % pulls fail")
    return Check("disk", "ok", detail)


def _data_dir(f: Facts) -> Check:
    if f.data_mode is None:
        return Check("data directory", "ok", "not there yet; the first start makes it")
    if f.data_mode & 0o077:
        return Check("data directory", "fail", f"mode {f.data_mode:o}", "chmod 700")
    return Check("data directory", "ok", f"mode {f.data_mode:o}")


def _sqlite(f: Facts) -> Check:
    if version_of(f.sqlite) < SQLITE_MENDED:
        detail = f"{f.sqlite} can damage a database that two write; here only one ever does"
        return Check("sqlite", "ok", detail)
    return Check("sqlite", "ok", f.sqlite)


def _podman_version() -> str | None:
    podman = shutil.which("podman")
    if podman is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - an absolute path and a constant
            [podman, "--version"], capture_output=True, text=True, timeout=VERSION_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _programs_here() -> Iterator[str]:
    for name in ("netavark", "aardvark-dns", "catatonit"):
        beside = any((place / name).exists() for place in NETWORK_PROGRAM_PLACES)
        if beside or shutil.which(name):
            yield name


def can_limit_memory(*, root: bool, v1: bool, controllers: str) -> bool:
    """Whether limits of containers hold; ``controllers`` are those of cgroup v2 that we may use.

    Without root Podman takes no limits on cgroup v1, and says nothing to the API (4.3.1, 5.4.2).
    """
    return (root and v1) or (not v1 and "memory" in controllers.split())


def _memory_limits() -> bool:
    root = os.geteuid() == 0
    try:
        controllers = (CGROUPS / ("" if root else _own_cgroup()) / "cgroup.controllers").read_text()
    except OSError:
        controllers = ""
    return can_limit_memory(root=root, v1=CGROUP_V1_MEMORY.is_dir(), controllers=controllers)


def _own_cgroup() -> str:
    """Our place in cgroup v2 (cgroups(7), /proc/pid/cgroup): what a user has is delegated there."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return next((line[len("0::/") :] for line in lines if line.startswith("0::/")), "")
