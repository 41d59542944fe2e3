"""The commands about the machine: the appliance itself, its health, its data, what it offers."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from appliance.cli.exits import CommandFailed, ExitCode
from appliance.cli.options import AsJson
from appliance.cli.output import print_json, tell
from appliance.cli.remote import JsonObject, Remote, connect
from appliance.cli.tables import print_facts, print_table
from appliance.config import Settings
from appliance.domain.errors import ApplianceError

if TYPE_CHECKING:  # at run time it would load the whole house, which other commands spare
    from appliance.host.doctor import Check


FOLDED = ("specs", "gpus", "available")
"""The fields of a node that are lists of their own."""


def doctor(
    settings: Settings,
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write a CDI spec where a GPU lacks one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check this machine.

    With or without a running appliance, which adds what it alone can know. Fails if a check does;
    one that only warns does not.
    """
    from appliance import diagnosis  # noqa: PLC0415 - no other command needs it

    mended = diagnosis.fix(settings) if fix else None
    if mended is not None and not as_json:
        tell(_text(_check_json(mended)))
    checks = [_check_json(check) for check in diagnosis.diagnose(settings)] + _observed(settings)
    if as_json:
        print_json(checks)
    else:
        for check in checks:
            tell(_text(check))
    if any(check["status"] == "fail" for check in checks):
        raise typer.Exit(ExitCode.FAILED)


def restore(
    settings: Settings,
    *,
    file: Annotated[Path, typer.Argument(help="A file that `appliance backup` wrote.")],
    as_json: AsJson = False,
) -> None:
    """Put a backup in place of the data.

    Only while the appliance does not run.
    """
    from appliance import restoring  # noqa: PLC0415 - no other command needs it

    try:
        done = restoring.restore(settings, file)
    except (ApplianceError, OSError) as error:
        raise CommandFailed(str(error)) from error
    if as_json:
        old = done.old and str(done.old)
        about = {"file": str(file), "dataDir": str(settings.data_dir), "old": old}
        print_json({**about, "warning": done.warning})
        return
    tell(f"{settings.data_dir} is restored from {file}")
    if done.old:
        tell(f"what was there before is in {done.old}")
    if done.warning:
        tell(f"it was another installation's. {done.warning}")


def backup(
    remote: Remote,
    *,
    file: Annotated[Path, typer.Argument(help="Where to write; replaced if it is there.")],
    as_json: AsJson = False,
) -> None:
    """Write the appliance's data to a file.

    Neither the volumes nor secret.key are in it; without secret.key the secrets of deployments
    can't be opened. Only you can read the file.
    """
    size = _write(file, remote.chunks("/backup"))
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        tell(f"{file}: {size} bytes")


def templates(
    remote: Remote,
    *,
    template: Annotated[str | None, typer.Argument(help="One of them, in full.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the templates, or show one."""
    if template:
        found = remote.get(f"/templates/{quote(template, safe='')}")["template"]
        print_json(found) if as_json else print_facts(_template_facts(found))
        return
    all_of_them = remote.get("/templates")["templates"]
    if as_json:
        print_json(all_of_them)
    else:
        rows = ((t["id"], t["category"], t["image"], t["description"]) for t in all_of_them)
        print_table(("ID", "CATEGORY", "IMAGE", "DESCRIPTION"), rows)


def node(remote: Remote, *, as_json: AsJson = False) -> None:
    """Show this machine as the API does."""
    found = remote.get("/nodes")["nodes"][0]
    if as_json:
        print_json(found)
    else:
        print_facts(_node_facts(found))


def audit_ls(
    remote: Remote,
    *,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show who did what, newest first."""
    entries = remote.get("/audit", limit=limit)["entries"]
    if as_json:
        print_json(entries)
    else:
        keys = ("at", "actor", "action", "object", "result", "address")
        print_table(tuple(k.upper() for k in keys), ([e[key] for key in keys] for e in entries))


def audit_verify(remote: Remote, *, as_json: AsJson = False) -> None:
    """Tell whether the audit log is as it was written. Fails if it is not."""
    found = remote.get("/audit/verify")
    if as_json:
        print_json(found)
    elif found["intact"]:
        tell(f"{found['entries']} entries, all as they were written")
    if not found["intact"]:
        text = f"entry {found['firstBroken']} of {found['entries']} is missing or was changed"
        raise CommandFailed(text)


def _write(file: Path, chunks: Iterable[bytes]) -> int:
    """Whole or not at all, mode 0600: a backup holds every account. Returns the size in bytes."""
    try:
        goal = _replaceable(file)
        descriptor, name = tempfile.mkstemp(dir=goal.parent, prefix=f".{goal.name}.")
    except OSError as error:
        raise CommandFailed(f"{file} can't be written: {error.strerror}") from error
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as target:
            for chunk in chunks:
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
            size = target.tell()
        part.replace(goal)
    except OSError as error:
        raise CommandFailed(f"{file} can't be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return size


def _replaceable(file: Path) -> Path:
    """Where ``file`` leads to. Root could put a file in place of anything: ``/dev/null``, say."""
    goal = Path(os.path.realpath(file))
    if goal.exists() and not goal.is_file():
        raise CommandFailed(f"{file} can't be written: it is no regular file")
    return goal


def _check_json(check: "Check") -> JsonObject:
    return {
        "name": check.name,
        "status": check.status,
        "detail": check.detail,
        "remedy": check.remedy,
        "why": check.why,
    }


def _observed(settings: Settings) -> list[JsonObject]:
    """The findings of the appliance that runs here; without one, that they can't be made."""
    from appliance import diagnosis  # noqa: PLC0415 - no other command needs it

    try:
        with connect(None, None, settings.data_dir) as remote:
            return list(remote.get("/doctor/observed")["checks"])
    except CommandFailed:
        return [_check_json(check) for check in diagnosis.observed(settings, None)]


def _text(check: JsonObject) -> str:
    text = f"{check['status']:<7} {check['name']}: {check['detail']}"
    return "\n        ".join(part for part in (text, check["why"], check["remedy"]) if part)


def _template_facts(template: JsonObject) -> list[tuple[str, object]]:
    ports = (f"{port['port']}/{port['protocol']}" for port in template["ports"])
    health = template.get("health") or {}
    return [
        *((key, template[key]) for key in ("id", "name", "description", "category", "image")),
        ("ports", " ".join(ports) or None),
        *(("env", _variable(variable)) for variable in template["env"]),
        *(("volume", f"{v['name']}:{v['path']}") for v in template["volumes"]),
        ("health", health.get("path")),
        ("access", template["access"]),
        ("needs a GPU", "yes" if (template.get("gpu") or {}).get("required") else None),
    ]


def _variable(variable: JsonObject) -> str:
    default = f"={variable['default']}" if variable.get("default") else ""
    marks = "".join(f" ({mark})" for mark in ("required", "secret") if variable.get(mark))
    return f"{variable['name']}{default}{marks} {variable.get('description') or ''}".strip()


def _node_facts(node: JsonObject) -> list[tuple[str, object]]:
    """The node with its specs and what it has left unfolded, and a line a GPU."""
    plain = [(key, value) for key, value in node.items() if key not in FOLDED]
    left = [(f"{key} left", value) for key, value in node.get("available", {}).items()]
    gpus = [("gpu", f"{gpu['name']} {gpu.get('vramMb')} MiB") for gpu in node["gpus"]]
    return [*plain, *node["specs"].items(), *left, *gpus]
