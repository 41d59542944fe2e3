"""The whole API on one screen."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import BaseModel
from starlette.responses import Response
from starlette.websockets import WebSocket

from appliance.api import (
    access,
    accounts,
    audit,
    backups,
    handlers,
    machine,
    terminal,
    trust,
    usage,
)
from appliance.api.call import Call
from appliance.api.changes import DeploymentChangeBody
from appliance.api.models import DeploymentBody
from appliance.api.queries import (
    DeploymentsQuery,
    HistoryQuery,
    LoginBody,
    LogsQuery,
    NodesQuery,
    NoQuery,
    PageQuery,
    PasswordBody,
    RegistryBody,
    SamplesQuery,
    SetupBody,
    TicketQuery,
    TokenBody,
    UsageQuery,
    UserBody,
    UserChangeBody,
)
from appliance.api.services import Services
from appliance.domain.permissions import Policy

Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One verb on one path.

    ``status`` is that of its good answer, ``fails`` those of bad ones that no other field implies.
    ``query`` None takes whatever comes, for monitors ask as they like. ``upload`` is the content
    type of a body that is no JSON. ``headers`` are those of the request that it listens to;
    ``located``: its good answer says where the new thing is.
    """

    method: str
    path: str
    handler: Handler
    policy: Policy
    status: int = 200
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = NoQuery
    upload: str | None = None
    fails: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()
    located: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Socket:
    """A WebSocket on a path, opened with a ticket that the route of the same path sells.

    That route's policy is the socket's too: who may not buy a ticket has none.
    """

    path: str
    converse: Callable[[WebSocket, Services], Awaitable[None]]


READ, WRITE, PUBLIC = Policy.READ, Policy.WRITE, Policy.PUBLIC
ADMIN_READ, ADMIN_WRITE = Policy.ADMIN_READ, Policy.ADMIN_WRITE

# fmt: off
ROUTES = (
    Route("POST", "/deployments", handlers.create_deployment, WRITE, 201, body=DeploymentBody,
          headers=("Idempotency-Key",), located=True),
    Route("GET", "/deployments", handlers.list_deployments, READ, query=DeploymentsQuery),
    Route("GET", "/deployments/{id}", handlers.get_deployment, READ),
    Route("PATCH", "/deployments/{id}", handlers.update_deployment, WRITE, 202,
          body=DeploymentChangeBody),
    Route("DELETE", "/deployments/{id}", handlers.delete_deployment, WRITE),
    Route("POST", "/deployments/{id}/start", handlers.start_deployment, WRITE, 202),
    Route("POST", "/deployments/{id}/stop", handlers.stop_deployment, WRITE, 202),
    Route("POST", "/deployments/{id}/restart", handlers.restart_deployment, WRITE, 202),
    Route("GET", "/deployments/{id}/logs", handlers.read_logs, READ, query=LogsQuery,
          headers=("Last-Event-ID",)),
    Route("GET", "/deployments/{id}/events", handlers.read_history, READ, query=HistoryQuery),
    Route("GET", "/deployments/{id}/access", access.read_access, WRITE),
    Route("POST", "/deployments/{id}/access", access.rotate_access, WRITE),
    Route("POST", "/deployments/{id}/ticket", access.make_ticket, READ, 201, query=TicketQuery),
    Route("GET", "/deployments/{id}/stats", handlers.read_stats, READ, fails=(502,)),
    Route("GET", "/deployments/{id}/stats/history", handlers.read_samples, READ,
          query=SamplesQuery),
    Route("POST", "/deployments/{id}/terminal", terminal.create_terminal, WRITE, 201),
    Route("GET", "/events", handlers.watch_events, READ, headers=("Last-Event-ID",)),
    Route("GET", "/nodes", handlers.list_nodes, READ, query=NodesQuery),
    Route("GET", "/nodes/{id}", handlers.get_node, READ),
    Route("GET", "/usage", usage.read_usage, READ, query=UsageQuery),
    Route("GET", "/templates", handlers.list_templates, READ),
    Route("GET", "/templates/{id}", handlers.get_template, READ),
    Route("GET", "/setup", accounts.setup_state, PUBLIC),
    Route("POST", "/setup", accounts.set_up, PUBLIC, 201, body=SetupBody, fails=(403, 404)),
    Route("POST", "/auth/login", accounts.login, PUBLIC, body=LoginBody),
    Route("POST", "/auth/logout", accounts.logout, READ),
    Route("POST", "/auth/password", accounts.change_password, WRITE, body=PasswordBody),
    Route("GET", "/auth/me", accounts.me, READ),
    Route("GET", "/auth/tokens", accounts.list_tokens, READ),
    Route("POST", "/auth/tokens", accounts.create_token, WRITE, 201, body=TokenBody),
    Route("DELETE", "/auth/tokens/{id}", accounts.revoke_token, WRITE),
    Route("GET", "/users", accounts.list_users, ADMIN_READ),
    Route("POST", "/users", accounts.create_user, ADMIN_WRITE, 201, body=UserBody, located=True),
    Route("GET", "/users/{id}", accounts.get_user, ADMIN_READ),
    Route("PATCH", "/users/{id}", accounts.change_user, ADMIN_WRITE, body=UserChangeBody),
    Route("DELETE", "/users/{id}", accounts.delete_user, ADMIN_WRITE),
    Route("GET", "/doctor", handlers.read_doctor, ADMIN_READ),
    Route("GET", "/ca.crt", trust.get_authority, PUBLIC),
    Route("GET", "/trust", trust.explain_trust, PUBLIC),
    Route("GET", "/metrics", handlers.read_metrics, ADMIN_READ),
    Route("GET", "/registries", machine.list_registries, ADMIN_READ),
    Route("PUT", "/registries/{host}", machine.put_registry, ADMIN_WRITE, body=RegistryBody),
    Route("DELETE", "/registries/{host}", machine.delete_registry, ADMIN_WRITE),
    Route("GET", "/audit", audit.list_audit, ADMIN_READ, query=PageQuery),
    Route("GET", "/audit/verify", audit.verify_audit, ADMIN_READ),
    Route("GET", "/settings", machine.list_settings, ADMIN_READ),
    Route("POST", "/backup", backups.make_backup, ADMIN_WRITE),
    Route("POST", "/restore", backups.receive_backup, ADMIN_WRITE, 201, upload=backups.UPLOAD_TYPE,
          located=True),
    Route("POST", "/restore/{id}", backups.confirm_restore, ADMIN_WRITE, 202),
    Route("DELETE", "/restore/{id}", backups.drop_restore, ADMIN_WRITE),
    Route("GET", "/healthz", handlers.health, PUBLIC, query=None),
)
# fmt: on

SOCKETS = (Socket("/deployments/{id}/terminal", terminal.converse),)

CONTROL_ROUTES = (
    *ROUTES,
    Route("POST", "/setup/link", accounts.make_setup_link, ADMIN_WRITE, fails=(404,)),
    Route("GET", "/doctor/observed", handlers.read_observed, ADMIN_READ),
)
"""Those of the control socket: what only somebody on the machine itself may do comes on top."""
