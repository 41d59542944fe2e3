"""The shapes of the answers, for the OpenAPI document; tests hold what is served against them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from appliance.api import metrics
from appliance.api.shapes import (
    Answer,
    AuditAnswer,
    AuditVerdictAnswer,
    LinkAnswer,
    LoginAnswer,
    Pagination,
    RegistriesAnswer,
    RegistryAnswer,
    RestoreAnswer,
    SamplesAnswer,
    SettingsAnswer,
    SetupAnswer,
    TicketAnswer,
)
from appliance.domain.deployment import Access, Health, Protocol, RestartPolicy, Status


class FieldProblem(Answer):
    """One wrong field."""

    field: str
    message: str


class Problem(Answer):
    """RFC 9457, with a stable ``code`` and the ``errorId`` that the log repeats."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    error_id: str
    errors: list[FieldProblem] = Field(default_factory=list)


class EndpointAnswer(Answer):
    """Where a port answers."""

    type: str
    url: str
    internal_port: int


class ReasonAnswer(Answer):
    """Why it failed, waits or restarts."""

    code: str
    message: str


class ResourcesAnswer(Answer):
    """Limits; null: the machine's own."""

    cpus: float | None
    memory_mb: int | None
    shm_mb: int | None
    gpus: int | list[str]
    min_vram_mb: int | None
    vram_mb: int | None
    exclusive: bool


class PortAnswer(Answer):
    """A port the container listens on."""

    port: int
    protocol: Protocol
    name: str | None


class HealthCheckAnswer(Answer):
    """An HTTP GET that has to be answered below 400; port null: the first one."""

    path: str
    port: int | None


class VolumeAnswer(Answer):
    """Storage of the deployment's own."""

    name: str
    path: str


class PullAnswer(Answer):
    """How far the download of the image is."""

    layers_done: int
    layers_total: int
    bytes_done: int | None
    bytes_total: int | None


class UpdateAnswer(Answer):
    """An update under way: what serves meanwhile, and whether it was stopped for the new one."""

    serving_image: str
    interrupted: bool


class DeploymentShape(Answer):
    """A deployment; money in cents. ``ports`` null: those the image exposes.

    ``leakedVramMb`` is what it left on GPUs that it does not hold any more.
    """

    id: str
    user_id: str
    node_id: str
    template_id: str | None
    name: str
    status: Status
    endpoints: list[EndpointAnswer]
    env: dict[str, str]
    total_cost: int
    created_at: datetime
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    updated_at: datetime
    image: str
    status_reason: ReasonAnswer | None
    health: Health
    restart_count: int
    exit_code: int | None
    resources: ResourcesAnswer
    ports: list[PortAnswer] | None
    volumes: list[VolumeAnswer]
    command: list[str] | None
    health_check: HealthCheckAnswer | None
    access: Access
    hostname: str | None
    restart_policy: RestartPolicy
    idle_timeout_minutes: float | None
    evictable: bool
    secret_names: list[str]
    actions: list[Literal["start", "stop", "restart", "delete"]]
    hourly_rate_cents: int
    leaked_vram_mb: int
    pull: PullAnswer | None
    update: UpdateAnswer | None


class DeploymentAnswer(Answer):
    """One deployment."""

    deployment: DeploymentShape


class CreatedAnswer(Answer):
    """A new deployment."""

    deployment: DeploymentShape
    estimated_hourly_cost: int


class DeploymentsAnswer(Answer):
    """A page of deployments, newest first."""

    deployments: list[DeploymentShape]
    pagination: Pagination


class SuccessAnswer(Answer):
    """Done."""

    success: Literal[True]
    message: str | None = None


class AccessShape(Answer):
    """Who may reach a deployment; a private one has a token of its own."""

    mode: Access
    token: str | None
    created_at: datetime | None


class AccessAnswer(Answer):
    """Its access."""

    access: AccessShape


class EntryAnswer(Answer):
    """A link that opens a private deployment in a browser, once."""

    url: str
    expires_in_seconds: int


class LogLineAnswer(Answer):
    """One line of a log."""

    timestamp: str
    stream: Literal["stdout", "stderr"]
    message: str


class LogsAnswer(Answer):
    """The last lines, oldest first."""

    logs: list[LogLineAnswer]


