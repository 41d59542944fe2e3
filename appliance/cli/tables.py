"""Tables for people."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from appliance.cli.output import printable

PIPE_COLUMNS = 10_000
"""Where nobody reads on a screen, nothing is wrapped."""


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


def _print_table(table: Table) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    with console.capture() as drawn:
        console.print(table)
    # rich fills the last column with spaces
    print("\n".join(line.rstrip() for line in drawn.get().splitlines()), flush=True)


def _cell(value: object) -> Text:
    return Text("-" if value is None or value == "" else printable(value))
