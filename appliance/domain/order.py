"""What a caller asks for, field by field, before a template fills the gaps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from appliance.domain.deployment import (
    Access,
    HealthCheck,
    Port,
    RestartPolicy,
    Volume,
)


@dataclass(frozen=True, slots=True)
class IdleTimeout:
    """After how long without use it is to sleep; None: never, whatever the template says."""

    minutes: float | None


class SaidResources(TypedDict, total=False):
    """Fields of ``Resources``; what is not in it was not said. None: the machine's own."""

    cpus: float | None
    memory_mb: int | None
    shm_mb: int | None
    gpus: int | tuple[str, ...]
    min_vram_mb: int | None
    vram_mb: int | None
    exclusive: bool


@dataclass(frozen=True, slots=True)
class Order:
    """The body of ``POST /deployments``, right in shape; ``None`` means not said."""

    node_id: str
    template_id: str | None = None
    custom_image: str | None = None
    name: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    ports: tuple[Port, ...] | None = None
    volumes: tuple[Volume, ...] | None = None
    resources: SaidResources = field(default_factory=SaidResources)
    access: Access | None = None
    hostname: str | None = None
    health: HealthCheck | None = None
    restart_policy: RestartPolicy | None = None
    idle_timeout: IdleTimeout | None = None
    evictable: bool = False
