"""What the handlers work with; made by the supervisor."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

from appliance.auth.accounts import Accounts
from appliance.engine.catalogue import Catalogue
from appliance.engine.deployments import Deployments
from appliance.engine.feed import Feed
from appliance.engine.logs import Logs
from appliance.engine.nodes import Nodes
from appliance.engine.pulse import Pulse
from appliance.engine.reports import Reports
from appliance.host.doctor import Check


@dataclass(frozen=True, slots=True)
class Services:
    """The rooms behind the API. ``stopping`` is set when streams have to end."""

    deployments: Deployments
    logs: Logs
    feed: Feed
    nodes: Nodes
    reports: Reports
    catalogue: Catalogue
    pulse: Pulse
    accounts: Accounts
    backup: Callable[[], Awaitable[AsyncIterator[bytes]]]
    doctor: Callable[[], Awaitable[Sequence[Check]]]
    stopping: anyio.Event
