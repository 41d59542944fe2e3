"""Writes container logs as conmon does, and reads them in the simplest way that is right."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from appliance.domain.logline import LogGap, LogLine, Stream
from appliance.runtime.logfollow import LogFollower

NOON_NS = 1_790_000_000_000_000_000


@dataclass(frozen=True)
class Record:
    """One record. ``piece`` is without a newline; ``ends`` means ``F``."""

    at_ns: int
    stream: Stream
    ends: bool
    piece: bytes
    east_minutes: int = 0

    def write(self) -> bytes:
        seconds, fraction = divmod(self.at_ns, 1_000_000_000)
        zone = timezone(timedelta(minutes=self.east_minutes))
        second, offset = (
            datetime.fromtimestamp(seconds, zone).isoformat()[:19],
            zone.utcoffset(None),
        )
        sign, minutes = ("-" if offset < timedelta(0) else "+"), abs(self.east_minutes)
        stamp = f"{second}.{fraction:09}{sign}{minutes // 60:02}:{minutes % 60:02}"
        return f"{stamp} {self.stream} {'F' if self.ends else 'P'} ".encode() + self.piece + b"\n"


def write_all(records: Iterable[Record]) -> bytes:
    return b"".join(record.write() for record in records)


def whole(number: int, at_ns: int | None = None, stream: Stream = "stdout") -> Record:
    """A line of one record, ``line <number>``, a microsecond after the one before."""
    at_ns = NOON_NS + number * 1000 if at_ns is None else at_ns
    return Record(at_ns, stream, ends=True, piece=b"line %d" % number)


def utc(at_ns: int) -> str:
    second = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{second}.{at_ns % 1_000_000_000:09}Z"


def shown(content: bytes) -> str:
    kept = []
    for character in content.decode("utf-8", "replace"):
        code = ord(character)
        if character == "\x1b":
            kept.append("␛")
        elif character == "\t" or 0x20 <= code < 0x7F or code >= 0xA0:
            kept.append(character)
    return "".join(kept)


@dataclass(frozen=True)
class Line:
    """A line as the reference finds it; ``last`` is the index of its last record."""

    last: int
    started_ns: int
    ends: bool
    line: LogLine


def reference(records: Iterable[Record]) -> list[Line]:
    """Every line, in the order of their last records; of the unfinished ones too."""
    open_lines: dict[Stream, list[tuple[int, Record]]] = {"stdout": [], "stderr": []}
    lines = []
    for index, record in enumerate(records):
        open_lines[record.stream].append((index, record))
        if record.ends:
            lines.append(_line(open_lines[record.stream]))
            open_lines[record.stream] = []
    lines += [_line(pieces) for pieces in open_lines.values() if pieces]
    return sorted(lines, key=lambda line: line.last)


def _line(pieces: list[tuple[int, Record]]) -> Line:
    (_, first), (index, last) = pieces[0], pieces[-1]
    message = shown(b"".join(record.piece for _, record in pieces))
    line = LogLine(utc(first.at_ns), first.stream, message)
    return Line(index, first.at_ns, last.ends, line)


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def replace_file(path: Path, content: bytes = b"") -> None:
    """As conmon does at its size limit: a new file under the old name."""
    successor = path.with_suffix(".tmp")
    successor.write_bytes(content)
    successor.rename(path)


def read_on(follower: LogFollower) -> Iterator[LogLine | LogGap]:
    """All that there is to read now."""
    while follower.moved():
        yield from follower.read()


def messages(items: Iterable[LogLine | LogGap]) -> list[str]:
    """What was said; a gap as ``gap``."""
    return ["gap" if isinstance(item, LogGap) else item.message for item in items]


def lines(start: int, end: int, at_ns: int = NOON_NS) -> bytes:
    return write_all(whole(number, at_ns + number * 1000) for number in range(start, end))


def truncate_and_write(path: Path, content: bytes) -> None:
    os.truncate(path, 0)
    append(path, content)


def assert_each_once(seen: list[str], written: int) -> None:
    """In order, none twice; where some are missing between two shown, a gap is shown there."""
    expected = 0
    gap = True  # what was written before the follower first looked is not promised
    for message in seen:
        if message == "gap":
            gap = True
            continue
        number = int(message.removeprefix("line "))
        assert number == expected or (gap and number > expected), seen
        expected, gap = number + 1, False
    assert expected <= written
