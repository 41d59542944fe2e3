"""A spec as the JSON text of its column, and back."""

import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from appliance.domain.deployment import (
    Access,
    HealthCheck,
    Parameter,
    Port,
    Protocol,
    Resources,
    RestartPolicy,
    Spec,
    Volume,
)


def dump_spec(spec: Spec) -> str:
    """The JSON text of a spec."""
    return json.dumps(asdict(spec), separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=4096)
def load_spec(text: str) -> Spec:
    """The spec of a JSON text; remembered, for a spec never changes and every page shows many."""
    raw = json.loads(text)
    return Spec(
        image=raw["image"],
        template_id=raw["template_id"],
        command=_optional_tuple(raw["command"]),
        env=raw["env"],
        base_env=raw["base_env"],
        secret_names=tuple(raw["secret_names"]),
        ports=None if raw["ports"] is None else tuple(_port(p) for p in raw["ports"]),
        volumes=tuple(Volume(**v) for v in raw["volumes"]),
        resources=_resources(raw["resources"]),
        access=Access(raw["access"]),
        hostname=raw["hostname"],
        health=None if raw["health"] is None else HealthCheck(**raw["health"]),
        restart_policy=RestartPolicy(raw["restart_policy"]),
        parameters=tuple(_parameter(p) for p in raw["parameters"]),
        idle_timeout_minutes=raw.get("idle_timeout_minutes"),  # not in what older versions wrote
        evictable=raw.get("evictable", False),
        paths=_optional_tuple(raw.get("paths")),
    )


def _optional_tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _port(raw: dict[str, Any]) -> Port:
    return Port(port=raw["port"], protocol=Protocol(raw["protocol"]), name=raw["name"])


def _resources(raw: dict[str, Any]) -> Resources:
    gpus = raw["gpus"]
    return Resources(**{**raw, "gpus": gpus if isinstance(gpus, int) else tuple(gpus)})


def _parameter(raw: dict[str, Any]) -> Parameter:
    return Parameter(raw["name"], tuple(raw["values"]), tuple(raw["command"]))
