"""The door put together."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anyio.abc import TaskGroup

from appliance.clock import Clock
from appliance.engine.activity import Activity
from appliance.engine.addresses import Addresses
from appliance.ingress.directory import Directory, machine_names
from appliance.ingress.door import Caps, Door
from appliance.ingress.hall import Hall
from appliance.ingress.seams import Certificates, Gate, Pages, Waker


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
        directory=Directory(d.domain, machine_names(), d.addresses),
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
