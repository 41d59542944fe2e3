"""Which certificate answers to which host name; kept up with deployments, addresses and time.

That of a deployment is made when its name is first asked for, so that a thousand deployments that
nobody visits cost nothing. A name that is nobody's never gets one.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from appliance.clock import Clock
from appliance.ingress.authority import Authority, load_or_make
from appliance.ingress.leaves import Leaves, server_context
from appliance.ingress.owned import Owned, OwnerCertificate, OwnerFiles

TICK_S = 10.0
"""Between two looks at the owner's files, this machine's addresses and the time."""

CONSOLE = "console"
"""The one certificate for all of the console's names: who comes by address names no host."""

Names = Callable[[], frozenset[str]]


class _Named(ssl.SSLObject):
    """A connection that remembers the host name it was asked for."""

    asked: str | None = None


@dataclass(frozen=True, slots=True)
class _Table:
    """What is served from now on. ``ours`` are the names that may have a certificate of ours."""

    front: ssl.SSLContext
    by_host: dict[str, ssl.SSLContext] = field(default_factory=dict)
    ours: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sources:
    """What certificates are made of: where they are kept, the owner's, and who needs one."""

    folder: Path
    owner: OwnerFiles | None
    console: Names
    hosts: Names


class Certificates:
    """TLS by host name. A name that is none of ours gets no handshake."""

    def __init__(self, sources: Sources, ca: Authority, clock: Clock) -> None:
        self._sources = sources
        self._clock = clock
        self._leaves = Leaves(sources.folder, ca, clock)
        self._owned = None if sources.owner is None else Owned(sources.owner)
        self._news = anyio.Event()
        self._table = _Table(server_context())
        hosts = sources.hosts()
        self._round(hosts)
        self._leaves.sweep(hosts)

    @property
    def context(self) -> ssl.SSLContext:
        """The listener's, as it is to be for the next handshake."""
        return self._table.front

    def asked_name(self, connection: ssl.SSLObject) -> str | None:
        """The host name the client asked for by SNI (lower case), None if it asked for none."""
        return connection.asked if isinstance(connection, _Named) else None

    def notice(self) -> None:
        """Host names came or went."""
        self._news.set()

    async def run(self) -> None:
        """Keeps up, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tick)
            while True:
                await self._news.wait()
                self._news = anyio.Event()
                # Keys are made and files read beside the loop, which has connections to serve.
                await anyio.to_thread.run_sync(self._round, self._sources.hosts())

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            self.notice()

    def _round(self, hosts: frozenset[str]) -> None:
        owner, console = self._look(), self._sources.console()
        own = frozenset(h for h in hosts if owner is None or not owner.covers(h))
        asked_for = own & self._leaves.keys
        self._leaves.keep({CONSOLE: console, **{host: frozenset({host}) for host in asked_for}})
        contexts = self._leaves.contexts
        by_host = {name: contexts[CONSOLE] for name in console if CONSOLE in contexts}
        by_host |= {host: contexts[host] for host in own if host in contexts}
        if owner is not None:
            by_host |= {h: owner.context for h in hosts | console if owner.covers(h)}
        if by_host != self._table.by_host:
            self._table = _Table(self._front(), by_host, own)
        elif own != self._table.ours:
            self._table = replace(self._table, ours=own)

    def _look(self) -> OwnerCertificate | None:
        if self._owned is None:
            return None
        self._owned.look(self._clock.now().wall)
        return self._owned.current

    def _front(self) -> ssl.SSLContext:
        """Begins every handshake; without a name it also ends it, as the console."""
        front = self._leaves.new_context(CONSOLE)
        front.sslobject_class = _Named
        front.sni_callback = self._choose
        return front

    def _choose(
        self, connection: ssl.SSLObject, name: str | None, _front: ssl.SSLContext
    ) -> int | None:
        if name is None:
            return None
        host = name.lower()
        table = self._table
        context = table.by_host.get(host)
        if context is None and host in table.ours:
            context = self._leaves.fetch(host)
        if context is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        table.by_host[host] = connection.context = context
        if isinstance(connection, _Named):
            connection.asked = host
        return None


def open_certificates(
    sources: Sources, machine: str, clock: Clock
) -> tuple[Certificates, Authority]:
    """The certificates, and the authority to trust for those that are ours.

    Raises:
        OSError: the folder can't be used.
        ValueError: the authority's files are not what we wrote.
    """
    sources.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca = load_or_make(sources.folder, sources.console(), machine, clock.now().wall)
    return Certificates(sources, ca, clock), ca
