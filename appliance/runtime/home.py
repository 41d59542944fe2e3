"""Where a Podman of our own keeps its things, and how it is told so.

Without a root of its own it shares the system's images and containers, and only its configuration
is ours. With one it shares nothing that another Podman on this machine could trip over: storage,
state, locks, volumes, networks, and the OCI runtime's own state directory (measured on 4.3.1:
each of them has to be named).
"""

import json
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from appliance.clock import BOOT_ID_FILE
from appliance.runtime.spec import MachineLimits

SUBNET_PREFIX = 26
EXEC_LINGERS_S = 10
SYSTEMD_RUNS = Path("/run/systemd/system")
NOT_FOR_PODMAN = (
    "CONTAINER_HOST",  # it would make Podman a client
    "CONTAINER_CONNECTION",
    "NOTIFY_SOCKET",  # it would tell our service manager things in our name
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
)


@dataclass(frozen=True, slots=True)
class PodmanHome:
    """The folder with our configuration, and where storage is.

    ``root`` None means the system's own storage. ``pool`` is where every deployment's network
    gets its addresses from.
    """

    directory: Path
    root: Path | None
    pool: IPv4Network

    @property
    def containers_conf(self) -> Path:
        """containers.conf(5) of ours, the only one that Podman reads."""
        return self.directory / "containers.conf"

    @property
    def scratch(self) -> Path:
        """Where layers are copied to while they are fetched."""
        return self.directory / "image-copy"

    def prepare(self) -> None:
        """Makes the folders, empties the scratch, and forgets the state of an earlier boot.

        A killed pull leaves its layers behind. An own root's state lies on a disk, and Podman
        knows a new boot by that state being gone (it is on a tmpfs usually).
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory.chmod(0o700)
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(mode=0o700)
        if self.root is not None:
            self._forget_earlier_boot(self.root)

    def arguments(self) -> list[str]:
        """Podman's global arguments."""
        if self.root is None:
            return []
        return [
            f"--root={self.root / 'storage'}",
            f"--runroot={self.root / 'run'}",
            f"--tmpdir={self.root / 'run' / 'libpod'}",
            f"--volumepath={self.root / 'volumes'}",
            f"--network-config-dir={self.root / 'networks'}",
        ]

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The environment for Podman: what we inherited, and our configuration."""
        kept = {k: v for k, v in inherited.items() if k not in NOT_FOR_PODMAN}
        return kept | {"CONTAINERS_CONF": str(self.containers_conf)}

    def write_conf(self, runtime: str, limits: MachineLimits) -> None:
        """Writes containers.conf for the OCI runtime of that name or path."""
        if self.root is not None:
            runtime = str(self._write_wrapper(self.root, runtime))
        ulimits = [
            f"nofile={limits.nofile}:{limits.nofile}",
            f"nproc={limits.nproc}:{limits.nproc}",
        ]
        engine = {
            "runtime": runtime,
            "events_logger": "file",
            "image_copy_tmp_dir": str(self.scratch),
            "exit_command_delay": EXEC_LINGERS_S,
        }
        if not SYSTEMD_RUNS.is_dir():
            engine["cgroup_manager"] = "cgroupfs"
        if self.root is not None:
            engine["lock_type"] = "file"
        containers = {"log_driver": "k8s-file", "default_ulimits": ulimits}
        text = _table("containers", containers) + _table("engine", engine) + self._network()
        self.containers_conf.write_text(text)

    def _network(self) -> str:
        pool = f'{{base = "{self.pool}", size = {SUBNET_PREFIX}}}'
        return f"[network]\ndefault_subnet_pools = [{pool}]\n"

    def _write_wrapper(self, root: Path, runtime: str) -> Path:
        """The OCI runtime with its state below our root; its own option does not reach cleanup."""
        wrapper = self.directory / Path(runtime).name
        program = shutil.which(runtime) or runtime
        state = root / "run" / "oci"
        wrapper.write_text(
            f'#!/bin/sh\nexec {shlex.quote(program)} --root {shlex.quote(str(state))} "$@"\n'
        )
        wrapper.chmod(0o700)
        return wrapper

    def _forget_earlier_boot(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o711)
        mark, boot = root / "boot-id", BOOT_ID_FILE.read_text()
        if not mark.exists() or mark.read_text() != boot:
            shutil.rmtree(root / "run", ignore_errors=True)
            mark.write_text(boot)


def file_stamp(path: Path) -> str:
    """Says which file this is: its path, size and time; a program that was replaced has another."""
    try:
        status = path.stat()
    except OSError:
        return f"{path} absent"
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def _table(name: str, values: Mapping[str, object]) -> str:
    """A TOML table; JSON's strings, numbers and lists are TOML's too."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, "", ""])