class HistoryAnswer(Answer):
    """What happened, oldest first."""

    events: list[dict[str, Any]]


class StatsAnswer(Answer):
    """What it uses now."""

    stats: dict[str, Any]


class NodesAnswer(Answer):
    """The nodes."""

    nodes: list[dict[str, Any]]
    pagination: Pagination


class NodeAnswer(Answer):
    """One node."""

    node: dict[str, Any]


class UsageLineAnswer(Answer):
    """What a user, a deployment or a day used; money in cents, null where it does not apply."""

    user_id: str | None
    email: str | None
    deployment_id: str | None
    name: str | None
    day: str | None
    running_seconds: int
    gpu_seconds: int
    cost: int
    energy_wh: float
    energy_cost: int


class UsageAnswer(Answer):
    """The usage report."""

    start: Annotated[datetime, Field(alias="from")]
    to: datetime
    usage: list[UsageLineAnswer]


class TemplatesAnswer(Answer):
    """The catalogue."""

    templates: list[dict[str, Any]]


class TemplateAnswer(Answer):
    """One template."""

    template: dict[str, Any]


class CheckAnswer(Answer):
    """One finding: what, why it matters, and what mends it."""

    name: str
    status: Literal["ok", "warn", "fail", "unknown"]
    detail: str
    remedy: str
    why: str


class DoctorAnswer(Answer):
    """Every finding about the machine."""

    checks: list[CheckAnswer]


class HealthAnswer(Answer):
    """Whether Podman answers."""

    status: Literal["ok", "degraded"]
    runtime: Literal["ok", "unreachable"]


JSON = "application/json"

ANSWERS: dict[str, tuple[str, type[Answer] | None]] = {
    "create_deployment": (JSON, CreatedAnswer),
    "list_deployments": (JSON, DeploymentsAnswer),
    "get_deployment": (JSON, DeploymentAnswer),
    "update_deployment": (JSON, DeploymentAnswer),
    "start_deployment": (JSON, DeploymentAnswer),
    "stop_deployment": (JSON, DeploymentAnswer),
    "restart_deployment": (JSON, DeploymentAnswer),
    "delete_deployment": (JSON, SuccessAnswer),
    "read_access": (JSON, AccessAnswer),
    "rotate_access": (JSON, AccessAnswer),
    "make_ticket": (JSON, EntryAnswer),
    "get_authority": ("application/x-x509-ca-cert", None),
    "explain_trust": ("text/html", None),
    "read_logs": (JSON, LogsAnswer),
    "read_history": (JSON, HistoryAnswer),
    "read_stats": (JSON, StatsAnswer),
    "read_samples": (JSON, SamplesAnswer),
    "create_terminal": (JSON, TicketAnswer),
    "list_audit": (JSON, AuditAnswer),
    "verify_audit": (JSON, AuditVerdictAnswer),
    "list_settings": (JSON, SettingsAnswer),
    "list_registries": (JSON, RegistriesAnswer),
    "put_registry": (JSON, RegistryAnswer),
    "delete_registry": (JSON, SuccessAnswer),
    "list_nodes": (JSON, NodesAnswer),
    "get_node": (JSON, NodeAnswer),
    "read_usage": (JSON, UsageAnswer),
    "list_templates": (JSON, TemplatesAnswer),
    "get_template": (JSON, TemplateAnswer),
    "read_doctor": (JSON, DoctorAnswer),
    "read_observed": (JSON, DoctorAnswer),
    "health": (JSON, HealthAnswer),
    "login": (JSON, LoginAnswer),
    "change_password": (JSON, SuccessAnswer),
    "setup_state": (JSON, SetupAnswer),
    "set_up": (JSON, LoginAnswer),
    "make_setup_link": (JSON, LinkAnswer),
    "watch_events": ("text/event-stream", None),
    "read_metrics": (metrics.CONTENT_TYPE, None),
    "make_backup": ("application/vnd.sqlite3", None),
    "receive_backup": (JSON, RestoreAnswer),
    "confirm_restore": (JSON, SuccessAnswer),
    "drop_restore": (JSON, SuccessAnswer),
}
"""By handler: the content type of its good answer, and its shape where it is described."""
