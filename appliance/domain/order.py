"""What a caller asks for, field by field, before a template fills the gaps."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.domain.deployment import (
    Access,
    HealthCheck,
    Port,
    Resources,
    RestartPolicy,
    Volume,
)


@dataclass(frozen=True, slots=True)
class IdleTimeout:
    """After how long without use it is to sleep; None: never, whatever the template says."""

    minutes: float | None


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
    resources: Resources | None = None
    access: Access | None = None
    hostname: str | None = None
    health: HealthCheck | None = None
    restart_policy: RestartPolicy | None = None
    idle_timeout: IdleTimeout | None = None
    evictable: bool = False
