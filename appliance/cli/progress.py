"""Waits for a deployment and shows how far it is: bars on a terminal, a line a change elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from appliance.cli import output
from appliance.cli.exits import CommandFailed, ExitCode
from appliance.cli.remote import JsonObject, Remote

LOOK_EVERY_S = 0.25
MIB = 1024 * 1024
LOST = {"running": ("failed", "stopped"), "stopped": ("failed",)}
"""Where waiting for a status ends in vain."""

Watcher = Callable[[JsonObject], None]
"""Is shown the deployment at every look."""


def wait_for(remote: Remote, deployment_id: str, wanted: str, timeout_s: int) -> JsonObject:
    """The deployment once its status is ``wanted``.

    A job that has run to its good end has been running, too.

    Raises:
        CommandFailed: it failed instead, or ``timeout_s`` seconds were not enough.
    """

    def reached(deployment: JsonObject) -> bool:
        if wanted == "running" and _is_done(deployment):
            return True
        if deployment["status"] in LOST[wanted]:
            raise CommandFailed(f"{deployment['name']} is {_state(deployment)}")
        return bool(deployment["status"] == wanted)

    return _watch(remote, deployment_id, reached, timeout_s)


def wait_for_update(remote: Remote, deployment_id: str, timeout_s: int) -> JsonObject:
    """The deployment once its update is over, however it ended.

    Raises:
        CommandFailed: ``timeout_s`` seconds were not enough.
    """
    return _watch(remote, deployment_id, lambda d: d["update"] is None, timeout_s)


def _watch(
    remote: Remote, deployment_id: str, reached: Callable[[JsonObject], bool], timeout_s: int
) -> JsonObject:
    deadline = time.monotonic() + timeout_s
    with _watcher() as show:
        while True:
            deployment: JsonObject = remote.get(f"/deployments/{deployment_id}")["deployment"]
            show(deployment)
            if reached(deployment):
                return deployment
            if time.monotonic() > deadline:
                raise _too_late(deployment, timeout_s)
            time.sleep(LOOK_EVERY_S)


def pull_text(pull: JsonObject | None) -> str:
    """``2/5 layers, 120 of 480 MiB``; empty where nothing is pulled."""
    if not pull:
        return ""
    text = f"{pull['layersDone']}/{pull['layersTotal']} layers"
    if pull.get("bytesTotal"):
        text += f", {(pull['bytesDone'] or 0) // MIB} of {pull['bytesTotal'] // MIB} MiB"
    return text


def _too_late(deployment: JsonObject, timeout_s: int) -> CommandFailed:
    message = f"{deployment['name']} is still {deployment['status']} after {timeout_s} s"
    reason = deployment.get("statusReason")
    return CommandFailed(message, ExitCode.TIMED_OUT, (reason["message"],) if reason else ())


@contextmanager
def _watcher() -> Iterator[Watcher]:
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress)


class _Lines:
    """A line on stderr whenever the status or its reason is another."""

    def __init__(self) -> None:
        self._last: Any = None

    def __call__(self, deployment: JsonObject) -> None:
        now = (deployment["status"], deployment.get("statusReason"))
        if now != self._last:
            self._last = now
            output.remark(f"{deployment['name']}: {_state(deployment)}")


class _Bar:
    """One bar: bytes where the registry told them, else layers."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def __call__(self, deployment: JsonObject) -> None:
        pull = deployment.get("pull") or {}
        unit = "bytes" if pull.get("bytesTotal") else "layers"
        text = f"{deployment['name']}: {_state(deployment)} {pull_text(pull)}"
        self._progress.update(
            self._task,
            description=output.printable(text),
            total=pull.get(f"{unit}Total"),
            completed=pull.get(f"{unit}Done") or 0,
        )


def _is_done(deployment: JsonObject) -> bool:
    reason = deployment.get("statusReason") or {}
    return deployment["status"] == "stopped" and reason.get("code") == "completed"


def _state(deployment: JsonObject) -> str:
    reason = deployment.get("statusReason")
    return f"{deployment['status']}: {reason['message']}" if reason else str(deployment["status"])
