"""What the engine shows: deployments with all that is derived at the moment of reading."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from appliance.domain.deployment import Access, Deployment
from appliance.domain.gpu import GpuReading
from appliance.domain.node import NodeSpecs, Room
from appliance.runtime.port import PullProgress
from appliance.store.events import Event


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a port of a running deployment answers; ``type`` is ``http``, ``https`` or ``tcp``."""

    type: str
    url: str
    internal_port: int


HTTPS_PORT = 443


def web_url(host: str, port: int) -> str:
    """An HTTPS URL; the usual port is not written down."""
    return f"https://{host}" if port == HTTPS_PORT else f"https://{host}:{port}"


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """A deployment as a caller sees it. ``actions`` are the verbs that are legal now.

    ``leaked_mb``: GPU memory, in MiB, that it held and that did not come back.
    """

    deployment: Deployment
    total_cost_cents: int
    endpoints: tuple[Endpoint, ...]
    actions: tuple[str, ...]
    pull: PullProgress | None
    leaked_mb: int = 0


@dataclass(frozen=True, slots=True)
class Created:
    """A new deployment; ``replayed`` is the stored answer where the key had been used before."""

    view: DeploymentView | None
    estimated_hourly_cost_cents: int
    replayed: str | None = None


@dataclass(frozen=True, slots=True)
class GpuUse:
    """A GPU that a deployment holds, and the memory (MiB) its processes have there."""

    reading: GpuReading
    used_mb: int | None


@dataclass(frozen=True, slots=True)
class AccessView:
    """Who may reach a deployment; the token and when it was made, where it has one."""

    access: Access
    token: str | None
    created_at: datetime | None

    def __repr__(self) -> str:
        return f"AccessView(access={self.access.value!r}, token='***')"


@dataclass(frozen=True, slots=True)
class DeploymentStats:
    """What a running deployment uses now. ``cpu_percent``: 100 is one core. None: unknown."""

    cpu_percent: float | None
    memory_bytes: int
    memory_limit_bytes: int | None
    network_rx_bytes: int | None
    network_tx_bytes: int | None
    block_read_bytes: int | None
    block_write_bytes: int | None
    pids: int | None
    uptime_s: int
    gpus: tuple[GpuUse, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedItem:
    """A change, and the deployment after it; ``view`` None: it is gone."""

    event: Event
    view: DeploymentView | None


@dataclass(frozen=True, slots=True)
class GpuHolder:
    """Who holds a GPU, memory in MiB: ``share_mb`` as declared, ``used_mb`` as measured."""

    deployment_id: str
    owner_id: str
    exclusive: bool
    share_mb: int | None
    used_mb: int | None


@dataclass(frozen=True, slots=True)
class GpuView:
    """A GPU as last seen, who holds it, and the memory (MiB) that no holder answers for.

    ``foreign_mb`` is other programs'; ``leaked`` by deployments that are gone from it.
    """

    reading: GpuReading
    holders: tuple[GpuHolder, ...]
    foreign_mb: int
    leaked: Mapping[str, int]

    @property
    def free(self) -> bool:
        """Whether a deployment could have it now: nobody holds it, and a CDI spec names it."""
        return self.reading.device is not None and not self.holders


@dataclass(frozen=True, slots=True)
class NodeView:
    """This machine as the only node."""

    id: str
    operator_id: str
    name: str
    status: str
    specs: NodeSpecs
    room: Room
    gpus: tuple[GpuView, ...]
    podman_version: str | None
    region: str | None
    country: str | None
    hourly_rate_cents: int
    gpu_hourly_rate_cents: int
    active_deployments: int
    max_deployments: int
    uptime_percent: float | None
    last_heartbeat: datetime
    created_at: datetime
