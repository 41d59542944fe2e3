"""The door's own answers as bytes."""

from email.utils import formatdate
from http import HTTPStatus

from appliance.ingress.head import Head
from appliance.ingress.seams import Reply


def wire(reply: Reply, head: Head | None, *, last: bool) -> bytes:
    """The bytes of ``reply`` to ``head`` (None: what could not be read); ``last``: no more come."""
    lines = [b"HTTP/1.1 %d %b" % (reply.status, HTTPStatus(reply.status).phrase.encode())]
    lines += [b"%b: %b" % field for field in reply.fields]
    lines.append(b"Date: %b" % formatdate(usegmt=True).encode())
    lines.append(b"Content-Length: %d" % len(reply.body))
    if last:
        lines.append(b"Connection: close")
    elif head is not None and head.version == b"1.0":
        lines.append(b"Connection: keep-alive")
    body = b"" if head is not None and head.method == b"HEAD" else reply.body
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
