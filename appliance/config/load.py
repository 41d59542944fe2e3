"""From flags, environment and ``appliance.toml`` to settings, or to all that is wrong."""

import difflib
import os
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from appliance.config import parse
from appliance.config.settings import Settings

PREFIX = "APPLIANCE_"
FILE_NAME = "appliance.toml"
SETTINGS: Mapping[str, Field[Any]] = {f.name: f for f in fields(Settings)}

OTHER_VARIABLES = frozenset(
    {
        "APPLIANCE_URL",  # the command line: where the appliance is
        "APPLIANCE_TOKEN",  # the command line: what to show there
    }
)
"""Variables of ours that are no settings."""

SOCKET_PATH_BYTES = 107
"""The longest path of a unix socket (unix(7): 108 bytes with the closing NUL)."""

A_SOCKET = "a1b2c3.sock"
"""As long as every name that our Podman service gives its socket, the deepest one of ours."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong setting: where it stands, what it was, what it may be."""

    where: str
    value: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.value!r} {self.message}"


@dataclass(frozen=True, slots=True)
class Raw:
    """A value not read yet, and where it stands."""

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """A setting, its value as text, and where it stands: a flag, a variable, the file, nowhere."""

    name: str
    value: str | None
    source: str
    help: str


class SettingsError(Exception):
    """Settings are wrong; carries every one of them."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


def load(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> Settings:
    """Settings from ``flags`` (by setting name, None where not given), ``environ`` and the file.

    Raises:
        SettingsError: with everything that is wrong, in any source.
    """
    data_dir = find_data_dir(flags.get("data_dir"), environ)
    problems = [*_too_long(data_dir), *_unknown_variables(environ)]
    raw = {
        **_from_file(data_dir / FILE_NAME, problems),
        **_from_environ(environ),
        **{name: Raw(flag(name), text) for name, text in flags.items() if text is not None},
    }
    _choose_podman(raw, environ, problems)
    _check_key(raw, problems)
    values = _parsed(raw, problems)
    if problems:
        raise SettingsError(*problems)
    return Settings(**{**values, "data_dir": data_dir})


def in_force(settings: Settings, environ: Mapping[str, str]) -> list[SettingInForce]:
    """Each of ``settings``, which were loaded with ``environ``; none of them is a secret."""
    raw = {**_from_file(settings.data_dir / FILE_NAME, []), **_from_environ(environ)}
    _choose_podman(raw, environ, [])
    standing = _parsed(raw, [])
    defaults = {name: field.default for name, field in SETTINGS.items()}
    defaults["data_dir"] = parse.path(_usual_data_dir(environ))
    found = []
    for name, field in SETTINGS.items():
        value = getattr(settings, name)
        source = "default" if value == defaults[name] else flag(name)
        if name in raw and standing.get(name) == value:
            source = raw[name].where
        text = None if value is None else parse.written(value)
        found.append(SettingInForce(name, text, source, field.metadata["help"]))
    return found


def find_data_dir(given: str | None, environ: Mapping[str, str]) -> Path:
    """The data directory: ``given`` by a flag, else the environment's, else the user's own.

    Raises:
        SettingsError: it is in the home of a user who has none.
    """
    text = given or environ.get(variable("data_dir")) or _usual_data_dir(environ)
    try:
        return parse.path(text)
    except ValueError as error:
        raise SettingsError(Problem("data_dir", text, str(error))) from error


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def flag(name: str) -> str:
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")


def _usual_data_dir(environ: Mapping[str, str]) -> str:
    if os.geteuid() == 0:
        return "/var/lib/appliance"
    return (environ.get("XDG_DATA_HOME") or "~/.local/share") + "/appliance"


def _too_long(data_dir: Path) -> Iterator[Problem]:
    longest = Settings(data_dir=data_dir).podman_dir / A_SOCKET
    excess = len(os.fsencode(longest)) - SOCKET_PATH_BYTES
    if excess > 0:
        message = f"is {excess} bytes too long for the unix sockets below it"
        yield Problem("data_dir", str(data_dir), message)


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[Problem]:
    known = {variable(name) for name in SETTINGS} | OTHER_VARIABLES
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            yield Problem(name, environ[name], "is not a setting" + _hint(name, known))


def _hint(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _from_environ(environ: Mapping[str, str]) -> dict[str, Raw]:
    """An empty variable counts as not set, as environment files write it."""
    pairs = ((name, variable(name)) for name in SETTINGS)
    return {name: Raw(key, environ[key]) for name, key in pairs if environ.get(key)}


def _from_file(file: Path, problems: list[Problem]) -> dict[str, Raw]:
    table = _read_toml(file, problems)
    raw = {}
    for key, value in table.items():
        entry = Raw(f"{key} in {file}", str(value))
        wrong = _wrong_entry(key, value)
        if wrong:
            problems.append(Problem(entry.where, entry.text, wrong))
        else:
            raw[key] = entry
    return raw


def _read_toml(file: Path, problems: list[Problem]) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        problems.append(Problem("settings file", str(file), f"can't be read: {error}"))
        return {}


def _wrong_entry(key: str, value: object) -> str | None:
    if key == "data_dir":
        return f"can't stand in the file it leads to; use {flag(key)} or {variable(key)}"
    if key not in SETTINGS:
        return "is not a setting" + _hint(key, SETTINGS.keys() - {"data_dir"})
    if isinstance(value, bool) or not isinstance(value, str | int):
        return "must be a text or a whole number"
    return None


def _choose_podman(
    raw: dict[str, Raw], environ: Mapping[str, str], problems: list[Problem]
) -> None:
    """A storage of our own and somebody else's service exclude each other."""
    root, host = raw.get("podman_root"), environ.get("CONTAINER_HOST")
    if root is None:
        if host:
            raw.setdefault("podman_url", Raw("CONTAINER_HOST", host))
    elif "podman_url" in raw:
        message = "means nothing beside podman_url: that service has a storage of its own"
        problems.append(Problem(root.where, root.text, message))


def _check_key(raw: Mapping[str, Raw], problems: list[Problem]) -> None:
    """A key is nothing without its certificate; a certificate's file may hold both."""
    key = raw.get("tls_key")
    if key is not None and "tls_cert" not in raw:
        problems.append(Problem(key.where, key.text, "needs tls_cert beside it"))


def _parsed(raw: Mapping[str, Raw], problems: list[Problem]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, entry in raw.items():
        try:
            values[name] = SETTINGS[name].metadata["parser"](entry.text)
        except ValueError as error:
            problems.append(Problem(entry.where, entry.text, str(error)))
    return values
