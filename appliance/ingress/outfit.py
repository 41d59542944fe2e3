"""What the door is fitted with, put together: who passes, what is said, certificates, names."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from appliance.auth.accounts import Accounts
from appliance.auth.tickets import Tickets
from appliance.clock import Clock
from appliance.config import Settings
from appliance.engine.addresses import Addresses
from appliance.engine.assembly import Engine
from appliance.engine.endpoints import Front
from appliance.host.names import LOCAL, machine_name
from appliance.ingress.authority import Authority
from appliance.ingress.certificates import Certificates, Sources, open_certificates
from appliance.ingress.gate import AccessGate
from appliance.ingress.hosts import console_names, hosts_of
from appliance.ingress.owned import owner_files
from appliance.ingress.pages import FriendlyPages
from appliance.ingress.raw import RawDoor
from appliance.ingress.visits import Visits

if TYPE_CHECKING:
    from appliance.ingress.lan_names import LanNames


@dataclass(frozen=True, slots=True)
class Site:
    """Where the front door stands. ``plain`` and ``tls`` are its listening sockets.

    ``secret`` is the installation's key; ``tasks`` outlives every request.
    """

    settings: Settings
    clock: Clock
    engine: Engine
    accounts: Accounts
    front: Front
    secret: bytes
    plain: Sequence[socket.socket]
    tls: Sequence[socket.socket]
    tasks: TaskGroup


@dataclass(frozen=True, slots=True)
class Outfit:
    """The door's parts, and ``run``, which keeps them up."""

    gate: AccessGate
    tickets: Tickets
    pages: FriendlyPages
    certificates: Certificates
    authority: Authority
    raw: RawDoor
    lan_names: "LanNames | None"

    async def run(self) -> None:
        """Keeps certificates, published names and raw ports up, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.certificates.run)
            tasks.start_soon(self.raw.run)
            if self.lan_names is not None:
                tasks.start_soon(self.lan_names.run)


def fit_out(site: Site) -> Outfit:
    """Everything that stands beside the relay; the certificates are ready, nothing listens yet.

    Raises:
        OSError: the folder of the certificates can't be used.
        ValueError: the authority's files are not what we wrote.
    """
    engine, settings, front = site.engine, site.settings, site.front
    deployed = partial(_hosts, engine.addresses, front.domain)
    certificates, authority = open_certificates(
        Sources(
            settings.tls_dir, owner_files(settings), partial(console_names, front.domain), deployed
        ),
        machine_name(),
        site.clock,
    )
    lan_names = _lan_names(front, deployed, site)
    pages = FriendlyPages(front.console, engine.pulls.progress)
    raw = RawDoor(
        engine.addresses, engine.raw_ports, engine.activity, site.clock,
        host=settings.listen_tcp, most=settings.max_connections,
    )  # fmt: skip
    engine.drains.count_by(raw.under_way)
    tickets, visits = Tickets(site.clock), Visits(site.secret, site.clock)
    gate = AccessGate(site.accounts, engine.addresses, engine.access_tokens, tickets, visits, pages)
    engine.addresses.listen(lambda _: certificates.notice())
    return Outfit(gate, tickets, pages, certificates, authority, raw, lan_names)


def _hosts(addresses: Addresses, domain: str) -> frozenset[str]:
    return frozenset(host for address in addresses.all() for host in hosts_of(address, domain))


def _lan_names(
    front: Front, deployed: Callable[[], frozenset[str]], site: Site
) -> "LanNames | None":
    """Names of the local network, where the domain is one: else nothing is ever called so."""
    if front.domain.rpartition(".")[2] != LOCAL:
        return None
    # Here and not above: it is 4 MiB of memory that most machines have no use for.
    from appliance.ingress.lan_names import LanNames  # noqa: PLC0415

    names = LanNames(lambda: deployed() | {front.host}, front.https_port, site.clock)
    site.engine.addresses.listen(lambda _: names.notice())
    return names
