"""What every connection of the door shares."""

import asyncio
import ssl
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from appliance.clock import Clock
from appliance.domain.deployment import ON_THE_WAY, Status
from appliance.engine.activity import Activity
from appliance.engine.addresses import Address
from appliance.engine.views import web_url
from appliance.ingress.directory import Console, Deployed, Directory, Place, Unknown
from appliance.ingress.head import Head
from appliance.ingress.seams import Certificates, Gate, Grant, Pages, Reply, Trouble, Waker
from appliance.ingress.upstream import Target

NOT_RUNNING_RETRY_S = 2


class Guest(Protocol):
    """A connection, as the door sees it."""

    @property
    def grant(self) -> Grant | None:
        """What the request under way was let in on, None where nothing was asked for."""

    def leave(self) -> None:
        """Ends when the request under way is answered."""

    def abort(self) -> None:
        """Ends now."""

    def check(self, now_s: float) -> None:
        """Keeps the deadlines."""

    def moved(self, address: Address) -> None:
        """A deployment's address changed."""

    def is_answered_by(self, ports: frozenset[int]) -> bool:
        """Whether a request is under way to one of those loopback ports."""


@dataclass(slots=True)
class Hall:
    """The parts, and who is in.

    ``https_port`` is the one that the world sees. ``now_s`` (the loop's time) and ``boot_us``
    are of the last round of deadlines: near enough for them, and free for every request.
    """

    directory: Directory
    activity: Activity
    gate: Gate
    pages: Pages
    waker: Waker
    certificates: Certificates | None
    clock: Clock
    api_socket: Path
    https_port: int
    tasks: TaskGroup
    guests: set[Guest] = field(default_factory=set)
    by_ip: Counter[str] = field(default_factory=Counter)
    now_s: float = 0.0
    boot_us: int = 0
    emptied: anyio.Event = field(default_factory=anyio.Event)

    def aim(self, place: Place, host: str) -> Target | Trouble:
        """Where a request for ``place``, found by ``host``, goes, or why nowhere."""
        match place:
            case Console():
                return Target(path=self.api_socket)
            case Unknown(below_domain=True):
                return Trouble(404, "unknown_host", "no deployment has this name", host=host)
            case Unknown():
                return Trouble(421, "misdirected", "this machine has another name", host=host)
            case Deployed(address, port):
                return _aim(address, port)

    def redirect(self, head: Head) -> Reply:
        """Plain HTTP from elsewhere goes no further: the same over HTTPS (RFC 9110, 15.4.9)."""
        location = web_url(head.host, self.https_port).encode() + head.target
        return Reply(308, ((b"Location", location),))

    def context(self, *, secure: bool) -> ssl.SSLContext | None:
        """What a listener speaks TLS by; None where it speaks none."""
        return self.certificates.context if secure and self.certificates is not None else None

    def asked_name(self, transport: asyncio.Transport) -> str | None:
        """The host name of the TLS handshake."""
        connection = transport.get_extra_info("ssl_object")
        if connection is None or self.certificates is None:
            return None
        return self.certificates.asked_name(connection)

    def entered(self, guest: Guest) -> None:
        """A connection is open."""
        self.guests.add(guest)

    def left(self, guest: Guest, ip: str) -> None:
        """It is not any more."""
        self.guests.discard(guest)
        self.gave_up(ip)
        if not self.guests:
            self.emptied.set()

    async def empty(self) -> None:
        """Returns when nobody is in."""
        while self.guests:
            self.emptied = anyio.Event()
            await self.emptied.wait()

    def gave_up(self, ip: str) -> None:
        """One connection less from there."""
        self.by_ip[ip] -= 1
        if not self.by_ip[ip]:
            del self.by_ip[ip]


def _aim(address: Address, port: int | None) -> Target | Trouble:
    if address.status is not Status.RUNNING or address.awaited:
        soon = address.awaited or address.status in ON_THE_WAY
        retry = NOT_RUNNING_RETRY_S if soon else None
        message = f"{address.name} is {address.status}"
        return Trouble(503, "not_running", message, address, retry_after_s=retry)
    if address.paused:
        return Trouble(503, "paused", f"{address.name} is paused with Podman", address)
    if port is None:
        return Trouble(404, "no_such_port", f"{address.name} has no such HTTP port", address)
    return Target(port=address.http[port])
