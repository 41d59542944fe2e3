"""A log that starts over while it is read: no line twice, none torn, and every gap is shown."""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.logline import LogGap, LogLine
from appliance.runtime.logfile import tail
from appliance.runtime.logfollow import After, Last, LogFollower
from appliance.runtime.logrecords import Place
from tests.log_reference import (
    NOON_NS,
    Record,
    append,
    assert_each_once,
    lines,
    messages,
    read_on,
    replace_file,
    truncate_and_write,
    utc,
    whole,
)

HOUR_NS = 3600 * 1_000_000_000


def test_a_truncation_in_place_is_a_gap_and_nothing_is_repeated(
    path: Path, follower: LogFollower
) -> None:
    append(path, lines(0, 3))
    assert messages(read_on(follower)) == ["line 0", "line 1", "line 2"]
    truncate_and_write(path, lines(7, 9))
    items = list(read_on(follower))
    assert items[0] == LogGap(utc(NOON_NS + 2000))
    assert messages(items[1:]) == ["line 7", "line 8"]
    append(path, lines(9, 10))
    assert messages(read_on(follower)) == ["line 9"]


@pytest.mark.parametrize("count", [1, 3, 5, 4000])
def test_a_truncation_is_seen_whatever_the_new_length(
    path: Path, follower: LogFollower, count: int
) -> None:
    append(path, lines(0, 3))
    list(read_on(follower))
    truncate_and_write(path, lines(5, 5 + count))
    assert messages(read_on(follower)) == ["gap", *(f"line {n}" for n in range(5, 5 + count))]


def test_a_truncation_to_nothing_is_a_gap_at_once_and_once(
    path: Path, follower: LogFollower
) -> None:
    append(path, lines(0, 1))
    list(read_on(follower))
    os.truncate(path, 0)
    assert messages(read_on(follower)) == ["gap"]
    assert messages(read_on(follower)) == []
    append(path, lines(1, 2))
    assert messages(read_on(follower)) == ["line 1"]


def test_halves_of_two_records_never_meet(path: Path, follower: LogFollower) -> None:
    append(path, lines(0, 1) + whole(1).write()[:-3])
    list(read_on(follower))
    truncate_and_write(path, b"ne 5\n" + lines(6, 7))
    assert messages(read_on(follower)) == ["gap", "line 6"]


def test_pieces_from_before_a_gap_are_shown_and_not_joined(
    path: Path, follower: LogFollower
) -> None:
    append(path, lines(0, 1) + Record(NOON_NS + 5000, "stdout", False, b"begun").write())
    list(read_on(follower))
    truncate_and_write(path, Record(NOON_NS + 9000, "stdout", True, b"ended").write())
    items = list(read_on(follower))
    assert messages(items) == ["begun", "gap", "ended"]
    assert items[1] == LogGap(utc(NOON_NS + 5000))


def test_pieces_shown_before_a_gap_are_not_shown_again_at_the_end(
    path: Path, follower: LogFollower
) -> None:
    append(path, Record(NOON_NS, "stdout", ends=False, piece=b"begun").write())
    list(read_on(follower))
    os.truncate(path, 0)
    assert messages(read_on(follower)) == ["begun", "gap"]
    assert follower.unfinished() == []


def test_after_a_gap_all_lines_come_whatever_the_start_was(path: Path) -> None:
    append(path, lines(0, 3))
    follower = LogFollower(path, Last(count=1))
    assert messages(read_on(follower)) == ["line 2"]
    truncate_and_write(path, lines(3, 6))
    assert messages(read_on(follower)) == ["gap", "line 3", "line 4", "line 5"]
    follower.close()


def test_a_file_that_looks_as_it_did_before_its_truncation_is_read(
    path: Path, follower: LogFollower
) -> None:
    append(path, lines(0, 1))
    list(read_on(follower))
    modified_ns = path.stat().st_mtime_ns  # of the last timer tick, which may well be the same
    os.truncate(path, 0)
    assert messages(read_on(follower)) == ["gap"]
    append(path, lines(1, 2))
    os.utime(path, ns=(modified_ns, modified_ns))
    assert messages(read_on(follower)) == ["line 1"]


def test_a_record_torn_at_the_end_of_a_file_spoils_nothing_of_its_successor(
    path: Path, follower: LogFollower
) -> None:
    now_ns = time.time_ns()
    append(path, lines(0, 1, now_ns) + lines(1, 2, now_ns)[:-3])
    assert messages(read_on(follower)) == ["line 0"]
    replace_file(path, lines(2, 4, now_ns))
    assert messages(read_on(follower)) == ["line 2", "line 3"]


