"""Podman's ``k8s-file`` log as bytes: its records, and the lines they join to. No files here.

One record a line, in the Kubernetes CRI log format as conmon writes it (``ctr_logging.c``)::

    2026-11-23T18:57:20.217615070+00:00 stdout F line1

The offset is the host's time zone. ``F`` ends a line, ``P`` is a piece of one that goes on: conmon
writes one wherever a read of the container's pipe ended without a newline. All records of one
such read carry the same timestamp, hundreds of lines in a burst, so a timestamp alone can't say
how far a reader came; a ``Place`` can.

The order of lines is that of their last records: a line begun before another and ended after it
comes after it, although its timestamp, which is that of its first piece, is older. So a follower
never holds a line back, and ``tail`` shows the order that a follower saw.
"""

import re
from calendar import timegm
from codecs import utf_8_decode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Self

from appliance.domain.instant import EPOCH, to_us
from appliance.domain.logline import LogLine, Stream

LINE_LIMIT_BYTES = 16 * 1024
CUT_MARK = "… [cut at 16 KiB]"
NS_PER_SECOND = 1_000_000_000

_HEADER = (
    rb"(?P<stamp>[12]\d{3}-(?:0[1-9]|1[0-2])-\d\dT\d\d:\d\d:\d\d\.\d{9}[+-]\d\d:\d\d)"
    rb" (?P<stream>stdout|stderr) (?P<tag>[FP]) "
)
RECORD_START = re.compile(_HEADER)
NEXT_RECORD = re.compile(rb"\n" + _HEADER)
HEADER_BYTES = len(b"2026-11-23T18:57:20.217615070+00:00 stdout F ")
_KEPT_BYTES = LINE_LIMIT_BYTES + 1  # the byte past the limit tells that the line was cut

_CURSOR = re.compile(
    r"(?P<second>[12]\d{3}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,9}))?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)(?:/(?P<offset>\d{1,15})(?P<flushed>\+?))?",
    re.ASCII,
)
_DROPPED = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if code != ord("\t")}
_CLEANING = _DROPPED | {0x1B: "␛"}


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before a record's content; ``position`` is its first byte's in the file."""

    position: int
    stamp: bytes
    stream: Stream
    ends_line: bool

    @classmethod
    def of(cls, found: re.Match[bytes], position: int) -> Self:
        """From a match of ``RECORD_START`` or ``NEXT_RECORD``."""
        stream: Stream = "stdout" if found["stream"] == b"stdout" else "stderr"
        return cls(position, found["stamp"], stream, found["tag"] == b"F")


@dataclass(frozen=True, slots=True)
class Place:
    """How far a reader came in a file: past the record at ``offset``, written at ``instant_ns``.

    ``flushed`` means that unfinished lines up to there were shown too. ``offset`` is None where
    only a time is known: past all that was written at it.
    """

    instant_ns: int
    offset: int | None
    flushed: bool = False

    @classmethod
    def parse(cls, cursor: str) -> Self:
        """From a ``LogLine.cursor``, or from an RFC 3339 timestamp alone.

        Raises:
            ValueError: it is neither.
        """
        found = _CURSOR.fullmatch(cursor)
        if found is None:
            raise ValueError("expected the cursor of a log line, or an RFC 3339 timestamp")
        second = datetime.fromisoformat(found["second"] + found["zone"])
        fraction_ns = int((found["fraction"] or "0").ljust(9, "0"))
        offset = None if found["offset"] is None else int(found["offset"])
        return cls(to_us(second) * 1000 + fraction_ns, offset, flushed=bool(found["flushed"]))

    def __str__(self) -> str:
        if self.offset is None:
            return timestamp(self.instant_ns)
        return f"{timestamp(self.instant_ns)}/{self.offset}{'+' if self.flushed else ''}"


@dataclass(frozen=True, slots=True)
class Joined:
    """A line of all its pieces so far; ``offset`` is that of its last record.

    ``content`` keeps one byte past the limit where the line is longer.
    """

    first_stamp: bytes
    last_stamp: bytes
    offset: int
    stream: Stream
    content: bytes
    finished: bool

    @property
    def started_ns(self) -> int:
        """When its first piece was written, in nanoseconds since 1970."""
        return instant_ns(self.first_stamp)

    @property
    def place(self) -> Place:
        """How far one has come who saw this line last."""
        return Place(instant_ns(self.last_stamp), self.offset, flushed=not self.finished)

    def line(self, place: Place | None = None) -> LogLine:
        """As it may be shown; its cursor is that of ``place`` where one is given."""
        started = timestamp(self.started_ns)
        return LogLine(started, self.stream, clean(self.content), str(place or self.place))


class LogParser:
    """Joins a file's records to lines, chunk by chunk, from the record at ``offset`` on.

    What is no record is passed over. Holds at most one record and one line a stream, cut.
    """

    def __init__(self, offset: int) -> None:
        self.fed_to = offset
        self._record_at = offset
        self._rest = b""
        self._open: dict[Stream, Joined] = {}
        self._last: Joined | None = None

    @property
    def place(self) -> Place | None:
        """Past the last record, whatever its stream, and all unfinished lines; None before any."""
        return None if self._last is None else replace(self._last.place, flushed=True)

    def feed(self, chunk: bytes) -> Iterator[Joined]:
        """The lines that ``chunk``, the file's next bytes, ends. To be consumed whole."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            joined = self._add(self._rest + end)
            self.fed_to += len(end) + 1
            self._record_at, self._rest = self.fed_to, b""
            if joined is not None and joined.finished:
                yield joined
        self.fed_to += len(rest)
        self._rest = (self._rest + rest)[: HEADER_BYTES + _KEPT_BYTES]

    def unfinished(self) -> list[Joined]:
        """The lines that were begun and not ended, in order."""
        return sorted(self._open.values(), key=lambda joined: joined.offset)

    def next_file(self) -> None:
        """What is fed from now on comes from the start of the file that continues this one."""
        self._record_at = self.fed_to = 0
        self._rest = b""

    def _add(self, record: bytes) -> Joined | None:
        found = RECORD_START.match(record)
        if found is None:
            return None
        header = Header.of(found, self._record_at)
        joined = _extended(self._open.pop(header.stream, None), header, record[HEADER_BYTES:])
        if not joined.finished:
            self._open[header.stream] = joined
        self._last = joined
        return joined


