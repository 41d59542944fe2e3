"""Every command under its name."""

from typing import Annotated

import typer

from appliance import __version__
from appliance.cli import accounts, deploy, deployments, machine, streams
from appliance.cli.exits import MEANINGS, CommandFailed, ExitCode
from appliance.cli.options import Command, with_remote, with_settings
from appliance.cli.output import print_failure, tell

OWN_PROCESS: tuple[Command, ...] = (machine.serve, machine.doctor, machine.restore)
REMOTE: tuple[Command, ...] = (
    deploy.deploy,
    deployments.ps,
    deployments.show,
    streams.logs,
    streams.events,
    deployments.start,
    deployments.stop,
    deployments.restart,
    deployments.update,
    deployments.rm,
    machine.templates,
    machine.node,
    machine.backup,
    accounts.setup,
)
USER: dict[str, Command] = {
    "add": accounts.user_add,
    "ls": accounts.user_ls,
    "rm": accounts.user_rm,
}
TOKEN: dict[str, Command] = {
    "create": accounts.token_create,
    "ls": accounts.token_ls,
    "revoke": accounts.token_revoke,
}
AUDIT: dict[str, Command] = {"ls": machine.audit_ls, "verify": machine.audit_verify}
EXITS = "Exit codes: " + "; ".join(f"{code.value} {text}" for code, text in MEANINGS.items()) + "."


def run() -> int:
    """Runs the command of ``sys.argv``; the exit code of one that failed."""
    try:
        build()()
    except CommandFailed as error:
        print_failure(error)
        return error.code
    return ExitCode.OK


def build() -> typer.Typer:
    """The command line with all its commands."""
    app = _group(f"Neuranet Appliance {__version__}: your own machine runs containers.")
    app.info.epilog = EXITS
    app.callback()(_global_options)
    for own in OWN_PROCESS:
        app.command()(with_settings(own))
    for remote in REMOTE:
        app.command()(with_remote(remote))
    for name, about, commands in (
        ("user", "Manage users.", USER),
        ("token", "Manage API tokens.", TOKEN),
        ("audit", "Show and verify the audit log.", AUDIT),
    ):
        group = _group(about)
        for verb, command in commands.items():
            group.command(verb)(with_remote(command))
        app.add_typer(group, name=name)
    return app


def _group(about: str) -> typer.Typer:
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
