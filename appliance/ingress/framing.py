"""Where a body ends, told from its bytes as they pass (RFC 9112, 6 and 7); nothing is copied.

A framing's ``end(data, start)`` answers up to where ``data`` belongs to the body and can be
passed on; bytes between there and the end of ``data`` wait for more, unless ``done``.
"""

import re
from typing import Protocol

MAX_LINE_BYTES = 4 * 1024
MAX_TRAILERS_BYTES = 16 * 1024

CRLF = b"\r\n"
SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[\t ]*;[\t -~\x80-\xff]*)?")
TRAILER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")
UNWANTED_TRAILER = re.compile(
    rb"(?:host|content-length|transfer-encoding|authorization|cookie|forwarded|x-real-ip"
    rb"|x-forwarded-.*):.*"
)
"""What frames, routes, authorizes or names a sender is no trailer (RFC 9110, 6.5.1)."""


class BadFraming(ValueError):
    """The body breaks the rules of its own length."""


class Framing(Protocol):
    """Knows where a body ends."""

    done: bool

    def end(self, data: bytes, start: int) -> int:
        """Up to where ``data``, from ``start`` on, belongs to the body and may pass.

        Raises:
            BadFraming: it can't be told.
        """


class Counted:
    """A body of so many bytes."""

    __slots__ = ("_left", "done")

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0

    def end(self, data: bytes, start: int) -> int:
        """As ``Framing.end``."""
        came = len(data) - start
        if came < self._left:
            self._left -= came
            return len(data)
        stop = start + self._left
        self._left = 0
        self.done = True
        return stop


class UntilClose:
    """A body that ends with the connection."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def end(self, data: bytes, start: int) -> int:
        """As ``Framing.end``."""
        del start
        return len(data)


class Chunked:
    """A body in chunks, and the trailer section behind them."""

    __slots__ = ("_in_trailers", "_left", "_trailers", "done")

    def __init__(self) -> None:
        self._left = 0  # of the chunk under way, its CRLF included
        self._in_trailers = False
        self._trailers = 0
        self.done = False

    def end(self, data: bytes, start: int) -> int:
        """As ``Framing.end``; a line passes only as a whole."""
        position = start
        while not self.done and position < len(data):
            if self._left:
                position = self._through_chunk(data, position)
                continue
            stop = _line_end(data, position)
            if stop is None:
                break
            self._line(data[position:stop])
            position = stop + 2
        return position

    def _through_chunk(self, data: bytes, position: int) -> int:
        """Past the chunk's data, and its CRLF checked byte for byte."""
        before = self._left
        stop = min(position + before, len(data))
        self._left = before - (stop - position)
        expected = CRLF[2 - min(before, 2) : 2 - min(self._left, 2)]
        if not data.endswith(expected, position, stop):
            raise BadFraming("a chunk is not followed by CRLF")
        return stop

    def _line(self, line: bytes) -> None:
        if self._in_trailers:
            self._trailer(line)
            return
        match = SIZE_LINE.fullmatch(line)
        if match is None:
            raise BadFraming("this is no chunk size")
        size = int(match[1], 16)
        self._in_trailers = size == 0
        self._left = size + 2 if size else 0

    def _trailer(self, line: bytes) -> None:
        self._trailers += len(line)
        if not line:
            self.done = True
        elif TRAILER_LINE.fullmatch(line) is None or self._trailers > MAX_TRAILERS_BYTES:
            raise BadFraming("these are no trailers")
        elif UNWANTED_TRAILER.fullmatch(line.lower().replace(b"_", b"-")):
            raise BadFraming("this field may not be a trailer")


def framing_of(length: int | None) -> Framing:
    """The framing of a body of ``length`` bytes, None: it is chunked."""
    return Chunked() if length is None else Counted(length)


def _line_end(data: bytes, position: int) -> int | None:
    stop = data.find(b"\r\n", position, position + MAX_LINE_BYTES)
    if stop >= 0:
        return stop
    if len(data) - position >= MAX_LINE_BYTES or b"\n" in data[position:]:
        raise BadFraming("a line of the chunked body does not end")
    return None