def _extended(begun: Joined | None, header: Header, content: bytes) -> Joined:
    return Joined(
        first_stamp=header.stamp if begun is None else begun.first_stamp,
        last_stamp=header.stamp,
        offset=header.position,
        stream=header.stream,
        content=(content if begun is None else begun.content + content)[:_KEPT_BYTES],
        finished=header.ends_line,
    )


def clean(content: bytes) -> str:
    """Text that harms no terminal and no page: nothing of C0, DEL and C1 but tabs; ESC as ``␛``.

    What is not UTF-8 becomes U+FFFD. Past 16 KiB of content a line is cut, at a whole character,
    and ends in ``CUT_MARK``.
    """
    cut = len(content) > LINE_LIMIT_BYTES
    text, _ = utf_8_decode(content[:LINE_LIMIT_BYTES], "replace", not cut)
    return text.translate(_CLEANING) + (CUT_MARK if cut else "")


@lru_cache(maxsize=1024)  # lines of a burst share one, and one is needed thrice a line
def instant_ns(stamp: bytes) -> int:
    """Nanoseconds since 1970 of a record's timestamp, whatever the offset it is written in."""
    date_and_time = (stamp[:4], stamp[5:7], stamp[8:10], stamp[11:13], stamp[14:16], stamp[17:19])
    east_s = int(stamp[30:32]) * 3600 + int(stamp[33:35]) * 60
    local_s = timegm(tuple(map(int, date_and_time)))  # total, unlike datetime: no 30 February
    utc_s = local_s + east_s if stamp[29:30] == b"-" else local_s - east_s
    return utc_s * NS_PER_SECOND + int(stamp[20:29])


@lru_cache(maxsize=1024)
def timestamp(instant: int) -> str:
    """RFC 3339 in UTC with nanoseconds, ending in ``Z``, of nanoseconds since 1970."""
    seconds, nanoseconds = divmod(instant, NS_PER_SECOND)
    moment = (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)
    return f"{moment.isoformat()}.{nanoseconds:09}Z"
