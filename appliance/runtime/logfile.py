"""Reads a container's log file directly: its last lines, and the place where a time begins.

Podman's own API can't do it: whole seconds, split lines, a linear scan for a time (measured on
4.3.1 and 5.4.2). What is read here is bounded by what is asked for, not by the size of the file.

The file is shared with its writer, conmon, which starts over at the size limit. It does so with a
new file in the old one's place; other writers truncate in place. The first is harmless to who
has the old one open. Against the second, every read is checked *after* it by the file's first
record, whose nanoseconds tell one life of a file from the next: bytes of two lives never meet.
"""

import os
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Self

from appliance.domain.instant import to_us
from appliance.domain.logline import LogLine, Stream
from appliance.runtime.logrecords import (
    HEADER_BYTES,
    NEXT_RECORD,
    RECORD_START,
    Header,
    Joined,
    LogParser,
    instant_ns,
)

BLOCK_BYTES = 16 * 1024
CHUNK_BYTES = 64 * 1024
LOOK_BACK_RECORDS = 2048
READ_ATTEMPTS = 5
STREAMS: tuple[Stream, ...] = ("stdout", "stderr")


class LogTruncatedError(Exception):
    """The file started over while it was read; what was read of it is not to be used."""


class LogFile:
    """One life of a log file, held open: from its first record until it is truncated.

    A context manager.
    """

    def __init__(self, descriptor: int, head: bytes) -> None:
        self._descriptor = descriptor
        self._head = head

    @classmethod
    def open(cls, path: Path) -> Self | None:
        """The file as it is now; None if it is missing or has no first record yet.

        Raises:
            OSError: it is there and can't be read.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        file = cls(descriptor, os.pread(descriptor, HEADER_BYTES, 0))
        if len(file._head) == HEADER_BYTES:
            return file
        file.close()
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of it."""
        os.close(self._descriptor)

    def status(self) -> os.stat_result:
        """fstat(2)."""
        return os.fstat(self._descriptor)

    @property
    def first_ns(self) -> int | None:
        """When its first record was written; None if it doesn't begin with one."""
        found = RECORD_START.match(self._head)
        return None if found is None else instant_ns(found["stamp"])

    def read(self, start: int, end: int) -> bytes:
        """The bytes of [``start``, ``end``), fewer where the file ends before.

        Raises:
            LogTruncatedError: they may be of another life of the file.
        """
        content = os.pread(self._descriptor, end - start, start)
        if os.pread(self._descriptor, HEADER_BYTES, 0) != self._head:
            raise LogTruncatedError
        return content

    def records_end(self) -> int:
        """Behind the last whole record: what follows is still being written."""
        for start, end in _blocks_backwards(self.status().st_size):
            newline = self.read(start, end).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
        return 0

    def headers(self, start: int, end: int) -> Iterator[Header]:
        """Of the records that begin in [``start``, ``end``), read at once."""
        # a record begins behind a newline only: a container may write what looks like a header
        before = b"\n" if start == 0 else b""
        content = before + self.read(max(start - 1, 0), end + HEADER_BYTES)
        for found in NEXT_RECORD.finditer(content):
            if found.start() >= end - start:
                return
            yield Header.of(found, start + found.start())

    def headers_backwards(self, end: int) -> Iterator[Header]:
        """Of the records that begin before ``end``, the last one first."""
        for start, stop in _blocks_backwards(end):
            yield from reversed(list(self.headers(start, stop)))


def tail(path: Path, *, count: int, since: datetime | None) -> list[LogLine]:
    """The last ``count`` lines at or after ``since`` (aware), oldest first; [] without a file.

    A line that is not ended, because its container stopped first or still writes it, is shown as
    far as it goes. A line is whole if it began at most 2048 records before the first one shown;
    of a longer one the end is shown. Where the clock was set back, ``since`` ends the search at
    the newest record that is older.

    Raises:
        OSError: the file is there and can't be read.
    """
    since_ns = 0 if since is None else to_ns(since)
    for _ in range(READ_ATTEMPTS):
        file = LogFile.open(path)
        if file is None:
            return []
        with file, suppress(LogTruncatedError):
            return _tail(file, count, since_ns)
    return []


def _tail(file: LogFile, count: int, since_ns: int) -> list[LogLine]:
    lines, parser = last_lines(file, count, since_ns, streams=())
    lines += (joined for joined in parser.unfinished() if joined.started_ns >= since_ns)
    lines.sort(key=lambda joined: joined.offset)
    return [joined.line() for joined in lines[max(0, len(lines) - count) :]]


def last_lines(
    file: LogFile, count: int, since_ns: int, streams: Collection[Stream]
) -> tuple[list[Joined], LogParser]:
    """The last ``count`` ended lines begun at or after ``since_ns``, and the parser that read them.

    The parser has been fed all the file's records. It holds the unfinished lines of the streams
    that those lines are of and of ``streams``.

    Raises:
        LogTruncatedError.
    """
    end = file.records_end()
    window, found = _window(file, end, count, since_ns)
    start = line_start(file, window, found.union(streams))
    parser = LogParser(start)
    lines: deque[Joined] = deque(maxlen=count)
    for chunk_start in range(start, end, CHUNK_BYTES):
        chunk = file.read(chunk_start, min(chunk_start + CHUNK_BYTES, end))
        lines.extend(line for line in parser.feed(chunk) if line.started_ns >= since_ns)
    return list(lines), parser


def _window(file: LogFile, end: int, count: int, since_ns: int) -> tuple[int, set[Stream]]:
    """Where the last records begin that end ``count`` lines, and the streams they are of."""
    start = end
    streams: set[Stream] = set()
    for header in file.headers_backwards(end):
        if count < 1 or instant_ns(header.stamp) < since_ns:
            break
        start = header.position
        streams.add(header.stream)
        count -= header.ends_line
    return start, streams


def line_start(file: LogFile, before: int, streams: Collection[Stream]) -> int:
    """Where the oldest line of ``streams`` begins that is not ended at ``before``.

    ``before`` itself if there is none; not more than ``LOOK_BACK_RECORDS`` records away, for a
    stream that never wrote would be looked for in all of the file.

    Raises:
        LogTruncatedError.
    """
    start = before
    undecided = set(streams)
    for header in islice(file.headers_backwards(before), LOOK_BACK_RECORDS):
        if header.stream in undecided and header.ends_line:
            undecided.remove(header.stream)
        elif header.stream in undecided:
            start = header.position
        if not undecided:
            break
    return start


def seek(file: LogFile, moment_ns: int) -> int:
    """By bisection, a record's start with only older records before it and few after it.

    Those of ``moment_ns`` and later begin within ``BLOCK_BYTES`` behind it.

    Raises:
        LogTruncatedError.
    """
    low, high = 0, file.records_end()
    while high - low > BLOCK_BYTES:
        middle = (low + high) // 2
        header = _first_header(file, middle, high)
        if header is None or instant_ns(header.stamp) >= moment_ns:
            high = middle
        else:
            low = header.position
    return low


def _first_header(file: LogFile, start: int, end: int) -> Header | None:
    for block_start in range(start, end, BLOCK_BYTES):
        for header in file.headers(block_start, min(block_start + BLOCK_BYTES, end)):
            return header
    return None


def _blocks_backwards(end: int) -> Iterator[tuple[int, int]]:
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        yield start, end
        end = start


def to_ns(moment: datetime) -> int:
    """Nanoseconds since 1970 of an aware ``moment``."""
    return to_us(moment) * 1000
