"""A log that starts over in the middle of a read, and under a writer that never rests."""

import itertools
import os
import time
from pathlib import Path
from threading import Event, Thread

import pytest

from appliance.runtime.logfile import tail
from appliance.runtime.logfollow import LogFollower
from tests.log_reference import (
    NOON_NS,
    append,
    assert_each_once,
    lines,
    messages,
    read_on,
    replace_file,
    truncate_and_write,
    whole,
    write_all,
)

SECOND_NS = 1_000_000_000


class Interruption:
    """Makes a file start over right behind the n-th read of it."""

    def __init__(self, path: Path, reads_before: int, content: bytes) -> None:
        self._pread, self._path, self._content = os.pread, path, content
        self.left = reads_before

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        content = self._pread(descriptor, size, offset)
        self.left -= 1
        if self.left == 0:
            truncate_and_write(self._path, self._content)
        return content


@pytest.mark.parametrize("reads_before", range(1, 15))
def test_tail_interrupted_at_any_read_shows_lines_of_one_life(
    path: Path, reads_before: int
) -> None:
    append(path, lines(0, 2000))
    second_life = write_all(whole(n, NOON_NS + SECOND_NS + n // 7) for n in range(5000, 7500))
    interruption = Interruption(path, reads_before, second_life)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pread", interruption.pread)
        shown = messages(tail(path, count=1500, since=None))
    first, second = ([f"line {n}" for n in range(end - 1500, end)] for end in (2000, 7500))
    assert shown in (first, second)


@pytest.mark.parametrize("reads_before", range(1, 9))
def test_a_follower_interrupted_at_any_read_shows_no_line_torn_or_twice(
    path: Path, follower: LogFollower, reads_before: int
) -> None:
    append(path, lines(0, 2500))
    interruption = Interruption(path, reads_before, lines(5000, 8000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pread", interruption.pread)
        seen = messages(read_on(follower))
    assert interruption.left <= 0
    assert_each_once(seen, 8000)
    assert seen[-3000:] == [f"line {n}" for n in range(5000, 8000)]


def test_a_file_that_starts_over_at_every_read_has_no_lines_rather_than_mixed_ones(
    path: Path,
) -> None:
    append(path, lines(0, 9))
    lives = iter(range(10, 10**6, 10))
    read = os.pread

    def pread(descriptor: int, size: int, offset: int) -> bytes:
        content = read(descriptor, size, offset)
        life = next(lives)
        truncate_and_write(path, lines(life, life + 9))
        return content

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pread", pread)
        assert tail(path, count=3, since=None) == []


@pytest.mark.parametrize("reads_before", range(1, 8))
def test_a_line_written_right_behind_any_read_is_not_missed(
    path: Path, follower: LogFollower, reads_before: int
) -> None:
    append(path, lines(0, 10))
    counted, read = itertools.count(1), os.pread

    def pread(descriptor: int, size: int, offset: int) -> bytes:
        content = read(descriptor, size, offset)
        if next(counted) == reads_before:
            append(path, lines(10, 11))
        return content

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pread", pread)
        seen = messages(read_on(follower))
    assert next(counted) > reads_before
    assert seen == [f"line {n}" for n in range(11)]


class Writer(Thread):
    """Writes numbered lines and starts the file over every so often, as fast as it can."""

    def __init__(self, path: Path, count: int, *, in_place: bool) -> None:
        super().__init__()
        self._path, self._count, self._in_place = path, count, in_place
        self.finished = Event()

    def run(self) -> None:
        for number in range(0, self._count, 10):
            content = write_all(whole(n, time.time_ns()) for n in range(number, number + 10))
            if number % 2000 == 0 and self._in_place:
                truncate_and_write(self._path, content)
            elif number % 2000 == 0:
                replace_file(self._path, content)
            else:
                append(self._path, content)
        self.finished.set()


@pytest.mark.parametrize("in_place", [True, False])
def test_following_a_writer_that_rotates_all_the_time(
    path: Path, follower: LogFollower, in_place: bool
) -> None:
    append(path, b"")
    writer = Writer(path, 20_000, in_place=in_place)
    writer.start()
    seen: list[str] = []
    while not writer.finished.is_set():
        seen += messages(read_on(follower))
    writer.join()
    seen += messages(read_on(follower))
    numbers = [int(message.removeprefix("line ")) for message in seen if message != "gap"]
    assert numbers == sorted(set(numbers))
    assert numbers[-2000:] == list(range(18_000, 20_000))
    if in_place:
        assert_each_once(seen, 20_000)


def test_tails_of_a_writer_that_rotates_all_the_time_are_never_mixed(path: Path) -> None:
    append(path, b"")
    writer = Writer(path, 20_000, in_place=True)
    writer.start()
    looks = 0
    while not writer.finished.is_set():
        numbers = [
            int(m.removeprefix("line ")) for m in messages(tail(path, count=700, since=None))
        ]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
        looks += 1
    writer.join()
    assert looks > 3
