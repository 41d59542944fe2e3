"""A TLS server on our certificates that answers one line, and the clients that ask it."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import cast

import anyio
from anyio.abc import TaskGroup

from appliance.clock import SystemClock
from appliance.domain.instant import Instant
from appliance.ingress.authority import Authority
from appliance.ingress.certificates import Certificates, Sources, open_certificates
from appliance.ingress.owned import OwnerFiles
from tests.podman_harness import free_ports

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nyes"
CONSOLE = frozenset({"box.local", "localhost", "127.0.0.1"})


class ShiftedClock(SystemClock):
    """Begins today, as real clients know it, and stands still until a test moves it."""

    def __init__(self) -> None:
        super().__init__()
        self._now = super().now()

    def now(self) -> Instant:
        return self._now

    def move(self, shift: timedelta) -> None:
        boot_us = self._now.boot_us + shift // timedelta(microseconds=1)
        self._now = replace(self._now, wall=self._now.wall + shift, boot_us=boot_us)


@dataclass
class Place:
    """What the certificates depend on, to be changed by a test."""

    folder: Path
    clock: ShiftedClock = field(default_factory=ShiftedClock)
    console: frozenset[str] = CONSOLE
    hosts: frozenset[str] = frozenset({"dep-a.box.local"})
    owner: OwnerFiles | None = None

    def open(self) -> tuple[Certificates, Authority]:
        sources = Sources(self.folder / "tls", self.owner, lambda: self.console, lambda: self.hosts)
        return open_certificates(sources, "attic", self.clock)

    @property
    def ca_file(self) -> Path:
        return self.folder / "tls/ca.crt"


class _Answering(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, asked: list[str | None], certificates: Certificates) -> None:
        self._asked = asked
        self._certificates = certificates

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass
        connection = transport.get_extra_info("ssl_object")
        self._asked.append(self._certificates.asked_name(connection))

    def data_received(self, _data: bytes) -> None:
        self.transport.write(ANSWER)


@dataclass
class Server:
    """Where it listens, and the names it was asked for."""

    port: int
    asked: list[str | None] = field(default_factory=list)


@asynccontextmanager
async def serving(certificates: Certificates) -> AsyncIterator[Server]:
    """Takes the context anew for every handshake, as the front door does."""
    listener = socket.create_server(("127.0.0.1", free_ports(1)[0]))
    listener.setblocking(False)
    server = Server(listener.getsockname()[1])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_accept, listener, certificates, server, tasks)
        yield server
        tasks.cancel_scope.cancel()
    listener.close()


async def _accept(
    listener: socket.socket,
    certificates: Certificates,
    server: Server,
    tasks: TaskGroup,
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        taken, _ = await loop.sock_accept(listener)
        tasks.start_soon(_shake, taken, certificates, server)


async def _shake(taken: socket.socket, certificates: Certificates, server: Server) -> None:
    loop = asyncio.get_running_loop()
    try:
        await loop.connect_accepted_socket(
            lambda: _Answering(server.asked, certificates), taken, ssl=certificates.context
        )
    except OSError:  # a handshake that was refused
        taken.close()


def asked(certificates: Certificates, host: str) -> bool:
    """Whether a handshake for ``host`` gets a certificate, with no socket between."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = context.wrap_bio(to_client, to_server, server_hostname=host)
    server = certificates.context.wrap_bio(to_server, to_client, server_side=True)
    try:
        for side in (client, server, client):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLError:
        return False
    return client.getpeercert(binary_form=True) is not None


def trust(home: Path, ca_file: Path) -> None:
    """Chromium with that home trusts it, as a person says at chrome://certificate-manager."""
    store = home / ".pki/nssdb"
    store.mkdir(parents=True)
    for command in (["-N", "--empty-password"], ["-A", "-n", "ca", "-t", "C,,", "-i", ca_file]):
        subprocess.run(["certutil", "-d", f"sql:{store}", *command], check=True)


async def curl(url: str, port: int, ca: Path, *more: str) -> CompletedProcess[bytes]:
    """Asks ``url`` of our port, whatever its host is called."""
    to = ["--connect-to", f"::127.0.0.1:{port}", "--cacert", str(ca)]
    return await run("curl", "-sS", "--max-time", "10", "--http1.1", *to, *more, url)


async def s_client(port: int, *more: str) -> str:
    """What openssl says of a handshake."""
    where = ["-connect", f"127.0.0.1:{port}"]
    done = await run("openssl", "s_client", *where, *more, "-verify_return_error")
    return (done.stdout + done.stderr).decode()


async def run(*command: str) -> CompletedProcess[bytes]:
    return await anyio.run_process(list(command), check=False, input=b"")
