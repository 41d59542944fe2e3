"""Logging as key=value lines on stderr: one event a line, times in UTC, no secret in any of them.

``log.info("pulled", extra={"deployment": "dep_4k2v9xq0m7ab", "duration_ms": 812})`` becomes
``time=2026-01-15T10:30:00.123Z level=info logger=appliance.engine event=pulled deployment=…``.
An error answered with an ``errorId`` is logged with the field ``errorId``, so that one finds
the other (``problem.py``).
"""

import json
import logging
import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TextIO

TOKEN = re.compile(r"\b(nn|nd)_([0-9a-z]+)_[0-9A-Za-z_-]+")
"""A user's or a deployment's token; its middle is a public id, which may be shown."""

PLAIN = re.compile(r"[^\s\"=\\]+")
"""What needs no quotes as a value."""

PROBLEMS = "appliance.problem"
PROBLEMS_A_MINUTE = 30
"""Of one code. Strangers make any number of them, of a few codes each."""

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""The attributes every record has; all others came by ``extra``."""


def redact(text: str) -> str:
    """``text`` with the secret part of every token gone."""
    return TOKEN.sub(r"\1_\2_***", text)


class KeyValueFormatter(logging.Formatter):
    """One line a record, whatever is in it: line breaks are escaped inside quotes."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, redacted as a whole, so that no field can slip by."""
        return redact(" ".join(f"{key}={_quoted(value)}" for key, value in self._fields(record)))

    def _fields(self, record: logging.LogRecord) -> Iterator[tuple[str, object]]:
        moment = datetime.fromtimestamp(record.created, UTC)
        yield "time", moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        yield "level", record.levelname.lower()
        yield "logger", record.name
        yield "event", record.getMessage()
        yield from ((k, v) for k, v in vars(record).items() if k not in STANDARD)
        if record.exc_info:
            yield "exception", self.formatException(record.exc_info)


class Bounded(logging.Filter):
    """Lets only the first problems of each code in a minute pass, and says so with the last.

    By code, so that whoever floods us with one hides no other. Defects pass always.
    """

    def __init__(self) -> None:
        super().__init__()
        self._minute = 0
        self._told: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; its own time says of which minute it is."""
        if record.name != PROBLEMS or record.exc_info:
            return True
        minute, code = int(record.created // 60), vars(record)["code"]
        if minute != self._minute:
            self._minute, self._told = minute, Counter()
        self._told[code] += 1
        if self._told[code] == PROBLEMS_A_MINUTE:
            record.more = "not told until the next minute"
        return self._told[code] <= PROBLEMS_A_MINUTE


def set_up(level: str, stream: TextIO | None = None) -> None:
    """Sends everything from ``level`` (``debug`` … ``error``) on to ``stream``, stderr if None."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    handler.addFilter(Bounded())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # a line for every request to Podman or to a health check drowns what matters
    for name in ("httpx", "httpcore", "urllib3", "podman", "asyncio", "aiosqlite"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


def _quoted(value: object) -> str:
    text = str(value)
    return text if PLAIN.fullmatch(text) and text.isprintable() else json.dumps(text)
