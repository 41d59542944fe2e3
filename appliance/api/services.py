"""What the handlers work with; made by the supervisor."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

from appliance.auth.accounts import Accounts
from appliance.auth.audit import Audit
from appliance.auth.setup import Setup
from appliance.auth.tickets import Tickets
from appliance.config import SettingInForce
from appliance.engine.activity import Activity
from appliance.engine.backups import Backups
from appliance.engine.catalogue import Catalogue
from appliance.engine.deployments import Deployments
from appliance.engine.feed import Feed
from appliance.engine.logs import Logs
from appliance.engine.nodes import Nodes
from appliance.engine.pulse import Pulse
from appliance.engine.reports import Reports
from appliance.engine.samples import Samples
from appliance.engine.terminals import Terminals
from appliance.engine.updates import Updates
from appliance.host.doctor import Check
from appliance.runtime.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Trust:
    """The authority's certificate (PEM), its SHA-256, and the host names it may speak for."""

    pem: bytes
    fingerprint: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Services:
    """The rooms behind the API. ``stopping`` is set when streams have to end.

    ``observed`` is the part of ``doctor`` that only a running appliance can tell.
    """

    deployments: Deployments
    updates: Updates
    terminals: Terminals
    samples: Samples
    logs: Logs
    feed: Feed
    nodes: Nodes
    reports: Reports
    catalogue: Catalogue
    pulse: Pulse
    activity: Activity
    accounts: Accounts
    tickets: Tickets
    trust: Trust
    audit: Audit
    setup: Setup
    registries: Credentials
    settings: Sequence[SettingInForce]
    backups: Backups
    doctor: Callable[[], Awaitable[Sequence[Check]]]
    observed: Callable[[], Sequence[Check]]
    stopping: anyio.Event
