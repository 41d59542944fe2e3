"""The head that the upstream gets: what is between client and door stays there, the rest goes on.

One upstream connection serves one client connection, so ``close`` and HTTP/1.0's ``keep-alive``
mean the same on both and are passed on; every other option of Connection ends here, with the
fields it names (RFC 9110, 7.6.1). What a client says of proxies before us is not believed.
"""

from dataclasses import dataclass
from functools import lru_cache

from appliance.ingress.credentials import without
from appliance.ingress.head import Fields, Head

ENDS_HERE = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"http2-settings",
     b"proxy", b"forwarded", b"x-real-ip"}
)  # fmt: skip
"""``Proxy`` is no field of HTTP, but CGI makes HTTP_PROXY of it (CVE-2016-5385)."""

NEEDED = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""What Connection may not name: without them the request would be another."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a request, and how it came: ``address`` is an IP address."""

    address: str
    secure: bool


class Rewriter:
    """Makes the heads of one connection those that its upstream gets."""

    __slots__ = ("_fields", "_inside", "_rest", "_sender")

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._fields: Fields = ()
        self._inside = False
        self._rest = b""

    def upstream_head(self, head: Head, *, inside: bool) -> bytes:
        """The bytes of the head for the upstream, ``inside`` a container or else the API.

        No container, public or private, sees what opens more than itself.
        What ``Heads`` has not taken apart again, being the same, is not put together again.
        """
        if head.fields is not self._fields or inside is not self._inside:
            self._fields, self._inside = head.fields, inside
            self._rest = _rest(without(head) if inside else head, self._sender)
        return b"%b %b HTTP/%b\r\n%b" % (head.method, head.target, head.version, self._rest)


def _rest(head: Head, sender: Sender) -> bytes:
    """All behind the request line."""
    lines = []
    dropped = head.options - NEEDED - ENDS_HERE if head.options else head.options
    for name, value in head.fields:
        if _goes_on(name) and not (dropped and _plain(name) in dropped):
            lines.append(b"%b: %b" % (name, value))
    lines.append(_told(sender.address, sender.secure, head.authority))
    lines.append(_connection(head))
    return b"\r\n".join(lines)


def _plain(name: bytes) -> bytes:
    """A field's name as CGI, and who learnt from it, tells names apart."""
    return name.lower().replace(b"_", b"-")


@lru_cache(maxsize=1024)
def _goes_on(name: bytes) -> bool:
    plain = _plain(name)
    return plain not in ENDS_HERE and not plain.startswith(b"x-forwarded-")


@lru_cache(maxsize=1024)
def _told(address: str, secure: bool, authority: bytes) -> bytes:
    """Who sent it, as everybody's convention has it and as RFC 7239 has it."""
    ip, proto = address.encode(), b"https" if secure else b"http"
    node = b'"[%b]"' % ip if b":" in ip else ip
    return b"\r\n".join(
        (
            b"X-Forwarded-For: %b" % ip,
            b"X-Forwarded-Proto: %b" % proto,
            b"X-Forwarded-Host: %b" % authority,
            b"X-Real-IP: %b" % ip,
            b'Forwarded: for=%b;host="%b";proto=%b' % (node, authority, proto),
        )
    )


def _connection(head: Head) -> bytes:
    """The last fields and the end of the head."""
    if not head.options:
        return b"\r\n"
    if head.websocket:
        return b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    if b"close" in head.options:
        return b"Connection: close\r\n\r\n"
    if head.version == b"1.0" and head.keeps_alive:
        return b"Connection: keep-alive\r\n\r\n"
    if b"te" in head.options and b"trailers" in b",".join(head.all(b"te")).lower():
        return b"Connection: TE\r\nTE: trailers\r\n\r\n"
    return b"\r\n"
