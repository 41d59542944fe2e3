"""The head that the upstream gets: what is between client and door stays there, the rest goes on.

One upstream connection serves one client connection, so ``close`` and HTTP/1.0's ``keep-alive``
mean the same on both and are passed on; every other option of Connection ends here, with the
fields it names (RFC 9110, 7.6.1). What a client says of proxies before us is not believed.
"""

from dataclasses import dataclass
from functools import lru_cache

from appliance.ingress.head import Head

HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"http2-settings",
     b"proxy"}
)  # fmt: skip
"""``Proxy`` is none, but CGI makes HTTP_PROXY of it (CVE-2016-5385)."""

SENDER = frozenset({b"forwarded", b"x-real-ip"})
NEEDED = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""What Connection may not name: without them the request would be another."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a request, and how it came: ``address`` is an IP address."""

    address: str
    secure: bool


def upstream_head(head: Head, sender: Sender) -> bytes:
    """The bytes of the head for the upstream."""
    dropped = head.options - NEEDED
    lines = [b"%b %b HTTP/%b" % (head.method, head.target, head.version)]
    for name, value in head.fields:
        plain = name.lower().replace(b"_", b"-")
        if plain in HOP_BY_HOP or plain in SENDER or plain.startswith(b"x-forwarded-"):
            continue
        if dropped and plain in dropped:
            continue
        lines.append(b"%b: %b" % (name, value))
    lines.append(_told(sender, head.get(b"host") or b""))
    lines.append(_connection(head))
    return b"\r\n".join(lines)


@lru_cache(maxsize=1024)
def _told(sender: Sender, authority: bytes) -> bytes:
    """Who sent it, as everybody's convention has it and as RFC 7239 has it."""
    address = sender.address.encode()
    proto = b"https" if sender.secure else b"http"
    node = b'"[%b]"' % address if b":" in address else address
    return b"\r\n".join(
        (
            b"X-Forwarded-For: %b" % address,
            b"X-Forwarded-Proto: %b" % proto,
            b"X-Forwarded-Host: %b" % authority,
            b"X-Real-IP: %b" % address,
            b'Forwarded: for=%b;host="%b";proto=%b' % (node, authority, proto),
        )
    )


def _connection(head: Head) -> bytes:
    """The last fields and the end of the head."""
    if head.websocket:
        return b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    if b"close" in head.options:
        return b"Connection: close\r\n\r\n"
    if head.version == b"1.0" and head.keeps_alive:
        return b"Connection: keep-alive\r\n\r\n"
    if b"te" in head.options and b"trailers" in b",".join(head.all(b"te")).lower():
        return b"Connection: TE\r\nTE: trailers\r\n\r\n"
    return b"\r\n"