def test_a_rotation_after_resuming_shows_the_new_file_from_its_start(path: Path) -> None:
    now_ns = time.time_ns()
    append(path, lines(0, 9, now_ns))
    [last] = tail(path, count=1, since=None)
    follower = LogFollower(path, After(Place.parse(last.cursor)))
    assert messages(read_on(follower)) == []
    replace_file(path, lines(9, 11, now_ns))
    assert messages(read_on(follower)) == ["line 9", "line 10"]
    follower.close()


def test_a_writer_that_keeps_its_offset_leaves_a_hole_and_no_line_is_lost_behind_it(
    path: Path, follower: LogFollower
) -> None:
    with path.open("wb", buffering=0) as writer:
        writer.write(lines(0, 3))
        list(read_on(follower))
        os.truncate(path, 0)
        writer.write(b"\n" + lines(3, 5))
        assert messages(read_on(follower)) == ["gap", "line 3", "line 4"]
        assert messages(tail(path, count=9, since=None)) == ["line 3", "line 4"]


def test_conmons_rotation_between_two_polls_loses_nothing(
    path: Path, follower: LogFollower
) -> None:
    now_ns = time.time_ns()
    append(path, lines(0, 2, now_ns))
    assert messages(read_on(follower)) == ["line 0", "line 1"]
    append(path, lines(2, 4, now_ns))  # not read before the file is replaced
    append(path, Record(now_ns + 5000, "stderr", ends=False, piece=b"one ").write())
    replace_file(path, Record(now_ns + 5000, "stderr", ends=True, piece=b"line").write())
    append(path, lines(6, 8, now_ns))
    assert messages(read_on(follower)) == ["line 2", "line 3", "one line", "line 6", "line 7"]


def test_two_rotations_between_two_polls_are_a_gap(path: Path, follower: LogFollower) -> None:
    now_ns = time.time_ns()
    append(path, lines(0, 2, now_ns))
    list(read_on(follower))
    replace_file(path, lines(2, 3, now_ns))
    replace_file(path, lines(3, 5, now_ns + HOUR_NS))
    items = list(read_on(follower))
    assert messages(items) == ["gap", "line 3", "line 4"]
    assert items[0] == LogGap(utc(now_ns + 1000))


def test_a_replaced_file_is_waited_for_until_its_first_record_is_there(
    path: Path, follower: LogFollower
) -> None:
    now_ns = time.time_ns()
    append(path, lines(0, 1, now_ns))
    list(read_on(follower))
    content = lines(1, 2, now_ns)
    replace_file(path)
    assert messages(read_on(follower)) == []
    append(path, content[:44])
    assert messages(read_on(follower)) == []
    append(path, content[44:])
    assert messages(read_on(follower)) == ["line 1"]


def test_a_log_removed_and_made_anew_is_a_gap(path: Path, follower: LogFollower) -> None:
    now_ns = time.time_ns()
    append(path, lines(0, 2, now_ns))
    assert messages(read_on(follower)) == ["line 0", "line 1"]
    path.unlink()
    assert messages(read_on(follower)) == []
    append(path, lines(2, 3, now_ns + HOUR_NS))
    assert messages(read_on(follower)) == ["gap", "line 2"]


def test_after_a_rotation_the_cursors_are_those_of_the_new_file(
    path: Path, follower: LogFollower
) -> None:
    now_ns = time.time_ns()
    append(path, lines(0, 2, now_ns))
    list(read_on(follower))
    replace_file(path, lines(2, 5, now_ns))
    first = next(read_on(follower))
    assert isinstance(first, LogLine)
    resumed = LogFollower(path, After(Place.parse(first.cursor)))
    assert messages(read_on(resumed)) == ["line 3", "line 4"]
    resumed.close()


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["truncate", "replace", "poll"]), st.just(0)),
    ),
    max_size=30,
)


@given(operations=OPERATIONS)
def test_any_run_of_writes_and_restarts_shows_each_line_once_and_each_loss_as_a_gap(
    operations: list[tuple[str, int]],
) -> None:
    base_ns, number, life_began = time.time_ns() + HOUR_NS, 0, 0
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ctr.log"
        follower = LogFollower(path, Last(count=None))
        seen: list[str] = []
        for operation, count in operations:
            if operation == "write":
                append(path, lines(number, number + count, base_ns))
                number += count
            elif operation == "truncate" and path.exists():
                os.truncate(path, 0)
                life_began = number
            elif operation == "replace":
                replace_file(path)
                life_began = number
            elif operation == "poll":
                seen += messages(read_on(follower))
        seen += messages(read_on(follower))
        follower.close()
    assert_each_once(seen, number)
    left = [f"line {n}" for n in range(life_began, number)]
    assert seen[len(seen) - len(left) :] == left
