"""What is written: JSON for programs, sentences for people; errors on stderr."""

import json
import sys
from typing import Any

from appliance.cli.exits import CommandFailed


def print_json(value: object) -> None:
    """One JSON document, as the API answered it."""
    print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)


def print_json_line(value: object) -> None:
    """One JSON value a line, for what goes on and on."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def tell(text: str) -> None:
    """A sentence on stdout."""
    print(printable(text), flush=True)


def remark(text: str) -> None:
    """A sentence on stderr, beside the result."""
    print(printable(text), file=sys.stderr, flush=True)


def print_failure(error: CommandFailed) -> None:
    """Why the command failed: the message, then each wrong field on its own line."""
    remark(f"error: {error}")
    for detail in error.details:
        remark(f"  {detail}")


def printable(value: object) -> str:
    """Text that can't steer the terminal: control characters but line breaks are escaped."""
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in str(value))


def status_text(deployment: dict[str, Any]) -> str:
    """``running``, or ``failed (image_not_found)`` where there is a reason."""
    reason = deployment.get("statusReason")
    return f"{deployment['status']} ({reason['code']})" if reason else str(deployment["status"])


def money(cents: int) -> str:
    """Cents as units and hundredths; the contract names no currency."""
    return f"{cents // 100}.{cents % 100:02d}"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
