"""The commands about deployments that are there."""

import sys
from typing import Annotated

import typer

from appliance.cli.exits import CommandFailed
from appliance.cli.find import Deployment, deployment_id
from appliance.cli.options import AsJson, Timeout, Wait
from appliance.cli.output import (
    money,
    print_json,
    status_text,
    tell,
)
from appliance.cli.progress import pull_text, wait_for, wait_for_update
from appliance.cli.remote import JsonObject, Remote
from appliance.cli.tables import print_facts, print_table
from appliance.domain.deployment import Status

WELL = frozenset({"newest", "updated"})
OUTCOMES = WELL | {"update_failed"}
"""The types of the event that ends an update."""

UNKNOWN = {"type": "unknown", "message": "what became of its update is not known"}


def ps(
    remote: Remote,
    *,
    status: Annotated[Status | None, typer.Option(help="Only those in this status.")] = None,
    as_json: AsJson = False,
) -> None:
    """List deployments, newest first."""
    found = remote.listing("/deployments", "deployments", status=status)
    if as_json:
        print_json(found)
    else:
        columns = ("ID", "NAME", "STATUS", "IMAGE", "ENDPOINT", "COST")
        print_table(columns, (_row(deployment) for deployment in found))


def show(remote: Remote, *, deployment: Deployment, as_json: AsJson = False) -> None:
    """Show everything about a deployment."""
    found = remote.get(f"/deployments/{deployment_id(remote, deployment)}")["deployment"]
    if as_json:
        print_json(found)
    else:
        print_facts(_facts(found))


def start(
    remote: Remote,
    *,
    deployment: Deployment,
    wait: Wait = False,
    timeout_s: Timeout = 1800,
    as_json: AsJson = False,
) -> None:
    """Start a stopped deployment."""
    _order(remote, deployment, "start", ("running", timeout_s) if wait else None, as_json=as_json)


def stop(
    remote: Remote,
    *,
    deployment: Deployment,
    wait: Wait = False,
    timeout_s: Timeout = 60,
    as_json: AsJson = False,
) -> None:
    """Stop a deployment; its volumes stay."""
    _order(remote, deployment, "stop", ("stopped", timeout_s) if wait else None, as_json=as_json)


def restart(
    remote: Remote,
    *,
    deployment: Deployment,
    wait: Wait = False,
    timeout_s: Timeout = 1800,
    as_json: AsJson = False,
) -> None:
    """Stop a deployment and start it again."""
    _order(remote, deployment, "restart", ("running", timeout_s) if wait else None, as_json=as_json)


def update(
    remote: Remote, *, deployment: Deployment, timeout_s: Timeout = 1800, as_json: AsJson = False
) -> None:
    """Fetch a deployment's image again, and change over to it if it has changed.

    The old container serves until the new one does, and goes on serving if that fails.
    """
    found_id = deployment_id(remote, deployment)
    path = f"/deployments/{found_id}"
    image = remote.get(path)["deployment"]["image"]
    seen = max((event["id"] for event in _history(remote, found_id)), default=0)
    remote.patch(path, {"image": image})
    found = wait_for_update(remote, found_id, timeout_s)
    told = _history(remote, found_id, after=seen)
    outcome = next((e for e in reversed(told) if e["type"] in OUTCOMES), UNKNOWN)
    if outcome["type"] not in WELL:
        raise CommandFailed(f"{deployment}: {outcome['message']}")
    if as_json:
        print_json(found)
    else:
        tell(f"{deployment}: {outcome['message']}")


def rm(
    remote: Remote,
    *,
    deployment: Deployment,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a deployment and its volumes.

    This can't be undone, so on a terminal it asks first.
    """
    found_id = deployment_id(remote, deployment)
    if sys.stdin.isatty() and not yes:
        typer.confirm(f"Delete {deployment} and its volumes, for good?", abort=True, err=True)
    answer = remote.delete(f"/deployments/{found_id}")
    if as_json:
        print_json(answer)
    else:
        tell(answer["message"])


def _order(
    remote: Remote, id_or_name: str, verb: str, wait: tuple[str, int] | None, *, as_json: bool
) -> None:
    found_id = deployment_id(remote, id_or_name)
    deployment: JsonObject = remote.post(f"/deployments/{found_id}/{verb}")["deployment"]
    if wait:
        deployment = wait_for(remote, found_id, *wait)
    if as_json:
        print_json(deployment)
    else:
        tell(f"{id_or_name} is {deployment['status']}")


def _history(remote: Remote, found_id: str, after: int = 0) -> list[JsonObject]:
    found: list[JsonObject] = []
    while batch := remote.get(f"/deployments/{found_id}/events", after=after, limit=1000)["events"]:
        found += batch
        after = batch[-1]["id"]
    return found


def _row(deployment: JsonObject) -> tuple[object, ...]:
    return (
        deployment["id"],
        deployment["name"],
        status_text(deployment),
        deployment["image"],
        next((endpoint["url"] for endpoint in deployment["endpoints"]), None),
        money(deployment["totalCost"]),
    )


def _facts(deployment: JsonObject) -> list[tuple[str, object]]:
    reason = deployment.get("statusReason") or {}
    resources = deployment.get("resources") or {}
    return [
        ("id", deployment["id"]),
        ("name", deployment["name"]),
        ("status", deployment["status"]),
        ("reason", reason.get("message")),
        ("pull", pull_text(deployment.get("pull")) or None),
        ("health", deployment.get("health")),
        ("template", deployment.get("templateId")),
        ("image", deployment.get("image")),
        ("command", " ".join(deployment.get("command") or ()) or None),
        *(("endpoint", f"{e['url']} ({e['internalPort']})") for e in deployment["endpoints"]),
        *(("env", f"{k}={v}") for k, v in (deployment.get("env") or {}).items()),
        *(("volume", f"{v['name']}:{v['path']}") for v in deployment.get("volumes") or ()),
        ("cpus", resources.get("cpus")),
        ("memory MiB", resources.get("memoryMb")),
        ("gpus", resources.get("gpus") or None),
        ("sleeps after minutes", deployment.get("idleTimeoutMinutes")),
        ("restarts", deployment.get("restartCount")),
        ("exit code", deployment.get("exitCode")),
        ("created", deployment["createdAt"]),
        ("started", deployment.get("startedAt")),
        ("stopped", deployment.get("stoppedAt")),
        ("cost", money(deployment["totalCost"])),
        ("owner", deployment.get("userId")),
    ]
