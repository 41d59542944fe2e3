"""What is written: JSON for programs, tables and sentences for people; errors on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from appliance.cli.exits import CommandFailed

PIPE_COLUMNS = 10_000
"""Where nobody reads on a screen, nothing is wrapped."""


def print_json(value: object) -> None:
    """One JSON document, as the API answered it."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_line(value: object) -> None:
    """One JSON value a line, for what goes on and on."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under their column names; None is a dash."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    _print_table(table)


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """A name and a value a line; what is None is left out."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts:
        if value is not None:
            table.add_row(Text(name, style="bold"), _cell(value))
    _print_table(table)


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


def _print_table(table: Table) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    with console.capture() as drawn:
        console.print(table)
    # rich fills the last column with spaces
    print("\n".join(line.rstrip() for line in drawn.get().splitlines()))


def _cell(value: object) -> Text:
    return Text("-" if value is None or value == "" else printable(value))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
