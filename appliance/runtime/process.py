"""A container's first process on this machine, read from /proc (proc(5)).

Podman's word is not enough: it calls a container running whose process died together with its
monitor, and it was seen to forget one that lives on.
"""

import os
import re
import signal
import stat
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import anyio

from appliance.domain.deployment import Process

PROC = Path("/proc")
CONTAINER_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
PARENT_FIELD, START_TICKS_FIELD = 4, 22  # counted from 1, as proc(5) does
LOOKS = 20
BETWEEN_LOOKS_S = 0.05
FIELDS_BEFORE_STATE = 2  # pid and (comm); comm may hold spaces and brackets


def read(pid: int) -> Process | None:
    """The process of that number now, None if there is none or it is a zombie.

    Raises:
        OSError: that can't be told now.
    """
    fields = _status(pid)
    if not fields or fields[0] in "ZX":
        return None
    return Process(pid, int(fields[START_TICKS_FIELD - FIELDS_BEFORE_STATE - 1]))


def of_container(pid: int, container_id: str) -> Process | None:
    """The process ``pid`` if it lives in the cgroup of that container, or its monitor started it.

    The number alone could be another's by now; Podman puts the container's id into the cgroup's
    name under every cgroup driver. Without root on cgroup v1 there is no such cgroup.

    Raises:
        OSError: that can't be told now.
    """
    process = read(pid) if pid > 0 else None
    if process is None:
        return None
    cgroups = _told(pid, "cgroup")
    return process if container_id in cgroups or watches(_parent(pid), container_id) else None


def container_of(pid: int) -> str | None:
    """The id of the container that ``pid`` lives in, by its cgroup; None: in none, or gone."""
    try:
        found = CONTAINER_ID.search(_told(pid, "cgroup"))
    except OSError:
        return None
    return found[0] if found else None


def prepared_at(oci_config: str | None) -> datetime | None:
    """When the last run's config.json (``OCIConfigPath``) was written; None if that can't be told.

    Podman writes it anew just before each start (OCI runtime specification, bundle).
    """
    try:
        return datetime.fromtimestamp(Path(oci_config or "").stat().st_mtime, UTC)
    except OSError:
        return None


def missing_devices(first: Process, paths: Iterable[str]) -> tuple[str, ...]:
    """Those of ``paths`` that are no device node as ``first`` sees the file system.

    None where that can't be told: it is not ours to look, or it has ended meanwhile.
    """
    inside = PROC / str(first.pid) / "root"
    missing = tuple(path for path in paths if not _is_device(inside / path.lstrip("/")))
    return missing if missing and _is_there(first) else ()


def _status(pid: int) -> list[str]:
    """What proc(5) tells in ``stat``, from the state on; empty if there is no such process."""
    return _told(pid, "stat").rpartition(")")[2].split()


def _told(pid: int, what: str) -> str:
    """A file of proc(5); empty if there is no such process.

    A process chooses its name, its arguments and the cgroups below its own: they may be any bytes.

    Raises:
        OSError: it can't be read now (no descriptor is left), or not by us (``hidepid``).
    """
    try:
        return (PROC / str(pid) / what).read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _parent(pid: int) -> int:
    fields = _status(pid)
    return int(fields[PARENT_FIELD - FIELDS_BEFORE_STATE - 1]) if fields else 0


def _is_device(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except PermissionError:
        return True
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def watches(pid: int, container_id: str) -> bool:
    """Whether ``pid`` is the monitor of that container: conmon has its id among its arguments."""
    return container_id in _told(pid, "cmdline")


def alive(process: Process) -> bool:
    """Whether that very process still runs; where that can't be told now, it does."""
    return _is_there(process) is not False


def _is_there(process: Process) -> bool | None:
    """None: it can't be told."""
    try:
        return read(process.pid) == process
    except OSError:
        return None


async def end(process: Process) -> bool:
    """Whether it is gone, after a second's wait and SIGKILL if it was not by then."""
    for attempt in range(2 * LOOKS):
        if not alive(process):
            return True
        if attempt == LOOKS:
            kill(process)
        await anyio.sleep(BETWEEN_LOOKS_S)
    return False


def kill(process: Process) -> None:
    """SIGKILL to that very process; one that is gone is success."""
    _send(process, signal.SIGKILL)


def hang_up(process: Process) -> None:
    """SIGHUP to that very process; one that is gone is success."""
    _send(process, signal.SIGHUP)


def _send(process: Process, number: signal.Signals) -> None:
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if _is_there(process):
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
