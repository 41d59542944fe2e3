"""The whole API on one screen."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import BaseModel
from starlette.responses import Response

from appliance.api import accounts, handlers
from appliance.api.call import Call
from appliance.api.models import DeploymentBody
from appliance.api.queries import (
    DeploymentsQuery,
    HistoryQuery,
    LoginBody,
    LogsQuery,
    NodesQuery,
    TokenBody,
    UsageQuery,
    UserBody,
    UserChangeBody,
)
from appliance.domain.permissions import Policy

Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One verb on one path. ``status`` is that of its good answer."""

    method: str
    path: str
    handler: Handler
    policy: Policy
    status: int = 200
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None


READ, WRITE, PUBLIC = Policy.READ, Policy.WRITE, Policy.PUBLIC
ADMIN_READ, ADMIN_WRITE = Policy.ADMIN_READ, Policy.ADMIN_WRITE

# fmt: off
ROUTES = (
    Route("POST", "/deployments", handlers.create_deployment, WRITE, 201, body=DeploymentBody),
    Route("GET", "/deployments", handlers.list_deployments, READ, query=DeploymentsQuery),
    Route("GET", "/deployments/{id}", handlers.get_deployment, READ),
    Route("DELETE", "/deployments/{id}", handlers.delete_deployment, WRITE),
    Route("POST", "/deployments/{id}/start", handlers.start_deployment, WRITE, 202),
    Route("POST", "/deployments/{id}/stop", handlers.stop_deployment, WRITE, 202),
    Route("POST", "/deployments/{id}/restart", handlers.restart_deployment, WRITE, 202),
    Route("GET", "/deployments/{id}/logs", handlers.read_logs, READ, query=LogsQuery),
    Route("GET", "/deployments/{id}/events", handlers.read_history, READ, query=HistoryQuery),
    Route("GET", "/deployments/{id}/stats", handlers.read_stats, READ),
    Route("GET", "/events", handlers.watch_events, READ),
    Route("GET", "/nodes", handlers.list_nodes, READ, query=NodesQuery),
    Route("GET", "/nodes/{id}", handlers.get_node, READ),
    Route("GET", "/usage", handlers.read_usage, READ, query=UsageQuery),
    Route("GET", "/templates", handlers.list_templates, READ),
    Route("GET", "/templates/{id}", handlers.get_template, READ),
    Route("POST", "/auth/login", accounts.login, PUBLIC, body=LoginBody),
    Route("POST", "/auth/logout", accounts.logout, READ),
    Route("GET", "/auth/me", accounts.me, READ),
    Route("GET", "/auth/tokens", accounts.list_tokens, READ),
    Route("POST", "/auth/tokens", accounts.create_token, WRITE, 201, body=TokenBody),
    Route("DELETE", "/auth/tokens/{id}", accounts.revoke_token, WRITE),
    Route("GET", "/users", accounts.list_users, ADMIN_READ),
    Route("POST", "/users", accounts.create_user, ADMIN_WRITE, 201, body=UserBody),
    Route("GET", "/users/{id}", accounts.get_user, ADMIN_READ),
    Route("PATCH", "/users/{id}", accounts.change_user, ADMIN_WRITE, body=UserChangeBody),
    Route("DELETE", "/users/{id}", accounts.delete_user, ADMIN_WRITE),
    Route("GET", "/doctor", handlers.read_doctor, ADMIN_READ),
    Route("GET", "/healthz", handlers.health, PUBLIC),
)
# fmt: on

CONTROL_ROUTES = (*ROUTES, Route("POST", "/backup", handlers.make_backup, ADMIN_WRITE))
"""Those of the control socket: what only somebody on the machine itself may do comes on top."""
