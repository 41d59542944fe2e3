"""The commands about users and API tokens."""

import sys
from typing import Annotated

import typer

from appliance.cli import values
from appliance.cli.exits import CommandFailed, ExitCode
from appliance.cli.find import token_id, user_id
from appliance.cli.options import AsJson
from appliance.cli.output import print_json, tell
from appliance.cli.remote import JsonObject, Remote
from appliance.cli.tables import print_table
from appliance.clock import SystemClock
from appliance.domain.permissions import Role, Scope

Email = Annotated[str, typer.Argument(help="The user's e-mail address.")]


def setup(remote: Remote, *, as_json: AsJson = False) -> None:
    """Print a fresh one-time link that makes the first admin.

    Good for an hour; only while no admin can log in.
    """
    answer = remote.post("/setup/link")
    if as_json:
        print_json(answer)
    else:
        print(answer["link"])


def user_add(
    remote: Remote,
    *,
    email: Email,
    admin: Annotated[bool, typer.Option("--admin", help="May do everything.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Take the first line of stdin.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a user. Asks for the password twice."""
    role = Role.ADMIN if admin else Role.USER
    body = {"email": email, "password": _password(from_stdin=password_stdin), "role": role}
    user = remote.post("/users", body)["user"]
    if as_json:
        print_json(user)
    else:
        tell(f"{user['id']} {user['email']} is {user['role']}")


def user_ls(remote: Remote, *, as_json: AsJson = False) -> None:
    """List users."""
    users = remote.get("/users")["users"]
    if as_json:
        print_json(users)
    else:
        rows = ((u["id"], u["email"], u["role"], u["createdAt"]) for u in users)
        print_table(("ID", "EMAIL", "ROLE", "CREATED"), rows)


def user_rm(remote: Remote, *, email: Email, as_json: AsJson = False) -> None:
    """Remove a user."""
    answer = remote.delete(f"/users/{user_id(remote, email)}")
    _print_done(answer, f"{email} is removed", as_json=as_json)


def token_create(
    remote: Remote,
    *,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[Scope, typer.Option(help="What it may do.")] = Scope.WRITE,
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="Such as 30d, or an ISO time.")
    ] = "90d",
    as_json: AsJson = False,
) -> None:
    """Create a token and print it, alone, on stdout: it is never shown again."""
    expires_at = values.moment(expires, "--expires", SystemClock().now().wall, sign=1)
    body = {"name": name, "scope": scope, "expiresAt": expires_at}
    answer = remote.post("/auth/tokens", body)
    if as_json:
        print_json(answer)
    else:
        print(answer["token"])


def token_ls(remote: Remote, *, as_json: AsJson = False) -> None:
    """List tokens; their secrets are not known any more."""
    tokens = remote.get("/auth/tokens")["tokens"]
    if as_json:
        print_json(tokens)
    else:
        keys = ("id", "name", "scope", "createdAt", "expiresAt", "lastUsedAt")
        columns = ("ID", "NAME", "SCOPE", "CREATED", "EXPIRES", "LAST USED")
        print_table(columns, ([t.get(key) for key in keys] for t in tokens))


def token_revoke(
    remote: Remote,
    *,
    token: Annotated[str, typer.Argument(help="Its id or its name.")],
    as_json: AsJson = False,
) -> None:
    """Revoke a token: from now on it opens nothing."""
    answer = remote.delete(f"/auth/tokens/{token_id(remote, token)}")
    _print_done(answer, f"{token} is revoked", as_json=as_json)


def _print_done(answer: JsonObject, sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        tell(sentence)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        message = "there is no terminal to ask for the password; use --password-stdin"
        raise CommandFailed(message, ExitCode.USAGE)
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password
