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


Body = int | type[Chunked | UntilClose]
"""How many bytes it has, or what tells its end."""


@dataclass(slots=True)
class Answer:
    """What has to be known of an answer. ``closes``: the connection ends with it.

    ``interim``: another answer follows (RFC 9110, 15.2).
    """

    status: int
    body: Body
    closes: bool
    interim: bool

    def framing(self) -> Framing:
        """Tells the end of its body."""
        return Counted(self.body) if isinstance(self.body, int) else self.body()


class Answers:
    """The answers on one connection.

    A server repeats itself, the second it tells included: a head that is byte for byte that of
    the answer before is not taken apart again.
    """

    __slots__ = ("_head", "_last", "_method")

    def __init__(self) -> None:
        self._method = b""
        self._head = b""
        self._last = Answer(0, UntilClose, closes=True, interim=False)

    def take(self, data: bytes, method: bytes) -> tuple[Answer, bytes, int] | None:
        """As ``read_answer``.

        Raises:
            BadAnswer: as ``read_answer``.
        """
        if method == self._method and data.startswith(self._head):
            return self._last, data, len(self._head)
        found = read_answer(data, method)
        if found is not None and found[1] is data:  # nothing had to be put right
            self._last, _, stop = found
            self._method, self._head = method, data[:stop]
        return found


def read_answer(data: bytes, method: bytes) -> tuple[Answer, bytes, int] | None:
    """The answer to a ``method`` request whose head ``data`` begins with; None: not all is there.

    With it come ``data``, the head's lines put right, and where in that the head ends.

    Raises:
        BadAnswer: it is no answer.
    """
    stop = data.find(EMPTY_LINE) + len(EMPTY_LINE)
    line = STATUS_LINE.match(data)
    if stop < len(EMPTY_LINE) or line is None:
        end = HEAD_END.search(data)
        if end is None:
            _check_beginning(data)
            return None
        head = _tidy(data[: end.end()])
        data, stop = head + data[end.end() :], len(head)
        line = STATUS_LINE.match(data)
    if line is None:
        raise BadAnswer("it does not begin with a status line")
    return _answer(data[:stop], line, method), data, stop


def _check_beginning(data: bytes) -> None:
    if len(data) > MAX_HEAD_BYTES:
        raise BadAnswer("its head does not end")


def _tidy(raw: bytes) -> bytes:
    return b"\r\n".join(line.rstrip(b"\r") for line in raw.split(b"\n"))


def _answer(raw: bytes, line: re.Match[bytes], method: bytes) -> Answer:
    minor, code = line.groups()
    status = int(code)
    told = {name.lower(): value for name, value in DECISIVE.findall(raw)}
    body = _body(told, status, method)
    options = told.get(b"connection", b"").lower()
    kept = (minor == b"1" and b"close" not in options) or b"keep-alive" in options
    interim = status < FINAL and status != SWITCHING
    return Answer(status, body, not kept or body is UntilClose, interim)


def _body(told: dict[bytes, bytes], status: int, method: bytes) -> Body:
    """RFC 9112, 6.3."""
    if status < FINAL or status in (NO_CONTENT, NOT_MODIFIED) or method == b"HEAD":
        return 0
    coding = told.get(b"transfer-encoding")
    if coding is not None:
        return Chunked if coding.strip().lower().endswith(b"chunked") else UntilClose
    length = told.get(b"content-length")
    if length is None:
        return UntilClose
    if LENGTH.fullmatch(length) is None:
        raise BadAnswer("its Content-Length is no number")
    return int(length)
