"""Every command under its name."""

import typer

from appliance.cli import accounts, deploy, deployments, machine, serving, streams
from appliance.cli.frame import group, whole
from appliance.cli.options import Command, with_remote, with_settings

OWN_PROCESS: tuple[Command, ...] = (serving.serve, machine.doctor, machine.restore)
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


def build() -> typer.Typer:
    """The command line with all its commands."""
    app = whole()
    for own in OWN_PROCESS:
        app.command()(with_settings(own))
    for remote in REMOTE:
        app.command()(with_remote(remote))
    for name, about, commands in (
        ("user", "Manage users.", USER),
        ("token", "Manage API tokens.", TOKEN),
        ("audit", "Show and verify the audit log.", AUDIT),
    ):
        noun = group(about)
        for verb, command in commands.items():
            noun.command(verb)(with_remote(command))
        app.add_typer(noun, name=name)
    return app
