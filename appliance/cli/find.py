"""From what a person types to the id the API wants."""

import re
from typing import Annotated

import typer

from appliance.cli.exits import CommandFailed, ExitCode
from appliance.cli.options import find_remote
from appliance.cli.remote import JsonObject, Remote

DEPLOYMENT_ID = re.compile(r"dep_[0-9a-z]+")


def complete_deployment(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names and ids of the running appliance, for the shell; nothing where none answers."""
    try:
        with find_remote(ctx.params.get("url"), ctx.params.get("data_dir")) as remote:
            found = remote.listing("/deployments", "deployments")
    except CommandFailed:
        return []
    words = {d["name"] for d in found} | {d["id"] for d in found}
    return sorted(w for w in words if w.startswith(incomplete))


Deployment = Annotated[
    str,
    typer.Argument(
        metavar="DEPLOYMENT", help="Its id or its name.", autocompletion=complete_deployment
    ),
]


def deployment_id(remote: Remote, id_or_name: str) -> str:
    """The id of the one deployment meant.

    Raises:
        CommandFailed: none has that name, or more than one.
    """
    if DEPLOYMENT_ID.fullmatch(id_or_name):
        return id_or_name
    everyone = remote.listing("/deployments", "deployments")
    return _only([d for d in everyone if d["name"] == id_or_name], "deployment", id_or_name)


def user_id(remote: Remote, email: str) -> str:
    """The id of the user with that address.

    Raises:
        CommandFailed: there is none.
    """
    users = remote.get("/users")["users"]
    return _only([u for u in users if u["email"].lower() == email.lower()], "user", email)


def token_id(remote: Remote, id_or_name: str) -> str:
    """The id of the one token meant.

    Raises:
        CommandFailed: none has that id or name, or more than one has that name.
    """
    tokens = remote.get("/auth/tokens")["tokens"]
    return _only([t for t in tokens if id_or_name in (t["id"], t["name"])], "token", id_or_name)


def node_id(remote: Remote) -> str:
    """The id of the appliance's only node."""
    return str(remote.get("/nodes")["nodes"][0]["id"])


def _only(found: list[JsonObject], noun: str, called: str) -> str:
    if not found:
        raise CommandFailed(f"there is no {noun} {called!r}", ExitCode.NOT_FOUND)
    if len(found) > 1:
        ids = tuple(str(one["id"]) for one in found)
        raise CommandFailed(f"{called!r} may be any of these; say which", ExitCode.USAGE, ids)
    return str(found[0]["id"])
