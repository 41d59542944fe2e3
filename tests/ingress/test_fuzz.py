"""Whatever comes: a head or a refusal, never another error; and never a byte to a wrong server."""

import re
from collections.abc import Callable
from contextlib import suppress

import httptools
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from appliance.ingress.answer import Answer, Answers, BadAnswer, read_answer
from appliance.ingress.framing import BadFraming, Chunked, Counted, Framing
from appliance.ingress.head import Head, Heads, Refused, check_beginning, parse_head
from appliance.ingress.rewrite import Rewriter, Sender
from tests.ingress.doorlab import DOMAIN, Lab, get
from tests.ingress.test_hostile import HOSTILE

BITS = st.sampled_from(
    [b"GET", b"POST", b" ", b"/", b"*", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\r", b"\n", b":",
     b"Host", b"dep-a.box.test", b"dep-b.box.test", b"Content-Length", b"Transfer-Encoding",
     b"chunked", b"0", b"5", b"\0", b"\t", b",", b"Connection", b"close", b"Upgrade", b"\x80",
     b"http://", b"X-Forwarded-For", b"_", b"-", b"hello", b"\x0b", b";", b'"', b"Expect"],
)  # fmt: skip
NOISE = st.lists(BITS | st.binary(max_size=6), max_size=60).map(b"".join)
NAMES = st.sampled_from(
    [b"Host", b"host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"X",
     b"x_forwarded_for", b"Upgrade", b"Expect", b"TE", b"Cookie", b"Forwarded"],
)  # fmt: skip
VALUES = st.sampled_from(
    [b"dep-a.box.test", b"dep-b.box.test:1", b"[::1]", b"5", b"05", b"chunked", b"CHUNKED",
     b"close", b"keep-alive, X", b"websocket", b"100-continue", b"trailers", b"a\tb", b"",
     b" x ", b"\xff"],
)  # fmt: skip
LINES = st.tuples(NAMES, st.sampled_from([b":", b": ", b":\t"]), VALUES).map(b"".join)
HEADS = st.tuples(
    st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"M-SEARCH"]),
    st.sampled_from([b"/", b"/a?b", b"*", b"http://dep-a.box.test/x", b"a", b"//b", b"/%00"]),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/3.1"]),
    st.lists(LINES, max_size=8),
).map(lambda t: b"\r\n".join([b" ".join(t[:3]), *t[3], b"", b""]))
MANY = settings(max_examples=400, deadline=None)


def mutate(raw: bytes, position: int, bit: bytes, drop: int) -> bytes:
    at = position % (len(raw) + 1)
    return raw[:at] + bit + raw[at + drop :]


MUTANTS = st.builds(
    mutate,
    HEADS | st.sampled_from(sorted(HOSTILE)).map(lambda name: HOSTILE[name][1]),
    st.integers(0, 4000), BITS, st.integers(0, 3),
)  # fmt: skip


SENDER = Sender("192.0.2.1", secure=True)
LINES = st.sampled_from(
    [b"GET / HTTP/1.1", b"POST /a?b HTTP/1.1", b"GET /c HTTP/1.0", b"GET /#d HTTP/1.1",
     b"GET http://a/e HTTP/1.1", b"GET * HTTP/1.1", b"G?T /f HTTP/1.1", b"GET  / HTTP/1.1",
     b"TRACE /g HTTP/1.1", b"GET /h HTTP/1.2", b"GET /" + b"i" * 9000 + b" HTTP/1.1"]
)  # fmt: skip


def read(raw: bytes) -> Head | None:
    try:
        return parse_head(raw)
    except Refused:
        return None


def taken(data: bytes, heads: Heads) -> tuple[Head | None, bytes] | None:
    try:
        return heads.take(data)
    except Refused:
        return None


def with_line(raw: bytes, line: bytes) -> bytes:
    return line + raw[max(raw.find(b"\r\n"), 0) :]


@MANY
@given(HEADS | MUTANTS, st.lists(LINES, max_size=4), HEADS, st.sampled_from([b"", b"\r\n", b"x"]))
@example(b"GET /a?b HTTP/1.1\r\nHost:0GET\r\n", [], b"GET / HTTP/1.1\r\n\r\n", b"\r\n")
def test_what_a_connection_repeats_is_read_and_passed_on_as_if_it_came_first(
    raw: bytes, lines: list[bytes], other: bytes, more: bytes
) -> None:
    heads, rewriter = Heads(), Rewriter(SENDER)
    for again in (raw, raw, *(with_line(raw, line) for line in lines), other, raw):
        assert taken(again[:-1], heads) == taken(again[:-1], Heads())
        found = taken(again + more, heads)
        assert found == taken(again + more, Heads())
        if found is None or found[0] is None:
            continue
        head = found[0]
        sent = (again + more).removeprefix(b"\r\n")
        assert head == read(sent.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        for inside in (True, False, True):
            fresh = Rewriter(SENDER).upstream_head(head, inside=inside)
            assert rewriter.upstream_head(head, inside=inside) == fresh


@MANY
@given(NOISE | HEADS | MUTANTS)
def test_any_bytes_are_a_head_or_refused(raw: bytes) -> None:
    head = read(raw)
    with suppress(Refused):
        check_beginning(raw)
    if head is not None:
        assert re.fullmatch(r"[a-z0-9._:\[\]-]+", head.host)


class Again:
    """A second reader of the head that the upstream gets."""

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.complete = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower().replace(b"_", b"-"), value))

    def on_headers_complete(self) -> None:
        self.complete += 1


