"""Real Podman for tests: a storage, state, network pool and socket of its own, gone afterwards.

``podman_lab`` is one for the whole session; tests keep apart by instance prefix. Nothing here
touches the machine's own Podman, nor another session's.
"""

import io
import os
import random
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from appliance.clock import SystemClock
from appliance.host.welcome import find_busybox
from appliance.runtime.credentials import Credentials
from appliance.runtime.home import PodmanHome
from appliance.runtime.podman import PodmanRuntime, connect
from appliance.runtime.pull import USUAL_DEADLINES, PullDeadlines
from appliance.runtime.spec import MachineLimits
from appliance.runtime.trial import find_runtime
from tests.waiting import PATIENCE_S, eventually

BUSYBOX = "localhost/test/busybox:latest"
NO_USER = "localhost/test/nouser:latest"
APPLETS = (
    "cat chmod chown dd echo env false grep head hostname httpd id kill ls mkdir mv nc ps rm"
    " sed seq sh sleep stat tail timeout touch true wget yes"
)
FOLDERS = {"bin": 0o755, "etc": 0o755, "proc": 0o755, "sys": 0o755, "tmp": 0o1777, "dev": 0o755}
SPARE_PORTS = 8
REMOVAL_TRIES = 20
P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class PodmanLab:
    """One isolated Podman, its service listening at ``url``.

    ``ports`` are free loopback ports on which the service accepts plain HTTP registries.
    """

    home: PodmanHome
    environ: Mapping[str, str]
    limits: MachineLimits
    ports: list[int]
    service: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def socket(self) -> Path:
        return self.home.directory / "lab.sock"

    def podman(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Podman's own command line on the same storage."""
        command = ["podman", *self.home.arguments(), *arguments]
        environment = self.home.environment(self.environ)
        done = subprocess.run(
            command,
            cwd=self.home.directory,
            env=environment,
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, f"podman {arguments}: {done.stderr.decode()}"
        return done.stdout.decode().strip()

    def start_service(self) -> None:
        self.socket.unlink(missing_ok=True)
        self.service = self.spawn(*self.service_command(self.url))
        apart(listening, self.socket)

    def service_command(self, url: str) -> list[str]:
        return ["podman", *self.home.arguments(), "system", "service", "--time=0", url]

    def spawn(self, *command: str) -> "subprocess.Popen[bytes]":
        """A session of its own on this storage, its words in ``lab.log``."""
        with (self.home.directory / "lab.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.home.directory,
                env=self.home.environment(self.environ),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def end_service(self) -> None:
        if self.service is not None:
            self.service.terminate()
            self.service.wait(PATIENCE_S)

    @asynccontextmanager
    async def runtime(
        self,
        prefix: str,
        *,
        credentials: Credentials | None = None,
        deadlines: PullDeadlines = USUAL_DEADLINES,
        url: str | None = None,
    ) -> AsyncIterator[PodmanRuntime]:
        """The adapter on this service; its containers, networks and volumes go with it."""
        runtime = connect(
            url or self.url,
            prefix=prefix,
            limits=self.limits,
            clock=SystemClock(),
            credentials=credentials,
            pull_deadlines=deadlines,
        )
        try:
            yield runtime
        finally:
            await runtime.aclose()
            self.clean(prefix)

    def clean(self, prefix: str) -> None:
        """Removes everything of that instance."""
        names = self.podman("ps", "-a", f"--filter=name=^{prefix}-", "--format={{.Names}}").split()
        if names:
            self.podman("rm", "--force", "--time=0", "--volumes", *names)
        networks = self.podman("network", "ls", "--format={{.Name}}").split()
        for network in (n for n in networks if n.startswith(f"{prefix}-")):
            self.podman("network", "rm", network)
        volumes = self.podman("volume", "ls", "--format={{.Name}}").split()
        for volume in (v for v in volumes if v.startswith(f"{prefix}-")):
            self.podman("volume", "rm", volume)

    def import_image(self, reference: str, *changes: str) -> None:
        """A BusyBox image with these Containerfile lines."""
        lines = [f"--change={change}" for change in changes]
        self.podman("import", *lines, "-", reference, stdin=busybox_archive())


@pytest.fixture(scope="session")
def podman_lab() -> Iterator[PodmanLab]:
    """An isolated Podman with ``BUSYBOX`` and ``NO_USER`` in its storage."""
    if os.geteuid() != 0 or shutil.which("podman") is None:
        pytest.fail("real Podman tests need root and podman: packaging/test.sh brings both")
    top, pool = Path(tempfile.mkdtemp(prefix="nnlab-", dir="/tmp")), random_pool()
    try:
        lab = make_lab(top, pool)
        lab.start_service()
        lab.import_image(BUSYBOX, "EXPOSE 8080", 'CMD ["sleep", "1000"]')
        lab.import_image(NO_USER, "USER nobody-here", 'CMD ["sleep", "1000"]')
        yield lab
        lab.podman("rm", "--all", "--force", "--time=0", "--volumes")
        lab.end_service()
    finally:
        remove_lab(top, pool)


@pytest.fixture
def prefix() -> str:
    """An instance of its own for this test."""
    return new_prefix()


def new_prefix() -> str:
    return f"nt{secrets.token_hex(4)}"


def make_lab(top: Path, pool: IPv4Network) -> PodmanLab:
    """Everything but the service: configuration, limits as found by trial, ports."""
    home = PodmanHome(top / "home", top / "root", pool)
    home.prepare()
    ports = free_ports(SPARE_PORTS)
    registries = top / "registries.conf"
    registries.write_text(
        "unqualified-search-registries = []\n"
        + "".join(f'[[registry]]\nlocation = "127.0.0.1:{p}"\ninsecure = true\n' for p in ports)
    )
    environ = {**os.environ, "CONTAINERS_REGISTRIES_CONF": str(registries)}
    environ.pop("REGISTRY_AUTH_FILE", None)
    trial = apart(find_runtime, home, find_busybox(), environ)
    assert trial.works, trial
    return PodmanLab(home, environ, trial.limits, ports)


def remove_lab(top: Path, pool: IPv4Network) -> None:
    """Unmounts and deletes; Podman's own last clean-ups may mount once more meanwhile."""
    forget_published(pool)
    for _ in range(REMOVAL_TRIES):
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            mount = line.split()[1]
            if mount == str(top) or mount.startswith(f"{top}/"):
                subprocess.run(["umount", mount], check=False, capture_output=True)
        shutil.rmtree(top, ignore_errors=True)
        if not top.exists():
            return
        time.sleep(0.2)
    pytest.fail(f"{top} can't be removed")


def forget_published(pool: IPv4Network) -> None:
    """Removes what Podman left in iptables for containers of ``pool``, as one that is killed does.

    A rule that is left sends a loopback port of somebody else's to nowhere.
    """
    rules = [shlex.split(line) for line in _nat("-S").splitlines()]
    chains = {
        rule[1] for rule in rules
        if rule[0] == "-A" and rule[1].startswith("NETAVARK-") and _of(pool, rule)
    }  # fmt: skip
    for rule in rules:
        if rule[0] == "-A" and (rule[-1] in chains or (rule[1] in chains)):
            _nat("-D", *rule[1:])
    for chain in chains:
        _nat("-X", chain)


def _of(pool: IPv4Network, rule: Sequence[str]) -> bool:
    """Whether a rule names an address of ``pool``, alone, with a mask or with a port."""
    for word in rule:
        with suppress(ValueError):
            if IPv4Address(word.partition("/")[0].partition(":")[0]) in pool:
                return True
    return False


def _nat(*arguments: str) -> str:
    done = subprocess.run(
        ["iptables", "--wait", "--table", "nat", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout


def random_pool() -> IPv4Network:
    """A part of 10/8 that hopefully no other session on this machine has taken."""
    return IPv4Network(f"10.{random.randrange(224, 255)}.{16 * random.randrange(16)}.0/20")  # noqa: S311 - not for secrecy


def freeze(pid: int) -> None:
    """Stops a process (SIGSTOP); returns when none of its threads does anything any more."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + PATIENCE_S
    while not all(_stopped(task) for task in Path(f"/proc/{pid}/task").iterdir()):
        assert time.monotonic() < deadline, f"{pid} does not stop"
        time.sleep(0.001)


def thaw(pid: int) -> None:
    """Lets it go on."""
    os.kill(pid, signal.SIGCONT)


def _stopped(task: Path) -> bool:
    """By its state, the word behind its name in parentheses (proc(5))."""
    return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"


def free_ports(count: int) -> list[int]:
    """Loopback ports nobody listens on, outside the range that connections take theirs from."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 30_000)  # noqa: S311 - not for secrecy
        with socket.socket() as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return found


def apart(function: Callable[P, Awaitable[T]], *args: P.args, **_: P.kwargs) -> T:
    """Runs it on a loop in a thread of its own: a session's fixture may be asked for on a loop."""
    with start_blocking_portal() as portal:
        return portal.call(function, *args)


async def listening(path: Path) -> None:
    """Returns once somebody accepts connections on that unix socket."""

    async def accepts() -> bool:
        try:
            stream = await anyio.connect_unix(path)
        except OSError:
            return False
        await stream.aclose()
        return True

    await eventually(accepts)


def busybox_archive(extra: Sequence[tuple[str, bytes]] = ()) -> bytes:
    """A root filesystem of BusyBox and nothing else; ``extra`` are executables by path."""
    busybox = find_busybox()
    assert busybox is not None
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, mode in FOLDERS.items():
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            archive.addfile(folder)
        users = b"root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n"
        for name, content in (("bin/busybox", busybox.read_bytes()), ("etc/passwd", users), *extra):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
        for applet in APPLETS.split():
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return buffer.getvalue()
