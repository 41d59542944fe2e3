"""Options that many commands share, added to their signatures in one place."""

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import typer

from appliance.cli.exits import CommandFailed, ExitCode
from appliance.cli.remote import Remote, connect
from appliance.config import SettingsError, find_data_dir, flag, load
from appliance.config.load import SETTINGS

Command = Callable[..., None]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as the API answers it.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return when it is done.")]
Timeout = Annotated[int, typer.Option("--timeout", min=1, help="Seconds to wait at most.")]

URL = typer.Option(
    "--url", envvar="APPLIANCE_URL", help="An appliance elsewhere; APPLIANCE_TOKEN is its token."
)
DATA_DIR = typer.Option("--data-dir", help="Data directory of the appliance on this machine.")


def with_remote(command: Command) -> Command:
    """The command, with ``--url`` and ``--data-dir`` in place of its first parameter."""

    @wraps(command)
    def run(*, url: str | None, data_dir: str | None, **given: Any) -> None:  # noqa: ANN401 - typer checked them
        with find_remote(url, data_dir) as remote:
            command(remote, **given)

    return _with_options(run, command, (("url", URL), ("data_dir", DATA_DIR)))


def with_settings(command: Command) -> Command:
    """The command, with a flag for every setting in place of its first parameter."""

    @wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - typer checked them
        flags = {name: given.pop(name) for name in SETTINGS}
        try:
            settings = load(flags, os.environ)
        except SettingsError as error:
            raise _wrong_settings(error) from error
        command(settings, **given)

    options = ((name, _setting_option(name)) for name in SETTINGS)
    return _with_options(run, command, options)


def find_remote(url: str | None, data_dir: str | None) -> AbstractContextManager[Remote]:
    """The appliance that the two options lead to.

    Raises:
        CommandFailed: they lead nowhere.
    """
    try:
        directory = find_data_dir(data_dir, os.environ)
    except SettingsError as error:
        raise _wrong_settings(error) from error
    return connect(url, os.environ.get("APPLIANCE_TOKEN"), directory)


def _setting_option(name: str) -> Any:  # noqa: ANN401 - as typer.Option()
    return typer.Option(flag(name), help=SETTINGS[name].metadata["help"], show_default=False)


def _wrong_settings(error: SettingsError) -> CommandFailed:
    details = tuple(str(problem) for problem in error.problems)
    return CommandFailed("the settings are wrong:", ExitCode.USAGE, details)


def _with_options(run: Command, command: Command, options: Iterable[tuple[str, Any]]) -> Command:
    """``run`` as typer reads it: the parameters of ``command`` but its first, then ``options``."""
    own = list(signature(command, eval_str=True).parameters.values())[1:]
    shared = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=_optional(option))
        for name, option in options
    ]
    parameters = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in own] + shared
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined] # inspect reads it (PEP 362)
    return run


def _optional(option: Any) -> Any:  # noqa: ANN401 - as typer.Option()
    return Annotated[str | None, option]
