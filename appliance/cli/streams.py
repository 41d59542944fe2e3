"""The commands that may go on until Ctrl-C: logs and events."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from appliance.cli import values
from appliance.cli.find import Deployment, complete_deployment, deployment_id
from appliance.cli.options import AsJson
from appliance.cli.output import print_json_line, remark, tell
from appliance.cli.remote import JsonObject, Remote
from appliance.clock import SystemClock

HISTORY_LIMIT = 1000
GAP = "gap"
"""The event of a log stream that stands for lines lost to the log's size limit."""


def logs(
    remote: Remote,
    *,
    deployment: Deployment,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    tail: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the last lines.")] = 100,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Such as 10m, or an ISO time.")
    ] = None,
    timestamps: Annotated[bool, typer.Option("--timestamps", "-t", help="Show times.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a deployment wrote.

    Its stdout comes on stdout, its stderr on stderr.
    """
    path = f"/deployments/{deployment_id(remote, deployment)}/logs"
    moment = since and values.moment(since, "--since", SystemClock().now().wall, sign=-1)
    if follow:
        lines = _followed(remote, path, tail, moment)
    else:
        lines = iter(remote.get(path, tail=tail, since=moment)["logs"])
    for line in lines:
        if as_json:
            print_json_line(line)
        else:
            _print_log(line, timestamps=timestamps)


def events(
    remote: Remote,
    *,
    deployment: Annotated[
        str | None,
        typer.Argument(
            help="Its id or its name, for its history; without one, all changes from now on.",
            autocompletion=complete_deployment,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a deployment's history, or all changes.

    Without a deployment it follows the changes of all, from now on until Ctrl-C.
    """
    for event in _history(remote, deployment) if deployment else _changes(remote):
        if as_json:
            print_json_line(event)
        else:
            tell(_event_text(event))


def _followed(remote: Remote, path: str, tail: int, since: str | None) -> Iterator[JsonObject]:
    for message in remote.messages(path, follow="true", tail=tail, since=since):
        if message.event == GAP:
            remark("... lines are missing here: the log reached its size limit ...")
        else:
            yield message.json()


def _print_log(line: JsonObject, *, timestamps: bool) -> None:
    file = sys.stderr if line["stream"] == "stderr" else sys.stdout
    prefix = f"{line['timestamp']} " if timestamps else ""
    print(prefix + line["message"], file=file, flush=True)


def _history(remote: Remote, deployment: str) -> Iterator[JsonObject]:
    path = f"/deployments/{deployment_id(remote, deployment)}/events"
    after = 0
    while True:
        found = remote.get(path, after=after, limit=HISTORY_LIMIT)["events"]
        yield from found
        if len(found) < HISTORY_LIMIT:
            return
        after = found[-1]["id"]


def _changes(remote: Remote) -> Iterator[JsonObject]:
    for message in remote.messages("/events"):
        yield message.json()


def _event_text(event: JsonObject) -> str:
    status = f" [{event['status']}]" if event.get("status") else ""
    return f"{event['at']} {event['deploymentId']} {event['type']}{status}: {event['message']}"
