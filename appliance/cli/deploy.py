"""``appliance deploy``: from options to the body of ``POST /deployments``."""

import os
from typing import Annotated, Any

import typer

from appliance.cli import values
from appliance.cli.exits import CommandFailed, ExitCode
from appliance.cli.find import node_id
from appliance.cli.options import AsJson, Timeout, Wait
from appliance.cli.output import print_json, tell
from appliance.cli.progress import wait_for
from appliance.cli.remote import JsonObject, Remote
from appliance.domain.deployment import Access, RestartPolicy

Template = Annotated[
    str | None, typer.Argument(metavar="[TEMPLATE]", help="One of `appliance templates`.")
]
Image = Annotated[str | None, typer.Option(metavar="REF", help="An image, not a template.")]
Name = Annotated[str | None, typer.Option(help="What to call it.")]
Env = Annotated[
    list[str] | None,
    typer.Option("--env", "-e", metavar="K=V", help="A variable; K alone takes the shell's."),
]
Secret = Annotated[
    list[str] | None,
    typer.Option(metavar="K=V", help="A variable kept encrypted; K alone takes the shell's."),
]
Command = Annotated[str | None, typer.Option(help="What to run in place of the image's command.")]
Ports = Annotated[
    list[str] | None,
    typer.Option("--port", "-p", metavar="N[/http|/tcp]", help="A port it listens on."),
]
Volumes = Annotated[
    list[str] | None,
    typer.Option("--volume", "-v", metavar="NAME:PATH", help="Storage kept until it is deleted."),
]
Cpus = Annotated[float | None, typer.Option(help="Cores at most, such as 1.5.")]
Memory = Annotated[str | None, typer.Option(metavar="SIZE", help="At most, such as 512m or 2g.")]
Shm = Annotated[str | None, typer.Option(metavar="SIZE", help="Size of its /dev/shm.")]
Gpus = Annotated[
    str | None, typer.Option(help="How many GPUs, or which: UUIDs and indices, such as GPU-6a5b,1.")
]
GpuShare = Annotated[
    str | None, typer.Option(help="Share them; how much memory of each this gets, such as 8g.")
]
Hostname = Annotated[str | None, typer.Option(help="A host name of its own.")]
WhoMay = Annotated[Access | None, typer.Option("--access", help="Who may reach it.")]
HealthPath = Annotated[
    str | None, typer.Option(help="Healthy while a GET of it is answered below 400.")
]
Restarts = Annotated[
    RestartPolicy | None, typer.Option("--restart-policy", help="When it starts again by itself.")
]

IdleTimeout = Annotated[
    float | None,
    typer.Option(metavar="MINUTES", help="After so long without use it sleeps until asked for."),
]

Evictable = Annotated[
    bool, typer.Option("--evictable", help="While idle it gives its GPU to one that waits for it.")
]


def deploy(
    remote: Remote,
    *,
    template: Template = None,
    image: Image = None,
    name: Name = None,
    env: Env = None,
    secret: Secret = None,
    command: Command = None,
    ports: Ports = None,
    volumes: Volumes = None,
    cpus: Cpus = None,
    memory: Memory = None,
    shm: Shm = None,
    gpus: Gpus = None,
    gpu_share: GpuShare = None,
    hostname: Hostname = None,
    access: WhoMay = None,
    health_path: HealthPath = None,
    restart_policy: Restarts = None,
    idle_timeout: IdleTimeout = None,
    evictable: Evictable = False,
    wait: Wait = False,
    timeout_s: Timeout = 1800,
    as_json: AsJson = False,
) -> None:
    """Run a template, or an image of your own."""
    if (template is None) == (image is None):
        raise CommandFailed("give either a TEMPLATE or --image REF", ExitCode.USAGE)
    resources = {
        "cpus": cpus,
        "memoryMb": memory and values.memory_mb(memory, "--memory"),
        "shmMb": shm and values.memory_mb(shm, "--shm"),
        "gpus": gpus and values.gpus(gpus),
        "vramMb": gpu_share and values.memory_mb(gpu_share, "--gpu-share"),
        "exclusive": False if gpu_share else None,
    }
    asked = {
        "templateId": template,
        "customImage": image,
        "name": name,
        "env": values.variables(env or (), "--env", os.environ),
        "secrets": values.variables(secret or (), "--secret", os.environ),
        "command": command and values.words(command, "--command"),
        "ports": values.ports(ports or ()),
        "volumes": values.volumes(volumes or ()),
        "resources": _said(resources),
        "hostname": hostname,
        "access": access,
        "health": health_path and {"path": health_path},
        "restartPolicy": restart_policy,
        "idleTimeoutMinutes": idle_timeout,
        "evictable": evictable or None,
    }
    _order(remote, _said(asked), timeout_s if wait else None, as_json=as_json)


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    """Only what was given: for the rest the template's own holds."""
    return {name: value for name, value in fields.items() if value not in (None, [], {})}


def _order(remote: Remote, asked: JsonObject, timeout_s: int | None, *, as_json: bool) -> None:
    answer = remote.post("/deployments", {"nodeId": node_id(remote), **asked})
    deployment: JsonObject = answer["deployment"]
    if timeout_s is not None:
        deployment = wait_for(remote, deployment["id"], "running", timeout_s)
    if as_json:
        print_json(deployment)
        return
    tell(f"{deployment['id']} {deployment['name']} is {deployment['status']}")
    for endpoint in deployment["endpoints"]:
        tell(endpoint["url"])
