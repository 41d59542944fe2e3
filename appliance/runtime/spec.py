"""What a container may be given: pure, and the only place that decides it.

``build_spec`` turns a deployment into a ``ContainerSpec``; ``check`` is the one policy check,
which every specification passes before Podman is asked; ``create_body`` and ``network_body``
are the requests Podman gets (libpod's own shape: podman-py ignores several options silently).
Whatever is not named here a container does not have: no host namespace, no bind mount, no device
but a GPU that it holds, no capability beyond the list.
"""

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from appliance.domain.deployment import Deployment, Resources
from appliance.domain.errors import NoCommand, StartRefused
from appliance.domain.observed import ContainerName, ImageFacts
from appliance.runtime import labels
from appliance.runtime.port import ContainerSpec

CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETUID",
)
MAX_PIDS = 512
MAX_LOG_BYTES = 10 * 1024 * 1024
STOP_TIMEOUT_S = 10
CPU_PERIOD_US = 100_000
MIN_CPU_QUOTA_US = 1000  # the kernel's own floor (sched-bwc)
MIB = 1024 * 1024
RESERVED_PATHS = ("/proc", "/sys", "/dev")
RESERVED_ENV = ("NVIDIA_", "CUDA_")
NO_MORE_GPUS = {"NVIDIA_VISIBLE_DEVICES": "void"}
"""NVIDIA's old hook gives what this variable names, and images ask for all of them: ``void`` is
no more than the devices that were given."""
CDI_NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9_-]*=[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?"
)
"""A qualified device name (CDI's SPEC.md): never a path, which would give any node of /dev."""
HEALTH_COMMAND_S = 25
BOUNDED_SHELL = (
    "if command -v timeout >/dev/null;"
    f' then exec timeout -s KILL {HEALTH_COMMAND_S} /bin/sh -c "$1"; else exec /bin/sh -c "$1"; fi'
)


@dataclass(frozen=True, slots=True)
class MachineLimits:
    """What this machine lets any container have, as found by trying (``trial.py``).

    ``nofile`` and ``nproc`` are hard and soft limit at once; ``init`` says that catatonit is
    here to reap children and to forward the stop signal.
    """

    nofile: int
    nproc: int
    init: bool


def network_name(prefix: str, deployment_id: str) -> str:
    """The deployment's own network; its volumes are named ``<this>-<volume>``."""
    return f"{prefix}-{deployment_id.replace('_', '-')}"


def build_spec(
    deployment: Deployment,
    image: ImageFacts,
    secrets: Mapping[str, str],
    *,
    devices: Sequence[str] = (),
    instance_prefix: str,
) -> ContainerSpec:
    """Everything the deployment's container is created with.

    Args:
        deployment: its ``spec`` is complete and right in shape.
        image: the facts of its image, which is on this machine.
        secrets: the opened secrets; they win over variables of the same name.
        devices: the CDI names of the GPUs the deployment holds.
        instance_prefix: the instance's part of every name.

    Raises:
        NoCommand: there is nothing to run. Podman's 4.3.1 refuses it too; 5.4.2 starts it.
        StartRefused: the policy forbids it; the message says which part.
    """
    name = ContainerName(instance_prefix, deployment.id, deployment.generation)
    order = deployment.spec
    if not (order.command or image.runs):
        raise NoCommand
    network = network_name(instance_prefix, deployment.id)
    volumes = {f"{network}-{v.name}": v.path for v in order.volumes}
    ports = image.exposed_ports if order.ports is None else (p.port for p in order.ports)
    bare = ContainerSpec(
        name=str(name),
        image=order.image,
        network=network,
        command=order.command,
        env={**order.container_env, **secrets, **NO_MORE_GPUS},
        published=tuple(dict.fromkeys(ports)),
        volumes=_image_volumes(network, image, taken=set(volumes.values())) | volumes,
        health_command=image.healthcheck if order.health is None else None,
        devices=tuple(devices),
        **_sizes(order.resources),
    )
    return _labelled(bare, name)


def check(spec: ContainerSpec) -> None:
    """The one policy check.

    Raises:
        StartRefused: with every rule that is broken.
    """
    faults = (_name_faults, _volume_faults, _value_faults, _device_faults)
    broken = [fault for find in faults for fault in find(spec)]
    if broken:
        raise StartRefused("The container is not allowed: " + "; ".join(broken) + ".")


def create_body(spec: ContainerSpec, limits: MachineLimits) -> dict[str, Any]:
    """The body of libpod's container create (``POST /libpod/containers/create``)."""
    body = {
        "name": spec.name,
        "image": spec.image,
        "env": dict(spec.env),
        "labels": dict(spec.labels),
        "init": limits.init,
        "cap_drop": ["ALL"],
        "cap_add": list(CAPABILITIES),
        "no_new_privileges": True,
        "netns": {"nsmode": "bridge"},
        "networks": {spec.network: {}},
        "portmappings": [_loopback(port) for port in spec.published],
        "volumes": [{"Name": name, "Dest": path} for name, path in spec.volumes.items()],
        "image_volume_mode": "anonymous",
        "resource_limits": _resource_limits(spec),
        "r_limits": [_ulimit("nofile", limits.nofile), _ulimit("nproc", limits.nproc)],
        "healthconfig": _health_config(spec.health_command),
        "log_configuration": {"driver": "k8s-file", "size": spec.log_bytes},
        "restart_policy": "no",
        "stop_timeout": STOP_TIMEOUT_S,
    }
    if spec.command is not None:
        body["command"] = list(spec.command)
    if spec.devices:
        body["devices"] = [{"path": name} for name in spec.devices]
    if spec.shm_bytes is not None:
        body["shm_size"] = spec.shm_bytes
    return body


