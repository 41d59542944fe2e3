"""Follows a container's log file: lines as they are written, and the gaps where some were lost.

Polling, at one stat(2) a poll while nothing happens; inotify would gain some 100 ms and cost a
watch on a path that is replaced under it.

At its size limit conmon puts a new file in the log's place (measured on 2.1.6). The old one is
held open here and read to its end first, so nothing is lost if that happened once between two
polls. Whether it did is told by the old file's change time, the moment it was replaced: the
record that found no room is the new file's first, and was stamped before that moment. A later
first record means a gap, and so does a file truncated in place, as other writers do it.
"""

import os
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from anyio import to_thread

from appliance.clock import Clock
from appliance.domain.logline import LogGap, LogLine
from appliance.runtime.logfile import (
    CHUNK_BYTES,
    STREAMS,
    LogFile,
    LogTruncatedError,
    last_lines,
    line_start,
    seek,
    to_ns,
)
from appliance.runtime.logrecords import Joined, LogParser, Place, instant_ns, timestamp

POLL_S = 0.2
QUIET_POLLS = 5
QUIET_S = QUIET_POLLS * POLL_S
"""How long nothing has to come before ``follow`` says so, each time."""
TICK_NS = 10_000_000  # change times lag by up to a timer tick, at most 1/100 s


@dataclass(frozen=True, slots=True)
class Last:
    """Begin with the last ``count`` lines (None: with all) begun at or after ``since`` (aware)."""

    count: int | None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class After:
    """Begin behind ``place``; with a gap, if what stood there is gone from the file."""

    place: Place


async def follow(
    path: Path, *, start: Last | After, clock: Clock, ended: Callable[[], bool]
) -> AsyncGenerator[LogLine | LogGap | None]:
    """The log's lines from ``start`` on, for as long as ``ended()`` is false.

    Once it is true (say, the container has stopped and its log is complete), yields what is
    there, unfinished lines too, and ends. Each quiet second yields None. The file may be
    missing, and may come later.
    A line that its container has not ended is held back until then. Holds a file open: use
    ``contextlib.aclosing``.

    Raises:
        OSError: the file is there and can't be read.
    """
    follower = LogFollower(path, start)
    try:
        complete, idle_polls = False, 0
        while not complete:
            complete = ended()
            while follower.moved():
                idle_polls = 0
                for item in await to_thread.run_sync(follower.read):
                    yield item
            if not complete:
                await clock.sleep(POLL_S)
                idle_polls += 1
                if idle_polls % QUIET_POLLS == 0:
                    yield None
        for line in follower.unfinished():
            yield line
    finally:
        follower.close()


class _Signature(NamedTuple):
    """What differs between two looks at a path if anything was written."""

    inode: int
    size: int
    modified_ns: int


NEVER_LOOKED = _Signature(-1, -1, -1)


class _Beginning(NamedTuple):
    """Where to go on from, what to show of it first, and what of the rest not to show."""

    parser: LogParser
    unwanted: Callable[[Joined], bool]
    lines: Iterable[Joined] = ()
    gap: bool = False


