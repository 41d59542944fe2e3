"""A door of its own for a test: real sockets, backends that a test speaks for."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from appliance.clock import SystemClock
from appliance.config.parse import Address as Listen
from appliance.domain.deployment import (
    Access,
    Deployment,
    Desired,
    Health,
    Spec,
    Status,
)
from appliance.engine.activity import Activity
from appliance.engine.addresses import Addresses
from appliance.engine.drains import Drains
from appliance.ingress.assembly import Doorway, assemble
from appliance.ingress.door import Caps, Door
from appliance.ingress.head import Head
from appliance.ingress.seams import Certificates, Gate, Reply, Trouble, Waker
from appliance.listeners import tcp
from tests.ingress.stand_ins import NoWaker, OpenGate, PlainPages
from tests.podman_harness import free_ports
from tests.waiting import PATIENCE_S

GRACE_S = 0.2
DRAIN_S = 30
ROOT = Path(__file__).parents[2]
DOMAIN = "box.test"
WALL = datetime(2026, 1, 1, tzinfo=UTC)
ROW = Deployment(
    id="dep_a", owner_id="user_1", node_id="node_1", name="app",
    spec=Spec(image="docker.io/library/app:latest"), secrets=None, rate_cents=0,
    desired=Desired.RUNNING, intent=1, restart_intent=0, version=1, status=Status.RUNNING,
    shown=Status.RUNNING, observed_intent=1, started_intent=1, generation=1, reason=None,
    health=Health.UNKNOWN, failures=0, restart_count=0, exit_code=None, handled_run_us=None,
    container_id=None, process=None, log_path=None, published={}, boot_id="boot",
    since_boot_us=0, retry_boot_us=None, created_at=WALL, updated_at=WALL,
    started_at=None, stopped_at=None,
)  # fmt: skip
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@dataclass
class Talk:
    """A backend's side of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    backend: "Backend"

    async def head(self) -> bytes:
        raw = await self.reader.readuntil(b"\r\n\r\n")
        self.backend.heads.append(raw)
        return raw

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


Handler = Callable[[Talk], Awaitable[None]]


@dataclass
class Backend:
    """A server on loopback (or, with ``path``, on a unix socket); remembers what it was sent."""

    port: int = 0
    server: asyncio.Server | None = None
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)

    def names(self) -> dict[bytes, bytes]:
        """The fields of the last head it got, by name in lower case."""
        lines = self.heads[-1].split(b"\r\n")[1:-2]
        return {k.lower(): v for k, _, v in (line.partition(b": ") for line in lines)}

    async def close(self) -> None:
        if self.server is not None:
            self.server.close()


class Told(PlainPages):
    """Remembers what it was asked to say."""

    def __init__(self) -> None:
        self.troubles: list[Trouble] = []

    def tell(self, trouble: Trouble, head: Head | None) -> Reply:
        self.troubles.append(trouble)
        return super().tell(trouble, head)


@dataclass
class Lab:
    """An open door. ``api`` stands where the API does."""

    addresses: Addresses
    drains: Drains
    activity: Activity
    tasks: TaskGroup
    port: int
    https_port: int
    api: Backend
    told: list[Trouble]
    version: int = 1
    backends: list[Backend] = field(default_factory=list)
    clients: list["Client"] = field(default_factory=list)

    async def backend(self, handler: Handler | None = None) -> Backend:
        made = Backend()
        await _serve(made, handler or hello, None)
        self.backends.append(made)
        return made

    async def deploy(self, id_: str, handler: Handler | None = None) -> Backend:
        """A running deployment ``dep_<id_>`` whose port 80 is a new backend."""
        backend = await self.backend(handler)
        self.write(f"dep_{id_}", {80: backend.port})
        return backend

    def write(
        self,
        id_: str,
        published: dict[int, int],
        *,
        status: Status = Status.RUNNING,
        access: Access = Access.PUBLIC,
        hostname: str | None = None,
        desired: Desired = Desired.RUNNING,
        idle_timeout_minutes: float | None = None,
        generation: int = 1,
        owner_id: str = ROW.owner_id,
        paths: tuple[str, ...] | None = None,
    ) -> None:
        """A row of the table was written."""
        self.version += 1
        spec = replace(
            ROW.spec, access=access, hostname=hostname,
            idle_timeout_minutes=idle_timeout_minutes, paths=paths,
        )  # fmt: skip
        row = replace(
            ROW, id=id_, spec=spec, published=published, status=status, shown=status,
            version=self.version, desired=desired, generation=generation,
            owner_id=owner_id,
        )  # fmt: skip
        self.addresses.written(row)

    async def talk(self, data: bytes) -> bytes:
        """Sends ``data`` and reads until the door closes."""
        client = await self.client()
        await client.send(data)
        return await client.rest()

    async def client(
        self, *, tls: ssl.SSLContext | None = None, name: str | None = None,
        source: str = "127.0.0.1",
    ) -> "Client":  # fmt: skip
        port = self.port if tls is None else self.https_port
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls, server_hostname=name, local_addr=(source, 0)
        )
        self.clients.append(Client(reader, writer))
        return self.clients[-1]


