"""What a deployment is: what was asked for, what is wanted, what is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from appliance.domain.instant import Instant


class Desired(StrEnum):
    """What is wanted; written by orders alone. SLEEPING: stopped until it is asked for again."""

    RUNNING = "running"
    STOPPED = "stopped"
    SLEEPING = "sleeping"
    DELETED = "deleted"


class Status(StrEnum):
    """What is; written by the reconciler alone."""

    PENDING = "pending"
    PULLING = "pulling"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SLEEPING = "sleeping"
    FAILED = "failed"


ON_THE_WAY = frozenset({Status.PENDING, Status.PULLING, Status.STARTING})
"""Not running yet, and not given up."""

AT_REST = frozenset({Status.STOPPED, Status.SLEEPING, Status.FAILED})
"""``plan()`` gives these only to what was seen without a process: its GPUs are free again."""


class Health(StrEnum):
    """What the health check says; unknown where there is none or it has not answered yet."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class RestartPolicy(StrEnum):
    """When a container that ended by itself is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class Protocol(StrEnum):
    """How a port is spoken to: through the HTTPS front door, or raw."""

    HTTP = "http"
    TCP = "tcp"


class Access(StrEnum):
    """Who may reach the endpoints: everybody, or holders of a token."""

    PUBLIC = "public"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Port:
    """A port the container listens on."""

    port: int
    protocol: Protocol = Protocol.HTTP
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """Storage of the deployment's own, kept over stop, start and re-creation, gone with delete."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class GpuNeed:
    """What a deployment wants of the machine's GPUs, memory in MiB.

    ``count`` of any, or those ``named`` by uuid or index. ``min_vram_mb`` is the least size of
    each; ``vram_mb`` the share of each that it declares to need, and all it may count on where
    it does not hold them alone (``exclusive``).
    """

    count: int
    named: tuple[str, ...] = ()
    min_vram_mb: int | None = None
    vram_mb: int | None = None
    exclusive: bool = True


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits; ``None`` means the machine's own, memory in MiB (no swap beyond it).

    ``gpus`` is a number, or the uuids and indices of certain ones; for the rest see ``GpuNeed``.
    """

    cpus: float | None = None
    memory_mb: int | None = None
    shm_mb: int | None = None
    gpus: int | tuple[str, ...] = 0
    min_vram_mb: int | None = None
    vram_mb: int | None = None
    exclusive: bool = True

    @property
    def gpu_count(self) -> int:
        """How many GPUs it wants."""
        return self.gpus if isinstance(self.gpus, int) else len(self.gpus)

    @property
    def gpu_need(self) -> GpuNeed | None:
        """What it wants of the GPUs; None: nothing."""
        named = () if isinstance(self.gpus, int) else self.gpus
        if self.gpu_count == 0:
            return None
        return GpuNeed(self.gpu_count, named, self.min_vram_mb, self.vram_mb, self.exclusive)


START_PERIOD_S = 60
"""Where nobody has said another one."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """An HTTP GET of ``path`` that must answer below 400; ``port`` None is the first port.

    For ``start_period_s`` after the start failures do not count: the deployment is ``running``
    at the first success, or when the period is over.
    """

    path: str
    port: int | None = None
    start_period_s: int = START_PERIOD_S


@dataclass(frozen=True, slots=True)
class Parameter:
    """A variable of the request that the container never sees: each value is a command inside it.

    The seed's ``OLLAMA_MODELS=llama2,mistral`` is one: ``values`` are the models, ``command``
    is run in the container for each, with ``{value}`` replaced, once the server answers.
    """

    name: str
    values: tuple[str, ...]
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """A complete order: template and request merged, checked, never changed afterwards.

    ``env`` is what the caller sent and sees again; the container gets ``base_env`` (the
    template's), then ``env`` without the parameters, then the secrets. ``ports`` None means
    those the image exposes. After ``idle_timeout_minutes`` without use it sleeps, None: never;
    ``evictable``: before that too, where somebody waits for its GPU. ``paths`` are those that the
    front door lets through (one that ends in / with all below it), None: every path.
    """

    image: str
    template_id: str | None = None
    command: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    base_env: Mapping[str, str] = field(default_factory=dict)
    secret_names: tuple[str, ...] = ()
    ports: tuple[Port, ...] | None = None
    volumes: tuple[Volume, ...] = ()
    resources: Resources = field(default_factory=Resources)
    access: Access = Access.PUBLIC
    hostname: str | None = None
    health: HealthCheck | None = None
    restart_policy: RestartPolicy = RestartPolicy.ON_FAILURE
    parameters: tuple[Parameter, ...] = ()
    idle_timeout_minutes: float | None = None
    evictable: bool = False
    paths: tuple[str, ...] | None = None

    @property
    def container_env(self) -> dict[str, str]:
        """The container's variables but for the secrets, which only the engine can open."""
        hidden = {p.name for p in self.parameters}
        asked = {k: v for k, v in self.env.items() if k not in hidden}
        return {**self.base_env, **asked}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why it failed, waits or restarts: a stable code and words a person can act on."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Process:
    """A process that can't be mistaken for a later one of the same number (proc(5), field 22)."""

    pid: int
    start_ticks: int

    @property
    def started_boot_us(self) -> int:
        """When it started, on the boot clock; ticks are a hundredth of a second (proc(5))."""
        return self.start_ticks * 10_000


class Verb(StrEnum):
    """What Podman is asked for that it may still do when nobody waits for it any more."""

    CREATE = "create"
    START = "start"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of Podman, for the container of ``generation``, and not answered yet."""

    verb: Verb
    generation: int


@dataclass(frozen=True, slots=True)
class Update:
    """A new spec that waits to take over; ``generation`` names the container it is tried in.

    ``rate_cents`` is what an hour of it will cost.
    ``handover``: the old container was stopped for the new one. It was ordered at
    ``since_boot_us`` of the boot ``boot_id``. ``refresh``: its image is fetched anew first.
    """

    spec: Spec
    secrets: bytes | None
    rate_cents: int
    generation: int
    handover: bool
    boot_id: str
    since_boot_us: int
    refresh: bool = False

    def since(self, now: Instant) -> int:
        """When its time began to count, on the boot clock of ``now``."""
        return self.since_boot_us if self.boot_id == now.boot_id else 0


@dataclass(frozen=True, slots=True)
class Deployment:
    """One row. ``shown`` is the status a caller sees: an accepted order shows at once.

    ``intent`` counts the orders of the API, ``observed_intent`` the last one the reconciler has
    taken up, ``restart_intent`` the last order to restart, ``started_intent`` the last order
    that found the container at rest (so a restart is due while it is below ``restart_intent``).
    ``generation`` names the container, ``last_generation`` is the highest number ever used.
    ``failures`` are the crashes in a row, ``refusals`` the steps in a row that were refused since
    the container ran last. ``spec`` is what serves, at ``rate_cents`` an hour, ``update`` what is
    to follow, ``asked`` what Podman may still do (see ``domain/doubt.py``). ``handled_run_us`` is
    the start time of the last container run whose end has been dealt with. ``since_boot_us`` and
    ``retry_boot_us`` count within ``boot_id``.
    """

    id: str
    owner_id: str
    node_id: str
    name: str
    spec: Spec
    secrets: bytes | None
    rate_cents: int
    desired: Desired
    intent: int
    restart_intent: int
    version: int
    status: Status
    shown: Status
    observed_intent: int
    started_intent: int
    generation: int
    reason: Reason | None
    health: Health
    failures: int
    restart_count: int
    exit_code: int | None
    handled_run_us: int | None
    container_id: str | None
    process: Process | None
    log_path: str | None
    published: Mapping[int, int]
    boot_id: str
    since_boot_us: int
    retry_boot_us: int | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    stopped_at: datetime | None
    last_generation: int = 1
    update: Update | None = None
    asked: Asked | None = None
    refusals: int = 0

    @property
    def wanted_spec(self) -> Spec:
        """What was asked for last, whether or not it serves already."""
        return self.spec if self.update is None else self.update.spec

    @property
    def wanted_rate_cents(self) -> int:
        """What an hour of ``wanted_spec`` costs."""
        return self.rate_cents if self.update is None else self.update.rate_cents
