"""What was typed, as the API wants it; what can't be meant is refused with what may be."""

import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from appliance.cli.exits import CommandFailed, ExitCode
from appliance.domain.instant import rfc3339

DURATION = re.compile(r"([0-9]{1,9})([smhd])")
DURATION_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([mg])(?:i?b)?", re.IGNORECASE)
MIB_OF = {"m": 1, "g": 1024}
VOLUME = re.compile(r"([^/:]+):(/.*)")
PORT = re.compile(r"([0-9]{1,5})(?:/(http|tcp))?")


def variables(pairs: Iterable[str], option: str, environ: Mapping[str, str]) -> dict[str, str]:
    """``K=V`` pairs; ``K`` alone takes the value from the environment, unseen by ``ps``."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or (not equals and name not in environ):
            raise _wrong(option, name, "must be NAME=VALUE, or the NAME of a variable that is set")
        found[name] = value if equals else environ[name]
    return found


def ports(texts: Iterable[str]) -> list[dict[str, Any]]:
    """``8080``, ``8080/http`` or ``5432/tcp``."""
    return [_port(text) for text in texts]


def volumes(texts: Iterable[str]) -> list[dict[str, str]]:
    """``NAME:/path/in/the/container``."""
    return [_volume(text) for text in texts]


def memory_mb(text: str, option: str) -> int:
    """``512m`` or ``2g`` in MiB."""
    match = MEMORY.fullmatch(text)
    if not match:
        raise _wrong(option, text, "must be a size, such as 512m or 2g")
    return int(float(match[1]) * MIB_OF[match[2].lower()])


def gpus(text: str) -> int | list[str]:
    """``2``, or ``GPU-6a5b,1``: a number alone is how many; ``1,`` is the one of that index."""
    if text.isdecimal():
        return int(text)
    return [part for part in text.split(",") if part]


def words(text: str, option: str) -> list[str]:
    """A command split as a shell would."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise _wrong(option, text, f"can't be split into words: {error}") from error


def moment(text: str, option: str, now: datetime, *, sign: int) -> str:
    """``10m`` before (``sign`` -1) or after (1) ``now``, or an ISO timestamp, as RFC 3339."""
    match = DURATION.fullmatch(text)
    try:
        if match:
            return rfc3339(now + sign * timedelta(**{DURATION_UNITS[match[2]]: int(match[1])}))
        return rfc3339(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise _wrong(option, text, "must be such as 90s, 10m, 2h, 30d, or an ISO time") from None


def _port(text: str) -> dict[str, Any]:
    match = PORT.fullmatch(text)
    if not match:
        raise _wrong("--port", text, "must be such as 8080, 8080/http or 5432/tcp")
    port = {"port": int(match[1])}
    return {**port, "protocol": match[2]} if match[2] else port


def _volume(text: str) -> dict[str, str]:
    match = VOLUME.fullmatch(text)
    if not match:
        raise _wrong("--volume", text, "must be NAME:/path/in/the/container")
    return {"name": match[1], "path": match[2]}


def _wrong(option: str, text: str, may_be: str) -> CommandFailed:
    return CommandFailed(f"{option}: {text!r} {may_be}", ExitCode.USAGE)