class LogFollower:
    """What ``follow`` knows between two polls. Not for two threads at once."""

    def __init__(self, path: Path, start: Last | After) -> None:
        self._path = path
        self._start = start
        self._file: LogFile | None = None
        self._parser = LogParser(0)
        self._unwanted: Callable[[Joined], bool] = _nothing
        self._shown = timestamp(start.place.instant_ns) if isinstance(start, After) else None
        self._seen: _Signature | None = NEVER_LOOKED

    def moved(self) -> bool:
        """Whether there may be something to ``read``: the file is not as it was at its end."""
        return self._look() != self._seen

    def read(self) -> list[LogLine | LogGap]:
        """What comes next, of at most one chunk. Empty does not mean that the end is reached.

        Raises:
            OSError: the file is there and can't be read.
        """
        look = self._look()  # taken first: what is written later has moved again
        if self._file is None:
            return self._begin(look)
        try:
            chunk = self._file.read(self._parser.fed_to, self._parser.fed_to + CHUNK_BYTES)
        except LogTruncatedError:
            return self._interrupt()
        if chunk:
            return self._show(self._parser.feed(chunk))
        if look is not None and look.inode != self._file.status().st_ino:
            return self._succeed(self._file, look)
        self._seen = look
        return []

    def unfinished(self) -> list[LogLine | LogGap]:
        """The lines begun and not ended, as far as they go."""
        lines = [line for line in self._parser.unfinished() if not self._unwanted(line)]
        place = self._parser.place
        if not lines or place is None:
            return []
        before = replace(place, flushed=False)  # who saw not all of them gets all of them again
        shown = [line.line(before) for line in lines[:-1]] + [lines[-1].line(place)]
        self._shown = shown[-1].timestamp
        return [*shown]

    def close(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _look(self) -> _Signature | None:
        try:
            status = os.stat(self._path)  # noqa: PTH116  Path.stat costs twice as much, each poll
        except FileNotFoundError:
            return None
        return _Signature(status.st_ino, status.st_size, status.st_mtime_ns)

    def _begin(self, look: _Signature | None) -> list[LogLine | LogGap]:
        file = LogFile.open(self._path)
        if file is None:
            self._seen = look
            if isinstance(self._start, Last):
                self._start = replace(self._start, count=None)  # what comes now is all new
            return []
        try:
            beginning = _begin(file, self._start)
        except LogTruncatedError:
            file.close()
            return []
        self._file, self._parser, self._unwanted = file, beginning.parser, beginning.unwanted
        gap = [LogGap(self._shown)] if beginning.gap else []
        return [*gap, *self._show(beginning.lines)]

    def _show(self, lines: Iterable[Joined]) -> list[LogLine | LogGap]:
        shown = [line.line() for line in lines if not self._unwanted(line)]
        if shown:
            self._shown = shown[-1].timestamp
        return [*shown]

    def _succeed(self, file: LogFile, look: _Signature) -> list[LogLine | LogGap]:
        """Goes over to the file that has taken the place of ``file``, which is read to its end."""
        successor = LogFile.open(self._path)
        if successor is None:
            self._seen = look
            return []
        replaced_ns = file.status().st_ctime_ns
        if successor.first_ns is None or successor.first_ns > replaced_ns + TICK_NS:
            successor.close()
            return self._interrupt()
        file.close()
        self._file, self._unwanted = successor, _nothing
        self._parser.next_file()
        return []

    def _interrupt(self) -> list[LogLine | LogGap]:
        """Shows what won't be finished, and the gap, and starts over with the file's next life."""
        items = [*self.unfinished(), LogGap(self._shown)]
        self.close()
        self._parser, self._start = LogParser(0), Last(count=None)
        self._seen = NEVER_LOOKED
        return items


def _begin(file: LogFile, start: Last | After) -> _Beginning:
    match start:
        case After(place):
            return _begin_after(file, place)
        case Last(count, since):
            return _begin_last(file, count, 0 if since is None else to_ns(since))


def _begin_last(file: LogFile, count: int | None, since_ns: int) -> _Beginning:
    def is_older(line: Joined) -> bool:
        return line.started_ns < since_ns

    if count is None:
        start = line_start(file, seek(file, since_ns), STREAMS)
        return _Beginning(LogParser(start), is_older)
    lines, parser = last_lines(file, count, since_ns, STREAMS)
    return _Beginning(parser, is_older, lines)


def _begin_after(file: LogFile, place: Place) -> _Beginning:
    offset = place.offset
    if offset is None or not _holds(file, offset, place.instant_ns):
        return _begin_after_instant(file, place)

    def is_seen(line: Joined) -> bool:
        return line.offset <= offset and (line.finished or place.flushed)

    return _Beginning(LogParser(line_start(file, offset, STREAMS)), is_seen)


def _holds(file: LogFile, offset: int, moment_ns: int) -> bool:
    """Whether a record begins at ``offset`` that was written at ``moment_ns``."""
    return any(instant_ns(header.stamp) == moment_ns for header in file.headers(offset, offset + 1))


def _begin_after_instant(file: LogFile, place: Place) -> _Beginning:
    """With a place in an earlier file, lines of its very instant are new: they come after it."""
    wanted_ns = place.instant_ns + (place.offset is None)

    def is_older(line: Joined) -> bool:
        return line.place.instant_ns < wanted_ns

    start = line_start(file, seek(file, wanted_ns), STREAMS)
    gap = file.first_ns is None or file.first_ns > place.instant_ns
    return _Beginning(LogParser(start), is_older, gap=gap)


def _nothing(_: Joined) -> bool:
    return False
