"""``appliance serve``: it lives for months, so no other command comes along for the ride."""

import typer

from appliance import log
from appliance.cli.frame import whole
from appliance.cli.options import with_settings
from appliance.config import Settings
from appliance.host import memory


def build() -> typer.Typer:
    """The command line with this command alone."""
    app = whole()
    app.command()(with_settings(serve))
    return app


def serve(settings: Settings) -> None:
    """Run the appliance in the foreground."""
    from appliance import supervisor  # noqa: PLC0415 - no other command needs the whole house

    memory.gather()
    log.set_up(settings.log_level)
    raise typer.Exit(supervisor.run(settings))
