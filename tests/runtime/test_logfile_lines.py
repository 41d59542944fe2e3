"""What one record and one line become, and where a cursor points."""

import re

import pytest

from appliance.domain.logline import LogLine
from appliance.runtime.logrecords import (
    CUT_MARK,
    LINE_LIMIT_BYTES,
    LogParser,
    Place,
    clean,
    instant_ns,
    timestamp,
)
from tests.log_reference import NOON_NS, Record, utc, write_all


def lines_of(content: bytes) -> list[LogLine]:
    return [joined.line() for joined in LogParser(0).feed(content)]


def test_a_record_becomes_a_line_with_its_nanoseconds_in_utc() -> None:
    written = b"2026-11-23T18:57:20.217615070+00:00 stdout F line1\n"
    assert lines_of(written) == [LogLine("2026-11-23T18:57:20.217615070Z", "stdout", "line1")]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"2026-11-23T18:57:20.217615070+02:00", "2026-11-23T16:57:20.217615070Z"),
        (b"2026-12-31T23:59:59.999999999-05:30", "2027-01-01T05:29:59.999999999Z"),
        (b"2028-02-29T00:00:00.000000001+14:00", "2028-02-28T10:00:00.000000001Z"),
    ],
)
def test_host_offsets_are_converted_and_keep_nanoseconds(written: bytes, expected: str) -> None:
    assert timestamp(instant_ns(written)) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"plain", "plain"),
        (b"\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        (b"tab\there", "tab\there"),
        (b"windows\r", "windows"),
        (b"10%\r20%\r", "10%20%"),
        (b"nul\x00bell\x07del\x7f", "nulbelldel"),
        ("csi\x9b31m nel\x85 grün".encode(), "csi31m nel grün"),
        (b"bad \xff\xfe utf \xc3", "bad \ufffd\ufffd utf \ufffd"),
        (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
        (b"", ""),
    ],
)
def test_no_control_character_but_tab_gets_through(content: bytes, expected: str) -> None:
    assert clean(content) == expected


def test_every_byte_alone_comes_out_harmless() -> None:
    text = clean(bytes(range(256)))
    assert re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", text) is None


def test_a_line_of_16_kib_is_whole_and_one_byte_more_is_cut_and_marked() -> None:
    assert clean(b"x" * LINE_LIMIT_BYTES) == "x" * LINE_LIMIT_BYTES
    assert clean(b"x" * (LINE_LIMIT_BYTES + 1)) == "x" * LINE_LIMIT_BYTES + CUT_MARK


def test_a_cut_does_not_split_a_character() -> None:
    content = b"x" + "ü".encode() * LINE_LIMIT_BYTES
    assert clean(content) == "x" + "ü" * (LINE_LIMIT_BYTES // 2 - 1) + CUT_MARK


def test_a_long_line_of_many_pieces_is_cut_with_the_time_of_its_first() -> None:
    pieces = [Record(NOON_NS + i, "stdout", ends=i == 9, piece=b"%d" % i * 8192) for i in range(10)]
    [line] = lines_of(write_all(pieces))
    assert line.timestamp == utc(NOON_NS)
    assert line.message == "0" * 8192 + "1" * 8192 + CUT_MARK


def test_a_parser_holds_little_of_a_line_and_of_a_record_without_end() -> None:
    parser = LogParser(0)
    piece = Record(NOON_NS, "stderr", ends=False, piece=b"p" * 8192).write()
    for _ in range(500):
        assert list(parser.feed(piece)) == []
    for _ in range(64):
        assert list(parser.feed(b"z" * 65536)) == []
    held = len(parser._rest) + sum(len(line.content) for line in parser.unfinished())
    assert held < 3 * LINE_LIMIT_BYTES


@pytest.mark.parametrize(
    "garbage",
    [
        b"217615070+00:00 stdout F torn head\n",
        b"\x00" * 100 + b"\n",
        b"2026-13-01T00:00:00.000000000+00:00 stdout F no such month\n",
        b"2026-11-23T18:57:20.217615070+00:00 stdin F no such stream\n",
        b"2026-11-23T18:57:20.217615070+00:00 stdout X no such tag\n",
        b"\n",
    ],
)
def test_what_is_no_record_is_passed_over(garbage: bytes) -> None:
    good = Record(NOON_NS, "stdout", ends=True, piece=b"good").write()
    assert [line.message for line in lines_of(good + garbage + good)] == ["good", "good"]


def test_an_impossible_day_does_no_harm() -> None:
    [line] = lines_of(b"2026-02-31T00:00:00.000000000+00:00 stdout F odd\n")
    assert line.message == "odd"


@pytest.mark.parametrize(
    "place",
    [Place(NOON_NS, 0), Place(NOON_NS + 7, 123, flushed=True), Place(NOON_NS + 10**8, None)],
)
def test_a_cursor_is_read_as_it_was_written(place: Place) -> None:
    assert Place.parse(str(place)) == place


@pytest.mark.parametrize(
    ("cursor", "instant"),
    [
        ("2026-09-21T14:13:20Z", NOON_NS),
        ("2026-09-21T16:13:20.5+02:00", NOON_NS + 500_000_000),
        ("2026-09-21 14:13:20.000000001Z", NOON_NS + 1),
    ],
)
def test_any_rfc_3339_timestamp_is_a_cursor(cursor: str, instant: int) -> None:
    assert Place.parse(cursor) == Place(instant, None)


@pytest.mark.parametrize(
    "cursor",
    [
        "", "x", "1", "2026-09-21T14:13:20", "2026-02-30T00:00:00Z", "2026-09-21T14:13:20Z/",
        "2026-09-21T14:13:20Z/-1", "2026-09-21T14:13:20Z/1/2",
        "2026-09-21T14:13:20.0000000001Z", "2026-09-21T14:13:20Z\n", "2026-09-21T14:13:20Z/٣",
        "0001-01-01T00:00:00+01:00", "20260921T141320Z", "2026-W39-1T14:13:20Z",
        "2026-09-21T14:13:20Z/9999999999999999",
    ],
)  # fmt: skip
def test_anything_else_is_no_cursor(cursor: str) -> None:
    with pytest.raises(ValueError):
        Place.parse(cursor)
