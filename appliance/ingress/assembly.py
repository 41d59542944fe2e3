"""The front door put together: the real parts, and the door they are handed to."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from appliance.clock import Clock
from appliance.config import Settings
from appliance.engine.activity import Activity
from appliance.engine.addresses import Addresses
from appliance.engine.assembly import Engine
from appliance.engine.views import web_url
from appliance.ingress.certificates import Certificates as OwnCertificates
from appliance.ingress.certificates import Sources, open_certificates
from appliance.ingress.directory import Directory
from appliance.ingress.door import Caps, Door
from appliance.ingress.hall import Hall
from appliance.ingress.hosts import console_host, console_names, hosts_of, machine_name
from appliance.ingress.owned import OwnerFiles
from appliance.ingress.pages import FriendlyPages
from appliance.ingress.seams import Certificates, Gate, NoWaker, OpenGate, Pages, Waker
from appliance.runtime.port import PullProgress


@dataclass(frozen=True, slots=True)
class Doorway:
    """What a door is made from. ``tasks`` outlives every request."""

    domain: str
    https_port: int
    api_socket: Path
    addresses: Addresses
    activity: Activity
    clock: Clock
    gate: Gate
    pages: Pages
    waker: Waker
    certificates: Certificates | None
    caps: Caps
    plain: Sequence[socket.socket]
    tls: Sequence[socket.socket]
    tasks: TaskGroup


def assemble(d: Doorway) -> Door:
    """A door that is still closed; ``run`` opens it."""
    hall = Hall(
        directory=Directory(d.domain, console_names(d.domain), d.addresses),
        activity=d.activity,
        gate=d.gate,
        pages=d.pages,
        waker=d.waker,
        certificates=d.certificates,
        clock=d.clock,
        api_socket=d.api_socket,
        https_port=d.https_port,
        tasks=d.tasks,
    )
    door = Door(hall, d.caps, d.plain, d.tls)
    d.addresses.listen(door.moved)
    return door


@dataclass(frozen=True, slots=True)
class Site:
    """Where the front door stands. ``plain`` and ``tls`` are its listening sockets."""

    settings: Settings
    engine: Engine
    clock: Clock
    plain: Sequence[socket.socket]
    tls: Sequence[socket.socket]
    tasks: TaskGroup


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """The door and all that keeps it up."""

    door: Door
    certificates: OwnCertificates

    async def run(self, stopping: anyio.Event, grace_s: float) -> None:
        """Serves until ``stopping``; then requests under way get ``grace_s``."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.certificates.run)
            await self.door.run(stopping, grace_s)
            tasks.cancel_scope.cancel()


def front_door(site: Site) -> FrontDoor:
    """The appliance's front door, still closed.

    Raises:
        OSError, ValueError: the certificates can't be had.
    """
    settings, engine = site.settings, site.engine
    certificates = _certificates(site)
    https_port = int(site.tls[0].getsockname()[1])
    door = assemble(
        Doorway(
            domain=settings.domain,
            https_port=https_port,
            api_socket=settings.api_socket,
            addresses=engine.addresses,
            activity=engine.activity,
            clock=site.clock,
            gate=OpenGate(),
            pages=_pages(engine, console_host(settings.domain), https_port),
            waker=NoWaker(),
            certificates=certificates,
            caps=Caps(settings.max_connections, settings.max_connections_per_address),
            plain=site.plain,
            tls=site.tls,
            tasks=site.tasks,
        )
    )
    return FrontDoor(door, certificates)


def _pages(engine: Engine, console: str, https_port: int) -> FriendlyPages:
    def progress(deployment_id: str) -> PullProgress | None:
        address = engine.addresses.of(deployment_id)
        return None if address is None else engine.pulls.progress(address.image)

    return FriendlyPages(web_url(console, https_port), progress)


def _certificates(site: Site) -> OwnCertificates:
    settings, addresses = site.settings, site.engine.addresses
    cert, domain = settings.tls_cert, settings.domain

    def hosts() -> frozenset[str]:
        return frozenset().union(*(hosts_of(a, domain) for a in addresses.all()))

    sources = Sources(
        folder=settings.tls_dir,
        owner=None if cert is None else OwnerFiles(cert, settings.tls_key or cert),
        console=lambda: console_names(domain),
        hosts=hosts,
    )
    certificates, _ = open_certificates(sources, machine_name(), site.clock)
    addresses.listen(lambda _: certificates.notice())
    return certificates
