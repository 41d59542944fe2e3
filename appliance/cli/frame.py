"""What every command stands in: its group, the options of all, and how it ends."""

import errno
from typing import Annotated

import typer

from appliance import __version__
from appliance.cli.exits import MEANINGS, CommandFailed, ExitCode
from appliance.cli.output import print_failure, tell

EXITS = "Exit codes: " + "; ".join(f"{code.value} {text}" for code, text in MEANINGS.items()) + "."


def run(app: typer.Typer) -> int:
    """Runs the command of ``sys.argv``; the exit code of one that failed."""
    try:
        app()
    except CommandFailed as error:
        print_failure(error)
        return error.code
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print_failure(CommandFailed("the disk is full: the answer can't be written"))
        return ExitCode.FAILED
    return ExitCode.OK


def whole() -> typer.Typer:
    """The command line, still without a command."""
    app = group(f"Neuranet Appliance {__version__}: your own machine runs containers.")
    app.info.epilog = EXITS
    app.callback()(_global_options)
    return app


def group(about: str) -> typer.Typer:
    """Commands under one name."""
    return typer.Typer(
        help=about,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        tell(__version__)
        raise typer.Exit


def _global_options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print it."),
    ] = False,
) -> None:
    del version  # its callback has done it