def network_body(spec: ContainerSpec, *, isolate: bool) -> dict[str, Any]:
    """The body of libpod's network create: a bridge of its own.

    ``isolate``: Podman closes it to every other of ours; else the machine's firewall does.
    The interface is named by us: Podman's own choice looks only at the networks it knows, so that
    two Podmans on one machine would share a bridge (and with it a segment).
    """
    digest = hashlib.sha256(spec.network.encode()).hexdigest()
    return {
        "name": spec.network,
        "driver": "bridge",
        "network_interface": f"nn{digest[:12]}",
        "dns_enabled": True,
        "options": {"isolate": "true"} if isolate else {},
        "labels": dict(spec.labels),
    }


def _sizes(resources: Resources) -> dict[str, Any]:
    return {
        "cpus": resources.cpus,
        "memory_bytes": resources.memory_mb and resources.memory_mb * MIB,
        "shm_bytes": resources.shm_mb and resources.shm_mb * MIB,
    }


def _image_volumes(network: str, image: ImageFacts, taken: set[str]) -> dict[str, str]:
    """The image's own VOLUMEs as named ones: kept over re-creation, gone with the deployment."""
    return {
        f"{network}-image-{hashlib.sha256(path.encode()).hexdigest()[:8]}": path
        for path in map(posixpath.normpath, image.volumes)
        if path not in taken
    }


def _labelled(bare: ContainerSpec, name: ContainerName) -> ContainerSpec:
    digest = hashlib.sha256(json.dumps(asdict(bare), sort_keys=True).encode()).hexdigest()
    ours = labels.of(name, spec_hash=digest, devices=bare.devices)
    spec = replace(bare, labels=ours)
    check(spec)
    return spec


def _name_faults(spec: ContainerSpec) -> Iterable[str]:
    prefix = spec.labels.get(labels.INSTANCE, "")
    if not labels.ours(spec.name, spec.labels, prefix=prefix):
        yield f"its labels do not say what its name, {spec.name}, promises"
    if spec.network != spec.name.rpartition("-g")[0]:
        yield f"its network, {spec.network}, is another's"


def _volume_faults(spec: ContainerSpec) -> Iterable[str]:
    paths = list(spec.volumes.values())
    for path in paths:
        if not _mountable(path):
            yield f"nothing may be mounted at {path}"
    for path in {p for p in paths if paths.count(p) > 1}:
        yield f"two volumes are mounted at {path}"
    for name in spec.volumes:
        if not name.startswith(f"{spec.network}-"):
            yield f"the volume {name} is another's"


def _mountable(path: str) -> bool:
    if not path.startswith("/") or path == "/" or posixpath.normpath(path) != path:
        return False
    if any(c in path for c in "\0:,\n"):
        return False
    return not any(path == r or path.startswith(f"{r}/") for r in RESERVED_PATHS)


def _value_faults(spec: ContainerSpec) -> Iterable[str]:
    for key, value in spec.env.items():
        if not key or "=" in key or "\0" in key + value:
            yield f"the variable {key!r} can't be set"
    for port in spec.published:
        if not 0 < port < 2**16:
            yield f"there is no port {port}"
    if not 0 < spec.pids <= MAX_PIDS:
        yield f"it may have 1 to {MAX_PIDS} processes, not {spec.pids}"
    if not 0 < spec.log_bytes <= MAX_LOG_BYTES:
        yield f"its log may have 1 to {MAX_LOG_BYTES} bytes, not {spec.log_bytes}"


def _device_faults(spec: ContainerSpec) -> Iterable[str]:
    for name in spec.devices:
        if not CDI_NAME.fullmatch(name):
            yield f"{name!r} is no name of a CDI device"
    if spec.devices != labels.devices(spec.labels):
        yield "its labels do not name its devices"
    if NO_MORE_GPUS.items() - spec.env.items():
        yield "its image could ask for every GPU"
    for key in spec.env:
        if key.startswith(RESERVED_ENV) and key not in NO_MORE_GPUS:
            yield f"the variable {key} is reserved"


def _loopback(port: int) -> dict[str, Any]:
    return {"container_port": port, "host_ip": "127.0.0.1", "host_port": 0, "protocol": "tcp"}


def _ulimit(kind: str, value: int) -> dict[str, Any]:
    return {"type": kind, "soft": value, "hard": value}


def _resource_limits(spec: ContainerSpec) -> dict[str, Any]:
    limits: dict[str, Any] = {"pids": {"limit": spec.pids}}
    if spec.memory_bytes is not None:
        limits["memory"] = {"limit": spec.memory_bytes, "swap": spec.memory_bytes}
    if spec.cpus is not None:
        quota = max(MIN_CPU_QUOTA_US, round(spec.cpus * CPU_PERIOD_US))
        limits["cpu"] = {"quota": quota, "period": CPU_PERIOD_US}
    return limits


def _health_config(command: tuple[str, ...] | None) -> dict[str, Any]:
    """The command without a timer (interval 0): we run it. NONE also silences the image's own.

    Podman does not end a check that outlasts its time-out (measured), so a shell command is run
    under the image's own ``timeout`` where it has one.
    """
    if command is None:
        return {"Test": ["NONE"]}
    test = list(command)
    if command[0] == "CMD-SHELL":
        test = ["CMD", "/bin/sh", "-c", BOUNDED_SHELL, "health", *command[1:]]
    return {"Test": test, "Interval": 0, "Timeout": HEALTH_COMMAND_S * 10**9, "Retries": 1}
