"""The head of a request, read strictly (RFC 9112): what could be read in two ways is refused.

llhttp (httptools) takes the head apart; the grammar beside it is narrower, so that what passes is
read the same by whatever server stands behind the door.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import httptools

MAX_HEAD_BYTES = 32 * 1024
MAX_TARGET_BYTES = 8 * 1024
MAX_FIELDS = 100

Fields = tuple[tuple[bytes, bytes], ...]

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
GRAMMAR = re.compile(
    rb"(" + TOKEN + rb") ([!-~]++) HTTP/(1\.[01])\r\n"
    rb"(?:" + TOKEN + rb":[\t -~\x80-\xff]*+\r\n)*+\r\n"
)
LINE = re.compile(rb"(" + TOKEN + rb") (/[!\"$-~]*+) HTTP/(1\.[01])\r\n")
"""A request line whose target is a path: as ``GRAMMAR``, and in origin form."""

ANY_LINE = re.compile(TOKEN + rb" [!-~]++ HTTP/([0-9])\.[0-9]\r\n")
BROKEN_LINE = re.compile(rb"(?<!\r)\n|\x00")
HOST = re.compile(
    rb"([A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
)
ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*)(/?[^#]*)")
SINGLE = frozenset({b"host", b"content-length", b"transfer-encoding", b"upgrade", b"expect"})
WATCHED = SINGLE | {b"connection"}
NO_OPTIONS: frozenset[bytes] = frozenset()
NOT_DONE = frozenset({b"CONNECT", b"TRACE"})


class Refused(Exception):
    """The request is not taken; ``status`` and ``code`` say why, and the connection ends."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(slots=True)
class Head:
    """A request's head as it came, checked: every later look finds the same, for nobody changes it.

    ``target`` is in origin form (``/path?query``) or ``*``. ``host`` is the Host field's name in
    lower case without the port, ``authority`` the whole of it as it stood. ``fields`` keep their
    order and spelling. ``length`` counts the body's bytes, None: it is chunked. ``options`` are
    Connection's, in lower case; ``websocket`` that it asks to switch to that protocol, the only
    one the door switches to; ``keeps_alive`` that the client may send more on its connection.
    """

    method: bytes
    target: bytes
    version: bytes
    host: str
    fields: Fields = ()
    length: int | None = 0
    options: frozenset[bytes] = NO_OPTIONS
    websocket: bool = False
    keeps_alive: bool = True
    authority: bytes = b""

    def get(self, name: bytes) -> bytes | None:
        """The first field of that name (lower case)."""
        return next((v for n, v in self.fields if n.lower() == name), None)

    def all(self, name: bytes) -> list[bytes]:
        """Every field of that name (lower case), in order."""
        return [v for n, v in self.fields if n.lower() == name]


class _Parts:
    """What llhttp finds."""

    __slots__ = ("fields",)

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))


def check_beginning(data: bytes) -> None:
    """Looks at a head that has not come to its end.

    Raises:
        Refused: it can't become one.
    """
    if BROKEN_LINE.search(data):
        raise Refused(400, "bad_request", "a line does not end in CRLF, or holds a NUL")
    if len(data) <= MAX_HEAD_BYTES:
        if b"\r\n" not in data and len(data) > MAX_TARGET_BYTES:
            raise Refused(414, "target_too_long", f"a target may have {MAX_TARGET_BYTES} bytes")
        return
    raise Refused(431, "head_too_large", f"a head may have {MAX_HEAD_BYTES} bytes")


class Heads:
    """The heads of one connection.

    A client repeats itself: what is byte for byte that of the request before is not taken apart
    again, be it the whole head or all of it behind its line.
    """

    __slots__ = ("_block", "_last", "_line")

    def __init__(self) -> None:
        self._line = b""  # that of the last head
        self._block = b""  # all of that head behind its line, the empty line included
        self._last = Head(b"", b"", b"", "")

    def take(self, data: bytes) -> tuple[Head | None, bytes]:
        """The head that ``data`` begins with, and what follows; None: not all of it is there.

        Repeated fields are the very same object, and so is a head that is repeated as a whole.

        Raises:
            Refused: as ``parse_head``.
        """
        line, block = self._line, self._block
        if line and data.startswith(line) and data.startswith(block, len(line)):
            return self._last, data[len(line) + len(block) :]
        again = LINE.match(data)
        if again is not None and data.startswith(block, again.end()) and self._is_like(again):
            return self._last, data[again.end() + len(block) :]
        if data.startswith(b"\r\n"):
            data = data[2:]  # RFC 9112, 2.2
        stop = data.find(b"\r\n\r\n") + 4
        if stop >= 4:  # noqa: PLR2004 - it was found
            return self._read(data[:stop]), data[stop:]
        check_beginning(data)
        return None, data

    def _is_like(self, line: re.Match[bytes]) -> bool:
        """Whether only the target is another; the last head is then the one with that."""
        last = self._last
        method, target, version = line.groups()
        if method != last.method or version != last.version or len(target) > MAX_TARGET_BYTES:
            return False
        self._line = line[0]
        self._last = Head(
            method, target, version, last.host, last.fields, last.length, last.options,
            last.websocket, last.keeps_alive, last.authority,
        )  # fmt: skip
        return True

    def _read(self, raw: bytes) -> Head:
        stop = raw.index(b"\r\n") + 2
        self._last = parse_head(raw)
        self._line, self._block = raw[:stop], raw[stop:]
        return self._last


