"""What reading costs, counted in system calls and bytes: the same however long the log is."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.runtime.logfile import CHUNK_BYTES, tail
from appliance.runtime.logfollow import After, Last, LogFollower
from appliance.runtime.logrecords import Place
from tests.log_reference import NOON_NS, Record, append, messages, read_on, whole, write_all

BIG, SMALL = 100_000, 1_000


class Calls:
    """Counts the reads, and the bytes that they brought."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.reads = self.bytes = self.stats = self.largest = 0
        self._pread, self._stat = os.pread, os.stat
        patch.setattr(os, "pread", self.pread)
        patch.setattr(os, "stat", self.stat)

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        content = self._pread(descriptor, size, offset)
        self.reads += 1
        self.bytes += len(content)
        self.largest = max(self.largest, size)
        return content

    def stat(self, path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        self.stats += 1
        return self._stat(path, follow_symlinks=follow_symlinks)


def line(number: int) -> Record:
    return Record(NOON_NS + number * 1_000_000, "stdout", ends=True, piece=b"%060d" % number)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("logs")
    paths = {count: folder / f"{count}.log" for count in (BIG, SMALL)}
    for count, path in paths.items():
        path.write_bytes(write_all(line(number) for number in range(count)))
    return paths


@pytest.fixture
def calls() -> Iterator[Calls]:
    with pytest.MonkeyPatch.context() as patch:
        yield Calls(patch)


def a_second_before_the_end(count: int) -> datetime:
    last_ns = NOON_NS + (count - 1) * 1_000_000
    return datetime.fromtimestamp(last_ns // 1_000_000_000, UTC) + timedelta(
        microseconds=last_ns % 1_000_000_000 // 1000 - 1_000_000
    )


def cost(calls: Calls, path: Path, count: int, since: datetime | None, expected: int) -> int:
    before = calls.bytes
    assert len(tail(path, count=count, since=since)) == expected
    return calls.bytes - before


def test_tail_reads_as_much_of_a_long_log_as_of_a_short_one(
    logs: dict[int, Path], calls: Calls
) -> None:
    small, big = (cost(calls, logs[count], 100, None, 100) for count in (SMALL, BIG))
    assert big <= small + 32 * 1024
    assert big < 96 * 1024


def test_since_a_second_ago_reads_as_much_of_a_long_log_as_of_a_short_one(
    logs: dict[int, Path], calls: Calls
) -> None:
    small, big = (
        cost(calls, logs[count], 10**6, a_second_before_the_end(count), expected)
        for count, expected in ((SMALL, SMALL), (BIG, 1001))
    )
    assert big < 2 * small


def test_following_since_a_time_finds_it_by_bisection(logs: dict[int, Path], calls: Calls) -> None:
    follower = LogFollower(logs[BIG], Last(count=None, since=a_second_before_the_end(BIG)))
    assert len(list(read_on(follower))) == 1001
    follower.close()
    assert calls.bytes < 1024 * 1024 < logs[BIG].stat().st_size / 8


def test_resuming_at_a_cursor_reads_little(logs: dict[int, Path], calls: Calls) -> None:
    cursor = tail(logs[BIG], count=3, since=None)[0].cursor
    follower = LogFollower(logs[BIG], After(Place.parse(cursor)))
    assert len(list(read_on(follower))) == 2
    follower.close()
    assert calls.bytes < 512 * 1024


def test_a_rare_stream_is_not_looked_for_in_all_of_the_log(
    logs: dict[int, Path], tmp_path: Path, calls: Calls
) -> None:
    path = tmp_path / "ctr.log"
    path.write_bytes(logs[BIG].read_bytes() + whole(1, NOON_NS + 10**12, "stderr").write())
    assert cost(calls, path, 100, None, 100) < 512 * 1024


def test_an_idle_follower_makes_one_stat_a_poll(logs: dict[int, Path], calls: Calls) -> None:
    follower = LogFollower(logs[SMALL], Last(count=10))
    assert len(list(read_on(follower))) == 10
    reads, stats = calls.reads, calls.stats
    assert not any(follower.moved() for _ in range(50))
    follower.close()
    assert (calls.reads - reads, calls.stats - stats) == (0, 50)


def test_a_follower_reads_new_bytes_only_and_in_chunks(tmp_path: Path, calls: Calls) -> None:
    path = tmp_path / "ctr.log"
    path.write_bytes(write_all(line(number) for number in range(5000)))
    follower = LogFollower(path, Last(count=None))
    assert len(list(read_on(follower))) == 5000
    before = calls.bytes
    append(path, whole(5001).write())
    assert messages(read_on(follower)) == ["line 5001"]
    follower.close()
    assert calls.bytes - before < 1024
    assert calls.largest <= CHUNK_BYTES
