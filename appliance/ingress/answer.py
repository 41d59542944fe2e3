"""The head of an answer: looked at for its end and its body's, and passed on as it came.

The upstream is this client's alone, so nothing it says can reach another; what the door must
know is when the answer is over. Servers that end lines with a bare LF are put right.
"""

import re
from dataclasses import dataclass

from appliance.ingress.framing import Chunked, Counted, Framing, UntilClose

MAX_HEAD_BYTES = 64 * 1024

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\r\n\0]*)?\r\n")
DECISIVE = re.compile(
    rb"\r\n(content-length|transfer-encoding|connection):[\t ]*([^\r\n]*)", re.IGNORECASE
)
LENGTH = re.compile(rb"[0-9]{1,18}[\t ]*")
HEAD_END = re.compile(rb"\r?\n\r?\n")
SWITCHING = 101
NO_CONTENT, NOT_MODIFIED = 204, 304
FINAL = 200
EMPTY_LINE = b"\r\n\r\n"


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


def read_answer(data: bytes, method: bytes) -> tuple[Answer, bytes, int] | None:
    """The answer to a ``method`` request whose head ``data`` begins with; None: not all is there.

    With it come the head, its lines put right, and where it ended in ``data``.

    Raises:
        BadAnswer: it is no answer.
    """
    stop = data.find(EMPTY_LINE) + len(EMPTY_LINE)
    line = STATUS_LINE.match(data)
    if stop >= len(EMPTY_LINE) and line is not None:
        raw = data[:stop]
    else:
        end = HEAD_END.search(data)
        if end is None:
            _check_beginning(data)
            return None
        raw, stop = _tidy(data[: end.end()]), end.end()
        line = STATUS_LINE.match(raw)
    if line is None:
        raise BadAnswer("it does not begin with a status line")
    return _answer(raw, line, method), raw, stop


def _check_beginning(data: bytes) -> None:
    if len(data) > MAX_HEAD_BYTES:
        raise BadAnswer("its head does not end")


def _tidy(raw: bytes) -> bytes:
    return b"\r\n".join(line.rstrip(b"\r") for line in raw.split(b"\n"))


def _answer(raw: bytes, line: re.Match[bytes], method: bytes) -> Answer:
    minor, code = line.groups()
    status = int(code)
    told: dict[bytes, bytes] = {}
    for name, value in DECISIVE.findall(raw):
        told[name.lower()] = value
    framing = _framing(told, status, method)
    options = told.get(b"connection", b"").lower()
    kept = (minor == b"1" and b"close" not in options) or b"keep-alive" in options
    return Answer(status, framing, not kept or isinstance(framing, UntilClose))


def _framing(told: dict[bytes, bytes], status: int, method: bytes) -> Framing:
    """RFC 9112, 6.3."""
    if status < FINAL or status in (NO_CONTENT, NOT_MODIFIED) or method == b"HEAD":
        return Counted(0)
    coding = told.get(b"transfer-encoding")
    if coding is not None:
        return Chunked() if coding.strip().lower().endswith(b"chunked") else UntilClose()
    length = told.get(b"content-length")
    if length is None:
        return UntilClose()
    if LENGTH.fullmatch(length) is None:
        raise BadAnswer("its Content-Length is no number")
    return Counted(int(length))
