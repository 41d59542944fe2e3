"""What the handlers work with; made by the supervisor."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import anyio

from appliance.auth.accounts import Accounts
from appliance.auth.tickets import Tickets
from appliance.engine.activity import Activity
from appliance.engine.catalogue import Catalogue
from appliance.engine.deployments import Deployments
from appliance.engine.feed import Feed
from appliance.engine.logs import Logs
from appliance.engine.nodes import Nodes
from appliance.engine.pulse import Pulse


@dataclass(frozen=True, slots=True)
class Trust:
    """The authority's certificate (PEM), its SHA-256, and the host names it may speak for."""

    pem: bytes
    fingerprint: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Services:
    """The rooms behind the API. ``stopping`` is set when streams have to end."""

    deployments: Deployments
    logs: Logs
    feed: Feed
    nodes: Nodes
    catalogue: Catalogue
    pulse: Pulse
    activity: Activity
    accounts: Accounts
    tickets: Tickets
    trust: Trust
    backup: Callable[[], Awaitable[AsyncIterator[bytes]]]
    stopping: anyio.Event