def parse_head(raw: bytes) -> Head:
    """The head of which ``raw`` holds all, up to and with the empty line.

    Raises:
        Refused: it is not exactly what RFC 9112 allows, or more than the door takes.
    """
    if len(raw) > MAX_HEAD_BYTES:
        raise Refused(431, "head_too_large", f"a head may have {MAX_HEAD_BYTES} bytes")
    line = GRAMMAR.fullmatch(raw)
    if line is None:
        raise _malformed(raw)
    method, target, version = line.groups()
    fields = _fields(raw)
    if method in NOT_DONE:
        raise Refused(501, "not_implemented", f"the door does not do {method.decode()}")
    if len(target) > MAX_TARGET_BYTES:
        raise Refused(414, "target_too_long", f"a target may have {MAX_TARGET_BYTES} bytes")
    told = _watched(fields)
    authority, host = _host(told)
    if not (target.startswith(b"/") and b"#" not in target):
        target = _origin_form(method, target, authority)
    head = Head(method, target, version, host, fields, authority=authority)
    if len(told) > 1 or version != b"1.1":
        _take_in(head, told)
    return head


def _fields(raw: bytes) -> Fields:
    parts = _Parts()
    parser = httptools.HttpRequestParser(parts)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserInvalidMethodError:
        raise Refused(501, "not_implemented", "the door does not know this method") from None
    except httptools.HttpParserError as error:
        raise Refused(400, "bad_request", str(error)) from None
    if len(parts.fields) > MAX_FIELDS:
        raise Refused(431, "head_too_large", f"a head may have {MAX_FIELDS} fields")
    return tuple(parts.fields)


def _malformed(raw: bytes) -> Refused:
    line = ANY_LINE.match(raw)
    if line is not None and line[1] != b"1":
        return Refused(505, "version_not_supported", "the door speaks HTTP/1.1 and HTTP/1.0")
    return Refused(400, "bad_request", "this is no HTTP request")


def _watched(fields: Fields) -> dict[bytes, list[bytes]]:
    """The fields that decide, by name in lower case."""
    told: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        lower = name.lower()
        if lower not in WATCHED:
            continue
        if lower not in told:
            told[lower] = [value]
        elif lower in SINGLE:
            raise Refused(400, "bad_request", f"{lower.decode()} may stand once")
        else:
            told[lower].append(value)
    return told


def _host(told: dict[bytes, list[bytes]]) -> tuple[bytes, str]:
    """The authority, and the host name in it."""
    [authority] = told.get(b"host", [b""])
    return authority, _name(authority)


@lru_cache(maxsize=1024)
def _name(authority: bytes) -> str:
    match = HOST.fullmatch(authority)
    if match is None:
        raise Refused(400, "bad_request", "Host has to name one host")
    return match[1].decode().lower()


def _take_in(head: Head, told: dict[bytes, list[bytes]]) -> None:
    """What more than a host is told of the request and its connection."""
    expected = told.get(b"expect")
    if expected is not None and expected[0].lower() != b"100-continue":
        raise Refused(417, "expectation_failed", "only 100-continue can be expected")
    head.length = _length(told, head.version)
    if b"connection" in told:
        head.options = _options(told[b"connection"])
    latest = head.version == b"1.1"  # RFC 9112, 9.3
    head.keeps_alive = b"close" not in head.options and (latest or b"keep-alive" in head.options)
    upgrade = told.get(b"upgrade")
    head.websocket = (
        upgrade is not None
        and upgrade[0].lower() == b"websocket"
        and b"upgrade" in head.options
        and (head.method, head.version, head.length) == (b"GET", b"1.1", 0)
    )


def _length(told: dict[bytes, list[bytes]], version: bytes) -> int | None:
    coding = told.get(b"transfer-encoding")
    if coding is None:
        [length] = told.get(b"content-length", [b"0"])
        return int(length)
    if b"content-length" in told or version != b"1.1":
        raise Refused(400, "bad_request", "a body has one length, and HTTP/1.0 has no codings")
    if coding[0].lower() != b"chunked":
        raise Refused(501, "not_implemented", "chunked is the only transfer coding")
    return None


def _origin_form(method: bytes, target: bytes, authority: bytes) -> bytes:
    if target == b"*" and method == b"OPTIONS":
        return target
    match = ABSOLUTE.fullmatch(target)
    if match is None:
        raise Refused(400, "bad_request", "the target has to be a path")
    if match[1].lower() != authority.lower():
        raise Refused(400, "bad_request", "the target names another host than Host does")
    path = match[2]
    return path if path.startswith(b"/") else b"/" + path


def _options(values: list[bytes]) -> frozenset[bytes]:
    return frozenset(part.strip().lower() for part in b",".join(values).split(b",")) - {b""}
