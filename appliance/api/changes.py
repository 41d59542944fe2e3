"""What callers may send to change a deployment."""

from typing import Annotated, Any, cast

from pydantic import AfterValidator, ConfigDict, Field

from appliance.api.models import (
    Command,
    HealthBody,
    Hostname,
    IdleMinutes,
    Image,
    Name,
    Ports,
    ResourcesBody,
    Strict,
    Variables,
    Volumes,
    check_variables,
)
from appliance.domain.change import Change
from appliance.domain.deployment import Access, RestartPolicy
from appliance.domain.order import SaidResources

LIMITS = frozenset({"cpus", "memory_mb", "shm_mb", "min_vram_mb", "vram_mb"})
"""What of the resources may be none."""


def _secrets(values: dict[str, str | None]) -> dict[str, str | None]:
    check_variables({name: value or "" for name, value in values.items()})
    return values


def _without_defaults(schema: dict[str, Any]) -> None:
    for shape in schema["properties"].values():
        shape.pop("default", None)


class ResourcesChangeBody(ResourcesBody):
    """As ``ResourcesBody``, but null takes a limit away, also one of the template's."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    def said(self) -> SaidResources:
        """As the engine takes it."""
        lifted = dict.fromkeys(LIMITS & self.model_fields_set)
        return cast("SaidResources", {**lifted, **super().said()})


class DeploymentChangeBody(Strict):
    """``PATCH /deployments/:id``: only what is to change, each field whole.

    What ``resources`` leaves out is the template's, as at the create. ``secrets`` are set one by
    one, null takes one away. Null also takes away ``command``, ``hostname``, ``health`` and
    ``idleTimeoutMinutes``. The defaults stand for fields that were not sent and are never used,
    so the document does not speak of them.
    """

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    name: Name = ""
    image: Image = ""
    env: Variables = Field(default_factory=dict)
    secrets: Annotated[dict[str, str | None], AfterValidator(_secrets)] = Field(
        default_factory=dict
    )
    command: Command | None = None
    ports: Ports = Field(default_factory=list)
    volumes: Volumes = Field(default_factory=list)
    resources: ResourcesChangeBody = Field(default_factory=ResourcesChangeBody)
    access: Access = Access.PUBLIC
    hostname: Hostname | None = None
    health: HealthBody | None = None
    restart_policy: RestartPolicy = RestartPolicy.ON_FAILURE
    idle_timeout_minutes: IdleMinutes | None = None
    evictable: bool = False

    def change(self) -> Change:
        """As the engine takes it: what was sent, and nothing else."""
        values: dict[str, Any] = {
            "image": self.image,
            "env": self.env,
            "command": None if self.command is None else tuple(self.command),
            "ports": tuple(p.opened() for p in self.ports),
            "volumes": tuple(v.volume() for v in self.volumes),
            "resources": self.resources.said(),
            "access": self.access,
            "hostname": self.hostname,
            "health": None if self.health is None else self.health.check(),
            "restart_policy": self.restart_policy,
            "idle_timeout_minutes": self.idle_timeout_minutes,
            "evictable": self.evictable,
        }
        return Change(
            name=self.name or None,
            fields={k: v for k, v in values.items() if k in self.model_fields_set},
            secrets=self.secrets,
        )
