"""Following a log: what is there, what comes, and going on from a cursor."""

from collections.abc import Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from appliance.clock import SystemClock
from appliance.domain.instant import Instant
from appliance.domain.logline import LogGap, LogLine, Stream
from appliance.runtime import logfile, logfollow
from appliance.runtime.logfile import tail
from appliance.runtime.logfollow import After, Last, LogFollower, follow
from appliance.runtime.logrecords import Place
from tests.log_reference import (
    NOON_NS,
    Record,
    append,
    messages,
    read_on,
    reference,
    replace_file,
    whole,
    write_all,
)

NOON = datetime.fromtimestamp(NOON_NS // 1_000_000_000, UTC)
STREAMS: list[Stream] = ["stdout", "stderr"]
RECORDS = st.lists(
    st.builds(
        Record,
        at_ns=st.integers(0, 6).map(lambda step: NOON_NS + step * 1000),
        stream=st.sampled_from(STREAMS),
        ends=st.booleans(),
        piece=st.binary(max_size=20).map(lambda piece: piece.replace(b"\n", b"")),
    ),
    max_size=30,
).map(lambda records: sorted(records, key=lambda record: record.at_ns))


class Script:
    """A clock whose sleeps do, one by one, what the test wants done between polls."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        self._steps: Iterator[Callable[[], None]] = iter(steps)
        self._left = len(steps)

    def now(self) -> Instant:
        return SystemClock().now()

    async def sleep(self, seconds: float) -> None:  # noqa: ARG002  the protocol's
        await checkpoint()
        self._left -= 1
        next(self._steps)()

    def done(self) -> bool:
        return self._left == 0


async def followed(
    path: Path, start: Last | After, *steps: Callable[[], None]
) -> list[LogLine | LogGap]:
    script = Script(*steps)
    async with aclosing(follow(path, start=start, clock=script, ended=script.done)) as items:
        return [item async for item in items if item is not None]


def nothing() -> None:
    """Happens."""


def read_from(path: Path, start: Last | After) -> list[LogLine | LogGap]:
    """All that a follower of a container that has stopped gets."""
    follower = LogFollower(path, start)
    items = [*read_on(follower), *follower.unfinished()]
    follower.close()
    return items


@pytest.mark.anyio
async def test_lines_come_as_they_are_written_after_the_last_ones(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    path.write_bytes(write_all(whole(n) for n in range(5)))
    items = await followed(
        path,
        Last(count=2),
        lambda: append(path, whole(5).write()),
        nothing,
        lambda: append(path, whole(6).write() + whole(7).write()),
    )
    assert messages(items) == ["line 3", "line 4", "line 5", "line 6", "line 7"]


@pytest.mark.anyio
async def test_what_was_written_before_the_end_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    append(path, whole(1).write() + Record(NOON_NS, "stderr", ends=False, piece=b"oops").write())
    assert messages(await followed(path, Last(count=None))) == ["line 1", "oops"]


@pytest.mark.anyio
async def test_each_quiet_second_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    append(path, whole(1).write())
    steps = [nothing] * 11 + [lambda: append(path, whole(2).write())] + [nothing] * 5
    script = Script(*steps)
    stream = follow(path, start=Last(1), clock=script, ended=script.done)
    async with aclosing(stream) as items:
        found = [item and item.message async for item in items if not isinstance(item, LogGap)]
    assert found == ["line 1", None, None, "line 2", None]


@pytest.mark.anyio
async def test_a_file_that_comes_later_is_followed_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    items = await followed(
        path,
        Last(count=1),
        nothing,
        lambda: append(path, whole(0).write()[:20]),
        lambda: append(path, whole(0).write()[20:] + whole(1).write() + whole(2).write()),
    )
    assert messages(items) == ["line 0", "line 1", "line 2"]


@pytest.mark.anyio
async def test_a_follower_lets_go_of_its_file_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    append(path, whole(1).write())
    async with aclosing(
        follow(path, start=Last(1), clock=SystemClock(), ended=lambda: False)
    ) as items:
        assert (await anext(items)) == LogLine("2026-09-21T14:13:20.000001000Z", "stdout", "line 1")
        assert held_open(path) == 1
    assert held_open(path) == 0


def held_open(path: Path) -> int:
    links = Path("/proc/self/fd").iterdir()
    return sum(link.is_symlink() and link.readlink() == path for link in links)


@pytest.mark.anyio
async def test_a_follower_of_a_quiet_log_can_be_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    append(path, whole(1).write())
    with anyio.move_on_after(0.05) as scope:
        stream = follow(path, start=Last(0), clock=SystemClock(), ended=lambda: False)
        async with aclosing(stream) as items:
            await anext(items)
    assert scope.cancelled_caught
    assert held_open(path) == 0


@given(
    records=RECORDS,
    cuts=st.lists(st.integers(0, 2000), max_size=8),
    sizes=st.tuples(st.integers(1, 300), st.integers(1, 300)),
)
def test_a_follower_reads_what_a_reading_of_the_whole_finds(
    records: list[Record], cuts: list[int], sizes: tuple[int, int]
) -> None:
    content = write_all(records)
    edges = sorted({0, len(content), *(min(cut, len(content)) for cut in cuts)})
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(logfile, "BLOCK_BYTES", sizes[0])
        patch.setattr(logfollow, "CHUNK_BYTES", sizes[1])
        path = Path(folder) / "ctr.log"
        follower = LogFollower(path, Last(count=None))
        items: list[LogLine | LogGap] = list(read_on(follower))
        for start, end in pairwise(edges):
            append(path, content[start:end])
            items += read_on(follower)
        items += follower.unfinished()
        follower.close()
    found = reference(records)
    ended, unfinished = (
        [line.line for line in found if line.ends is ends] for ends in (True, False)
    )
    assert items == ended + unfinished


@given(records=RECORDS, count=st.integers(0, 8), later=RECORDS, block_bytes=st.integers(1, 300))
def test_the_last_lines_and_what_comes_are_the_whole_without_its_beginning(
    records: list[Record], count: int, later: list[Record], block_bytes: int
) -> None:
    later = [Record(r.at_ns + 10**6, r.stream, r.ends, r.piece) for r in later]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(logfile, "BLOCK_BYTES", block_bytes)
        path = Path(folder) / "ctr.log"
        path.write_bytes(write_all([whole(0, NOON_NS), *records]))
        follower = LogFollower(path, Last(count))
        items = list(read_on(follower))
        append(path, write_all(later))
        items += read_on(follower)
        follower.close()
    before = [line for line in reference([whole(0, NOON_NS), *records]) if line.ends]
    ended = [line.line for line in reference([whole(0, NOON_NS), *records, *later]) if line.ends]
    assert items == ended[max(0, len(before) - count) :]


@given(records=RECORDS, since_us=st.integers(-1, 8), block_bytes=st.integers(1, 300))
def test_following_since_a_time_begins_with_the_lines_begun_then(
    records: list[Record], since_us: int, block_bytes: int
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(logfile, "BLOCK_BYTES", block_bytes)
        path = Path(folder) / "ctr.log"
        path.write_bytes(write_all(records))
        items = read_from(path, Last(None, since=NOON + timedelta(microseconds=since_us)))
    found = [line for line in reference(records) if line.started_ns >= NOON_NS + since_us * 1000]
    assert items == [line.line for line in sorted(found, key=lambda line: not line.ends)]


@given(records=RECORDS, stopped=st.booleans(), block_bytes=st.integers(1, 300))
def test_from_the_cursor_of_any_line_come_exactly_the_lines_after_it(
    records: list[Record], stopped: bool, block_bytes: int
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(logfile, "BLOCK_BYTES", block_bytes)
        path = Path(folder) / "ctr.log"
        path.write_bytes(write_all(records))
        unfinished = sum(not line.ends for line in reference(records)) if stopped else 0
        follower = LogFollower(path, Last(count=None))
        items = [*read_on(follower), *(follower.unfinished() if stopped else [])]
        follower.close()
        for index, item in enumerate(items):
            assert isinstance(item, LogLine)
            after = LogFollower(path, After(Place.parse(item.cursor)))
            rest = [*read_on(after), *(after.unfinished() if stopped else [])]
            after.close()
            between_two_unfinished = unfinished == 2 and index == len(items) - 2
            assert rest == items[index if between_two_unfinished else index + 1 :]
    # between two unfinished lines there is no place: both come again rather than none


def test_a_timestamp_alone_resumes_after_all_lines_of_it(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    path.write_bytes(write_all(whole(n, NOON_NS + n // 3) for n in range(9)))
    after = After(Place.parse("2026-09-21T14:13:20.000000001Z"))
    assert messages(read_from(path, after)) == ["line 6", "line 7", "line 8"]


def test_a_line_begun_before_a_timestamp_and_ended_after_it_comes_whole(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    begun = Record(NOON_NS, "stderr", ends=False, piece=b"begun, ")
    ended = Record(NOON_NS + 9000, "stderr", ends=True, piece=b"ended")
    append(path, write_all([begun, *(whole(n, NOON_NS + 1) for n in range(1000)), ended]))
    after = After(Place.parse("2026-09-21T14:13:20.000000001Z"))
    assert messages(read_from(path, after)) == ["begun, ended"]


def test_a_line_begun_before_the_last_ones_comes_whole(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    append(path, Record(NOON_NS, "stderr", ends=False, piece=b"begun, ").write())
    append(path, write_all([whole(1), whole(2)]))
    follower = LogFollower(path, Last(count=1))
    assert messages(read_on(follower)) == ["line 2"]
    append(path, Record(NOON_NS + 9000, "stderr", ends=True, piece=b"ended").write())
    assert messages(read_on(follower)) == ["begun, ended"]
    follower.close()


def test_last_words_of_a_tail_are_not_shown_again(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    append(path, whole(1).write() + Record(NOON_NS + 2000, "stderr", False, b"bye").write())
    [last] = tail(path, count=1, since=None)
    assert last.message == "bye"
    assert read_from(path, After(Place.parse(last.cursor))) == []


def test_a_line_in_pieces_at_the_cursor_comes_whole(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    pieces = [Record(NOON_NS + n, "stderr", ends=False, piece=b"%d," % n) for n in range(3)]
    append(path, write_all([*pieces, whole(1)]))
    follower = LogFollower(path, Last(count=None))
    [line] = read_on(follower)
    follower.close()
    assert isinstance(line, LogLine)
    append(path, Record(NOON_NS + 9000, "stderr", ends=True, piece=b"end").write())
    assert messages(read_from(path, After(Place.parse(line.cursor)))) == ["0,1,2,end"]


def test_last_words_once_shown_are_not_shown_again(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    append(path, Record(NOON_NS, "stderr", ends=False, piece=b"bye").write() + whole(1).write())
    [_, last] = read_from(path, Last(count=None))
    assert isinstance(last, LogLine)
    assert last.message == "bye"
    assert read_from(path, After(Place.parse(last.cursor))) == []
    append(path, Record(NOON_NS + 9000, "stderr", ends=True, piece=b" again").write())
    assert messages(read_from(path, After(Place.parse(last.cursor)))) == ["bye again"]


def test_a_cursor_whose_line_was_rotated_away_begins_with_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    path.write_bytes(write_all(whole(n) for n in range(5)))
    cursor = Place.parse("2026-09-21T14:13:20.000003000Z/184")
    replace_file(path, write_all(whole(n) for n in range(7, 9)))
    items = read_from(path, After(cursor))
    assert messages(items) == ["gap", "line 7", "line 8"]
    assert items[0] == LogGap("2026-09-21T14:13:20.000003000Z")


def test_a_cursor_into_the_file_before_goes_on_in_the_burst_that_was_split(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    path.write_bytes(write_all(whole(n, NOON_NS) for n in range(5)))
    last = read_from(path, Last(count=1))[0]
    assert isinstance(last, LogLine)
    replace_file(path, write_all(whole(n, NOON_NS) for n in range(5, 8)))
    items = read_from(path, After(Place.parse(last.cursor)))
    assert messages(items) == ["line 5", "line 6", "line 7"]
