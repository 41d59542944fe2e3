"""The head of an answer: looked at for its end and its body's, and passed on as it came.

The upstream is this client's alone, so nothing it says can reach another; what the door must
know is when the answer is over. Servers that end lines with a bare LF are put right.
"""

import re
from dataclasses import dataclass

from appliance.ingress.framing import Chunked, Counted, Framing, UntilClose

MAX_HEAD_BYTES = 64 * 1024

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\r\n\0]*)?\r\n")
LENGTH = re.compile(rb"[0-9]{1,18}")
HEAD_END = re.compile(rb"\r?\n\r?\n")
SWITCHING = 101
NO_CONTENT, NOT_MODIFIED = 204, 304
FINAL = 200
EMPTY_LINE = 4


class BadAnswer(ValueError):
    """The upstream does not speak HTTP/1."""


@dataclass(slots=True)
class Answer:
    """What has to be known of an answer. ``closes``: the connection ends with it."""

    status: int
    framing: Framing
    closes: bool

    @property
    def interim(self) -> bool:
        """Whether another answer follows (RFC 9110, 15.2)."""
        return self.status < FINAL and self.status != SWITCHING


def take_head(data: bytes) -> tuple[bytes, int] | None:
    """The head ``data`` begins with, its lines put right, and where it ended; None: not yet.

    Raises:
        BadAnswer: it is longer than any head.
    """
    stop = data.find(b"\r\n\r\n") + 4
    if stop >= EMPTY_LINE and data.count(b"\n", 0, stop) == data.count(b"\r\n", 0, stop):
        return data[:stop], stop
    match = HEAD_END.search(data)
    if match is not None:
        lines = data[: match.end()].split(b"\n")
        return b"\r\n".join(line.rstrip(b"\r") for line in lines), match.end()
    if len(data) > MAX_HEAD_BYTES:
        raise BadAnswer("its head does not end")
    return None


def read_answer(raw: bytes, method: bytes) -> Answer:
    """What the head ``raw`` says of the answer to a ``method`` request.

    Raises:
        BadAnswer: it is no answer.
    """
    line = STATUS_LINE.match(raw)
    if line is None:
        raise BadAnswer("it does not begin with a status line")
    status = int(line[2])
    lower = raw.lower()
    framing = _framing(lower, status, method)
    options = _value(lower, b"\r\nconnection:")
    kept = b"keep-alive" in options or (line[1] == b"1" and b"close" not in options)
    return Answer(status, framing, not kept or isinstance(framing, UntilClose))


def _framing(lower: bytes, status: int, method: bytes) -> Framing:
    """RFC 9112, 6.3."""
    if status < FINAL or status in (NO_CONTENT, NOT_MODIFIED) or method == b"HEAD":
        return Counted(0)
    coding = _value(lower, b"\r\ntransfer-encoding:")
    if coding:
        return Chunked() if coding.endswith(b"chunked") else UntilClose()
    length = _value(lower, b"\r\ncontent-length:")
    if not length:
        return UntilClose()
    if LENGTH.fullmatch(length) is None:
        raise BadAnswer("its Content-Length is no number")
    return Counted(int(length))


def _value(lower: bytes, mark: bytes) -> bytes:
    """What follows ``mark`` on its line of a head in lower case; empty: nothing does."""
    start = lower.find(mark)
    if start < 0:
        return b""
    start += len(mark)
    return lower[start : lower.find(b"\r\n", start)].strip()