@MANY
@given(HEADS | MUTANTS)
def test_what_the_upstream_gets_is_one_head_that_says_the_same(raw: bytes) -> None:
    head = read(raw)
    if head is None:
        return
    sent = Rewriter(SENDER).upstream_head(head, inside=True)
    assert sent.count(b"\r\n\r\n") == 1
    assert sent.endswith(b"\r\n\r\n")
    again = read(sent)
    assert again is not None
    assert (again.host, again.length, again.method) == (head.host, head.length, head.method)
    assert again.target == head.target
    second = Again()
    try:
        httptools.HttpRequestParser(second).feed_data(sent)
    except httptools.HttpParserUpgrade:
        assert head.websocket
    names = [name for name, _ in second.fields]
    assert second.complete == 1
    assert names.count(b"host") == 1
    assert [v for n, v in second.fields if n == b"x-forwarded-for"] == [b"192.0.2.1"]
    assert names.count(b"forwarded") == 1


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted(c % (len(data) + 1) for c in cuts)
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def passed(framing: Framing, parts: list[bytes]) -> tuple[bytes, bytes]:
    """What passes of a body that comes in ``parts``, and what is left over."""
    out, rest = b"", b""
    for part in parts:
        rest += part
        if not framing.done:
            stop = framing.end(rest, 0)
            out, rest = out + rest[:stop], rest[stop:]
    return out, rest


CUTS = st.lists(st.integers(0, 2000), max_size=12)
CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


@MANY
@given(CHUNKS, st.sampled_from([b"", b"X: y\r\n"]), st.binary(max_size=30), CUTS)
def test_a_chunked_body_ends_where_it_ends_however_it_is_cut(
    chunks: list[bytes], trailers: bytes, more: bytes, cuts: list[int]
) -> None:
    body = (
        b"".join(b"%x;e=1\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n" + trailers + b"\r\n"
    )
    framing = Chunked()
    assert passed(framing, cut(body + more, cuts)) == (body, more)
    assert framing.done


@MANY
@given(st.binary(max_size=60), st.binary(max_size=30), CUTS)
def test_a_counted_body_ends_where_it_ends_however_it_is_cut(
    body: bytes, more: bytes, cuts: list[int]
) -> None:
    assert passed(Counted(len(body)), cut(body + more, cuts)) == (body, more)


@MANY
@given(NOISE, CUTS)
def test_any_bytes_are_chunks_or_refused(data: bytes, cuts: list[int]) -> None:
    whole, in_parts = Chunked(), Chunked()
    try:
        expected = passed(whole, [data])
    except BadFraming:
        with pytest.raises(BadFraming):
            passed(in_parts, [*cut(data, cuts), b"\r\n"])
        return
    assert passed(in_parts, cut(data, cuts)) == expected


@MANY
@given(NOISE, st.sampled_from([b"GET", b"HEAD"]))
def test_any_answer_is_read_or_bad(noise: bytes, method: bytes) -> None:
    for data in (noise, b"HTTP/1.1 200 OK\r\n" + noise, b"HTTP/1.0 200\n" + noise + b"\n\n"):
        try:
            read_answer(data, method)
        except BadAnswer:
            continue


ANSWER_LINES = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.0 200", b"HTTP/1.1 304 ", b"HTTP/1.1 101 Go", b"HTTP/1.1 103 "]
)
ANSWER_FIELDS = st.sampled_from(
    [b"Content-Length: 3", b"content-length:5", b"Content-Length: 5x", b"Connection: close",
     b"Transfer-Encoding: chunked", b"Connection: keep-alive", b"X: y", b"X: y\r", b"\r"]
)  # fmt: skip
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\n"])
ANSWERS = st.tuples(
    ANSWER_LINES, st.lists(st.tuples(ENDS, ANSWER_FIELDS), max_size=4), ENDS, ENDS,
    st.sampled_from([b"", b"hello", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]),
).map(lambda t: t[0] + b"".join(map(b"".join, t[1])) + b"".join(t[2:]))  # fmt: skip


def told(
    data: bytes, method: bytes, how: Callable[[bytes, bytes], tuple[Answer, bytes, int] | None]
) -> object:
    """What is known of the answer in ``data``, its body's framing by what it lets pass."""
    try:
        found = how(data, method)
    except BadAnswer:
        return BadAnswer
    if found is None:
        return None
    answer, data, stop = found
    framing = answer.framing()
    body = type(framing), framing.end(b"5\r\nhello\r\n0\r\n\r\n", 0), framing.done
    return answer.status, answer.closes, answer.interim, body, data, stop


@MANY
@given(st.lists(st.tuples(ANSWERS, st.sampled_from([b"GET", b"HEAD"])), min_size=1, max_size=4))
def test_what_a_server_repeats_is_read_as_if_it_came_first(
    asked: list[tuple[bytes, bytes]],
) -> None:
    answers = Answers()
    for data, method in (pair for pair in asked + asked[::-1] for _ in range(2)):
        for more in (data, data + b"more", data[:-3]):
            assert told(more, method, answers.take) == told(more, method, read_answer)


@pytest.mark.anyio
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(MUTANTS | NOISE)
async def test_no_bytes_reach_a_server_that_was_not_named(lab: Lab, raw: bytes) -> None:
    if not lab.backends:
        await lab.deploy("a")
        await lab.deploy("b")
    client = await lab.client()
    await client.send(raw + get(f"dep-b.{DOMAIN}", "/second") + get(path="/third"))
    client.writer.write_eof()
    await client.rest()
    client.close()
    a, b = lab.backends
    assert all(b"dep-a.box.test" in head.lower() for head in a.heads)
    assert all(b"dep-b.box.test" in head.lower() for head in b.heads)
    a.heads.clear()
    b.heads.clear()
