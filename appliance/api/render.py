"""What the engine shows, in the wire's names and shapes."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from pydantic.alias_generators import to_camel
from pydantic_core import to_json
from starlette.responses import Response

from appliance.auth.accounts import Login
from appliance.auth.tokens import IssuedToken
from appliance.domain.deployment import Deployment, HealthCheck, Port, Resources, Update
from appliance.domain.instant import rfc3339
from appliance.domain.logline import LogLine
from appliance.domain.template import Template
from appliance.engine.activity import Traffic
from appliance.engine.samples import Sample
from appliance.engine.terminals import Ticket
from appliance.engine.views import (
    AccessView,
    Created,
    DeploymentStats,
    DeploymentView,
    FeedItem,
)
from appliance.store.events import Event
from appliance.store.tokens import Token
from appliance.store.users import User

Json = dict[str, Any]
MIB = 1024 * 1024


def json_text(value: Json) -> str:
    """JSON text, compact."""
    return to_json(value).decode()


def text_answer(text: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer of text that is there already."""
    return Response(text, status, headers, media_type="application/json")


def answer(value: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(to_json(value), status, headers, media_type="application/json")


def deployment(view: DeploymentView) -> str:
    """A deployment as the seed shows it, and the fields added to it, as JSON text."""
    pull = "null" if view.pull is None else json_text(camel(asdict(view.pull)))
    fixed = _fixed_part(_Same(view.deployment, view))
    now = f'"totalCost":{view.total_cost_cents},"leakedVramMb":{view.leaked_mb},"pull":{pull}'
    return f"{fixed[:-1]},{now}}}"


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A view told apart by its deployment and its endpoints, in which other tables have a say.

    Rows that are equal share one object, so to compare it by identity is enough, and quick.
    """

    key: Deployment
    view: DeploymentView

    def __hash__(self) -> int:
        return id(self.key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same) or self.key is not other.key:
            return False
        return self.view.endpoints == other.view.endpoints


@lru_cache(maxsize=2048)
def _fixed_part(same: _Same) -> str:
    """What only a new version of the row changes; most of a deployment, and asked for often."""
    view = same.view
    d, spec = view.deployment, view.deployment.wanted_spec
    shown: Json = {
        "id": d.id,
        "userId": d.owner_id,
        "nodeId": d.node_id,
        "templateId": spec.template_id,
        "name": d.name,
        "status": d.shown.value,
        "endpoints": [
            {"type": e.type, "url": e.url, "internalPort": e.internal_port} for e in view.endpoints
        ],
        "env": spec.env,
        "createdAt": rfc3339(d.created_at),
        "image": spec.image,
        "statusReason": d.reason,
        "health": d.health.value,
        "restartCount": d.restart_count,
        "exitCode": d.exit_code,
        "resources": _resources(spec.resources),
        "ports": None if spec.ports is None else [_port(p) for p in spec.ports],
        "volumes": spec.volumes,
        "command": spec.command,
        "healthCheck": _health_check(spec.health),
        "access": spec.access.value,
        "hostname": spec.hostname,
        "restartPolicy": spec.restart_policy.value,
        "idleTimeoutMinutes": spec.idle_timeout_minutes,
        "evictable": spec.evictable,
        "secretNames": spec.secret_names,
        "actions": view.actions,
        "hourlyRateCents": d.wanted_rate_cents,
        "updatedAt": rfc3339(d.updated_at),
        "update": None if d.update is None else _update(d, d.update),
    }
    return json_text(shown | _stamps(d))


def access(view: AccessView) -> Json:
    """Who may reach a deployment; for those who may write it, for it holds the token."""
    made_at = None if view.created_at is None else rfc3339(view.created_at)
    return {"mode": view.access.value, "token": view.token, "createdAt": made_at}


def created(made: Created) -> str:
    """The whole answer to a create; the stored one where the key had been used before."""
    if made.view is None:
        return made.replayed or ""
    cost = made.estimated_hourly_cost_cents
    return f'{{"deployment":{deployment(made.view)},"estimatedHourlyCost":{cost}}}'


def deployments(views: Iterable[DeploymentView], *, number: int, limit: int, total: int) -> str:
    """One page of deployments, as JSON text."""
    pagination = json_text(_pagination(number=number, limit=limit, total=total))
    return f'{{"deployments":[{",".join(map(deployment, views))}],"pagination":{pagination}}}'


def page(key: str, items: list[Json], *, number: int, limit: int, total: int) -> Json:
    """One page of a list."""
    return {key: items, "pagination": _pagination(number=number, limit=limit, total=total)}


def log_line(line: LogLine) -> Json:
    """One line of a log, as the seed shows it."""
    return {"timestamp": line.timestamp, "stream": line.stream, "message": line.message}


def event(e: Event) -> Json:
    """What happened, when and why."""
    return {
        "id": e.seq,
        "deploymentId": e.deployment_id,
        "at": rfc3339(e.at),
        "type": e.type,
        "status": e.status,
        "code": e.code,
        "message": e.message,
        "actorId": e.actor_id,
    }


def feed_item(item: FeedItem) -> str:
    """An event and its deployment as it is now, null once that is gone; JSON text."""
    shown = "null" if item.view is None else deployment(item.view)
    return f'{json_text(event(item.event))[:-1]},"deployment":{shown}}}'


def stats(s: DeploymentStats) -> Json:
    """What a deployment uses now; memory in MiB, the rest in bytes."""
    shown = camel(asdict(s))
    shown["gpus"] = [
        {
            "uuid": use.reading.gpu.uuid,
            "index": use.reading.gpu.index,
            "vramMb": use.used_mb,
            "utilizationPercent": use.reading.utilization_percent,
            "powerWatts": use.reading.power_watts,
        }
        for use in s.gpus
    ]
    limit = shown.pop("memoryLimitBytes")
    shown["memoryMb"] = round(shown.pop("memoryBytes") / MIB, 1)
    shown["memoryLimitMb"] = None if limit is None else round(limit / MIB, 1)
    return shown


def sample(s: Sample) -> Json:
    """One moment of the last hour; memory in MiB."""
    return {
        "at": rfc3339(s.at),
        "cpuPercent": s.cpu_percent,
        "memoryMb": round(s.memory_bytes / MIB, 1),
        "networkRxBytesPerS": s.network_rx_bytes_per_s,
        "networkTxBytesPerS": s.network_tx_bytes_per_s,
        "requestsPerS": s.requests_per_s,
        "failuresPerS": s.failures_per_s,
    }


def traffic(t: Traffic, idle_s: int | None) -> Json:
    """What came through the front door since the appliance started."""
    return {
        "openRequests": t.open_requests,
        "openConnections": t.open_connections,
        "requests": t.requests,
        "bytesIn": t.bytes_in,
        "bytesOut": t.bytes_out,
        "answers": {f"{n}xx": count for n, count in enumerate(t.answers) if n},
        "idleSeconds": idle_s,
    }


def template(t: Template) -> Json:
    """One entry of the catalogue; its parameters stand among its variables."""
    lists = [
        {"name": p.name, "description": p.description, "default": None, "required": False,
         "secret": False}
        for p in t.parameters
    ]  # fmt: skip
    return {
        "id": t.id,
        "name": t.name,
        "description": t.description,
        "category": t.category,
        "image": t.image,
        "command": t.command,
        "ports": [_port(p) for p in t.ports],
        "env": [asdict(v) for v in t.env] + lists,
        "volumes": [asdict(v) for v in t.volumes],
        "resources": _resources(t.resources),
        "gpu": camel(asdict(t.gpu)),
        "health": _health_check(t.health),
        "access": t.access.value,
        "idleTimeoutMinutes": t.idle_timeout_minutes,
    }


def user(u: User) -> Json:
    """A user, without anything that opens a door."""
    return {
        "id": u.id,
        "email": u.email,
        "role": u.role,
        "disabled": u.disabled,
        "createdAt": rfc3339(u.created_at),
    }


def token(t: Token) -> Json:
    """A token, without its secret."""
    return {
        "id": t.id,
        "name": t.name,
        "scope": t.scope,
        "createdAt": rfc3339(t.created_at),
        "expiresAt": rfc3339(t.expires_at),
        "lastUsedAt": None if t.last_used_at is None else rfc3339(t.last_used_at),
    }


def issued(made: IssuedToken) -> Json:
    """A new token, this once with its text."""
    return {"token": made.text, "apiToken": token(made.token)}


def ticket(made: Ticket) -> Json:
    """A new ticket, this once with its text."""
    return {"ticket": made.text, "expiresAt": rfc3339(made.expires_at)}


def login(made: Login) -> Json:
    """The answer to a login."""
    expires = rfc3339(made.expires_at)
    return {"token": made.token, "expiresAt": expires, "user": user(made.user)}


def _pagination(*, number: int, limit: int, total: int) -> Json:
    pages = -(-total // limit)
    return {"page": number, "limit": limit, "total": total, "totalPages": pages}


def _resources(r: Resources) -> Json:
    return camel(asdict(r))


def _update(d: Deployment, u: Update) -> Json:
    """What serves until the new container does."""
    return {"servingImage": d.spec.image, "interrupted": u.handover}


def _stamps(d: Deployment) -> Json:
    stamps = {"startedAt": d.started_at, "stoppedAt": d.stopped_at}
    return {name: rfc3339(moment) for name, moment in stamps.items() if moment is not None}


def _port(p: Port) -> Json:
    return {"port": p.port, "protocol": p.protocol.value, "name": p.name}


def _health_check(h: HealthCheck | None) -> Json | None:
    return None if h is None else {"path": h.path, "port": h.port}


def camel(fields: Json) -> Json:
    """Names as the wire has them."""
    return {to_camel(name): value for name, value in fields.items()}
