"""The front door put together: the real parts, and the door they are handed to."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from appliance.clock import Clock
from appliance.engine.activity import Activity
from appliance.engine.addresses import Addresses
from appliance.engine.drains import Drains
from appliance.ingress.directory import Directory
from appliance.ingress.door import Caps, Door
from appliance.ingress.hall import Hall
from appliance.ingress.hosts import console_names
from appliance.ingress.outfit import Outfit, Site, fit_out
from appliance.ingress.seams import Certificates, Gate, NoWaker, Pages, Waker


@dataclass(frozen=True, slots=True)
class Doorway:
    """What a door is made from. ``tasks`` outlives every request."""

    domain: str
    https_port: int
    api_socket: Path
    addresses: Addresses
    drains: Drains
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
    d.drains.count_by(door.under_way)
    return door


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """The door and all that keeps it up."""

    door: Door
    outfit: Outfit

    async def run(self, stopping: anyio.Event, grace_s: float) -> None:
        """Serves until ``stopping``; then requests under way get ``grace_s``."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.outfit.run)
            await self.door.run(stopping, grace_s)
            tasks.cancel_scope.cancel()


def front_door(site: Site) -> FrontDoor:
    """The appliance's front door, still closed.

    Raises:
        OSError, ValueError: the certificates can't be had.
    """
    settings, engine, outfit = site.settings, site.engine, fit_out(site)
    door = assemble(
        Doorway(
            domain=site.front.domain,
            https_port=site.front.https_port,
            api_socket=settings.api_socket,
            addresses=engine.addresses,
            drains=engine.drains,
            activity=engine.activity,
            clock=site.clock,
            gate=outfit.gate,
            pages=outfit.pages,
            waker=NoWaker(),
            certificates=outfit.certificates,
            caps=Caps(settings.max_connections, settings.max_connections_per_address),
            plain=site.plain,
            tls=site.tls,
            tasks=site.tasks,
        )
    )
    return FrontDoor(door, outfit)
