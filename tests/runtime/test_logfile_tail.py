"""The last lines of a log, against a reading of the whole of it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.logline import LogLine, Stream
from appliance.runtime import logfile
from appliance.runtime.logfile import tail
from tests.log_reference import NOON_NS, Record, append, reference, whole, write_all

NOON = datetime.fromtimestamp(NOON_NS // 1_000_000_000, UTC)

PIECES = st.one_of(
    st.binary(max_size=30).map(lambda piece: piece.replace(b"\n", b"")),
    st.sampled_from(
        [b"", b"\r", b" stderr F ", whole(1).write()[:-1], b"\x1b[0m", "ü".encode(), b"\xc3"]
    ),
)
STREAMS: list[Stream] = ["stdout", "stderr"]
STEPS_NS = st.sampled_from([0, 0, 0, 1, 1000, 1_000_000_000])  # often of one read, so of one time
RECORDS = st.lists(
    st.builds(
        Record,
        at_ns=STEPS_NS,
        stream=st.sampled_from(STREAMS),
        ends=st.booleans(),
        piece=PIECES,
        east_minutes=st.sampled_from([0, 120, -330, 840]),
    ),
    max_size=40,
).map(lambda steps: list(one_after_another(steps)))


def one_after_another(steps: list[Record]) -> Iterator[Record]:
    at_ns = NOON_NS
    for record in steps:
        at_ns += record.at_ns
        yield replace(record, at_ns=at_ns)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def said(lines: list[LogLine]) -> list[str]:
    return [line.message for line in lines]


@given(
    records=RECORDS,
    torn=st.integers(0, 60),
    count=st.integers(0, 12),
    since_us=st.none() | st.integers(-1, 5_000_000),
    block_bytes=st.integers(1, 300),
)
def test_tail_is_the_end_of_a_reading_of_the_whole(
    records: list[Record],
    torn: int,
    count: int,
    since_us: int | None,
    block_bytes: int,
) -> None:
    since = None if since_us is None else NOON + timedelta(microseconds=since_us)
    since_ns = 0 if since_us is None else NOON_NS + since_us * 1000
    every = [line.line for line in reference(records) if line.started_ns >= since_ns]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(logfile, "BLOCK_BYTES", block_bytes)
        patch.setattr(logfile, "CHUNK_BYTES", block_bytes + 7)
        path = written(Path(folder) / "ctr.log", write_all(records) + whole(9).write()[:torn][:-1])
        assert tail(path, count=count, since=since) == every[max(0, len(every) - count) :]


def test_a_missing_or_empty_file_has_no_lines(tmp_path: Path) -> None:
    assert tail(tmp_path / "none.log", count=5, since=None) == []
    assert tail(written(tmp_path / "empty.log", b""), count=5, since=None) == []


def test_since_takes_the_line_of_that_very_moment(tmp_path: Path) -> None:
    path = written(tmp_path / "ctr.log", write_all(whole(n) for n in range(10)))
    since = NOON + timedelta(microseconds=7)
    assert said(tail(path, count=100, since=since)) == ["line 7", "line 8", "line 9"]


def test_since_compares_moments_and_not_their_spelling(tmp_path: Path) -> None:
    hour_ns = 3600 * 1_000_000_000
    records = [
        Record(NOON_NS, "stdout", ends=True, piece=b"summer", east_minutes=120),
        Record(NOON_NS + hour_ns, "stdout", ends=True, piece=b"winter", east_minutes=60),
    ]  # the clock on the wall was put back between: both are spelled alike
    path = written(tmp_path / "ctr.log", write_all(records))
    assert said(tail(path, count=9, since=NOON + timedelta(minutes=30))) == ["winter"]


def test_a_line_of_pieces_is_whole_though_tail_is_of_one_line(tmp_path: Path) -> None:
    pieces = [Record(NOON_NS + n, "stdout", n == 299, b"%03d" % n * 1000) for n in range(300)]
    path = written(tmp_path / "ctr.log", write_all([whole(0, NOON_NS), *pieces]))
    [line] = tail(path, count=1, since=None)
    assert line.message.startswith("000000")
    assert line.timestamp == tail(path, count=2, since=None)[0].timestamp


def test_two_streams_in_pieces_do_not_mix(tmp_path: Path) -> None:
    records = [
        Record(NOON_NS + 0, "stdout", ends=False, piece=b"out-1 "),
        Record(NOON_NS + 1, "stderr", ends=False, piece=b"err-1 "),
        Record(NOON_NS + 2, "stdout", ends=False, piece=b"out-2 "),
        Record(NOON_NS + 3, "stderr", ends=True, piece=b"err-2"),
        Record(NOON_NS + 4, "stdout", ends=True, piece=b"out-3"),
    ]
    path = written(tmp_path / "ctr.log", write_all(records))
    assert said(tail(path, count=2, since=None)) == ["err-1 err-2", "out-1 out-2 out-3"]
    assert said(tail(path, count=1, since=None)) == ["out-1 out-2 out-3"]


def test_the_last_words_without_a_newline_are_shown(tmp_path: Path) -> None:
    records = [whole(1), Record(NOON_NS + 5000, "stderr", ends=False, piece=b"Segmentation fault")]
    path = written(tmp_path / "ctr.log", write_all(records))
    assert said(tail(path, count=1, since=None)) == ["Segmentation fault"]


def test_a_record_still_being_written_is_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path / "ctr.log", whole(1).write())
    append(path, whole(2).write()[:-3])
    assert said(tail(path, count=1, since=None)) == ["line 1"]


def test_what_a_container_writes_is_never_taken_for_a_record(tmp_path: Path) -> None:
    forged = whole(666).write()[:-1]
    path = tmp_path / "ctr.log"
    for filler in range(60):  # wherever a block begins
        records = [Record(NOON_NS, "stdout", True, b"x" * filler + forged * 400) for _ in range(3)]
        written(path, write_all(records))
        assert len(tail(path, count=9, since=None)) == 3