@dataclass
class Client:
    """A raw client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        with anyio.fail_after(5):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def read(self, count: int) -> bytes:
        with anyio.fail_after(5):
            return await self.reader.readexactly(count)

    async def rest(self) -> bytes:
        with anyio.fail_after(PATIENCE_S):
            return await self.reader.read(-1)

    async def answer(self) -> tuple[int, bytes]:
        """An answer with a Content-Length: its status and its body."""
        head = await self.head()
        [line] = [x for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:")]
        return int(head[9:12]), await self.read(int(line.split(b":")[1]))

    def close(self) -> None:
        self.writer.close()


def get(host: str = f"dep-a.{DOMAIN}", path: str = "/", *fields: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *fields, "", ""]
    return "\r\n".join(lines).encode()


async def hello(talk: Talk) -> None:
    """Answers every request without a body."""
    while True:
        await talk.head()
        await talk.say(HELLO)


@asynccontextmanager
async def door(
    folder: Path,
    *,
    gate: Gate | None = None,
    waker: Waker | None = None,
    certificates: Certificates | None = None,
    caps: Caps = Caps(1000, 1000),  # noqa: B008 - frozen
    listen: str = "127.0.0.1",
) -> AsyncIterator[Lab]:
    """An open door with an API that says hello."""
    stopping = anyio.Event()
    plain, tls = (tcp(Listen(listen, port)) for port in free_ports(2))
    api = Backend()
    await _serve(api, hello, folder / "api.sock")
    pages = Told()
    addresses, activity = Addresses(), Activity(SystemClock())
    drains = Drains(SystemClock(), addresses, DRAIN_S)
    async with anyio.create_task_group() as tasks:
        opened = assemble(
            Doorway(
                domain=DOMAIN, https_port=tls.getsockname()[1], api_socket=folder / "api.sock",
                addresses=addresses, drains=drains, activity=activity, clock=SystemClock(),
                gate=gate or OpenGate(), pages=pages, waker=waker or NoWaker(),
                certificates=certificates, caps=caps, plain=[plain], tls=[tls], tasks=tasks,
            )
        )  # fmt: skip
        ports = plain.getsockname()[1], tls.getsockname()[1]
        tasks.start_soon(_run, opened, stopping, tasks.cancel_scope)
        lab = Lab(addresses, drains, activity, tasks, *ports, api, pages.troubles)
        yield lab
        for client in lab.clients:
            client.close()
        for backend in (api, *lab.backends):
            await backend.close()
        stopping.set()


async def _run(opened: Door, stopping: anyio.Event, scope: anyio.CancelScope) -> None:
    await opened.run(stopping, GRACE_S)
    await anyio.lowlevel.checkpoint()
    scope.cancel()


async def _serve(backend: Backend, handler: Handler, path: Path | None) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        backend.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await handler(Talk(reader, writer, backend))
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    if path is None:
        [backend.port] = free_ports(1)
        backend.server = await asyncio.start_server(handle, "127.0.0.1", backend.port)
    else:
        backend.server = await asyncio.start_unix_server(handle, str(path))
