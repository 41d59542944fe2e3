"""Over the caps: whoever there is no room for is told so, instead of being hung up on.

That costs a socket, and over TLS a handshake, so it is done for few at once and for a moment: who
comes when the step is full too, or stays silent, is closed without a word.
"""

import asyncio
import logging
import socket
from collections import Counter
from typing import cast

from appliance.ingress.hall import Hall
from appliance.ingress.sealed import receive
from appliance.ingress.seams import Trouble
from appliance.ingress.wire import wire

TURN_S = 3.0
AT_ONCE = 64
OF_ONE_ADDRESS = 4
RETRY_S = 5
NO_ROOM = "too many connections are open, from your address or in all: close some, or come again"

log = logging.getLogger(__name__)


class Doorstep:
    """Tells those turned away, and sees to it that they go."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._by_ip: Counter[str] = Counter()

    def turn_away(self, sock: socket.socket, ip: str, *, secure: bool) -> None:
        """Takes the socket and ends it; the client gets a 503 if it asks anything soon."""
        if self._by_ip.total() >= AT_ONCE or self._by_ip[ip] >= OF_ONE_ADDRESS:
            sock.close()
            return
        self._by_ip[ip] += 1
        self._hall.tasks.start_soon(self._tell, sock, ip, secure)

    async def _tell(self, sock: socket.socket, ip: str, secure: bool) -> None:
        trouble = Trouble(503, "too_many_connections", NO_ROOM, retry_after_s=RETRY_S)
        told = _Told(wire(self._hall.pages.tell(trouble, None), None, last=True))
        try:
            async with asyncio.timeout(TURN_S):
                await receive(told, sock, self._hall.context(secure=secure), within_s=TURN_S)
                await told.over.wait()
        except OSError as error:  # TimeoutError is one
            log.debug("turned away address=%s error=%s", ip, error)
            if not told.came:
                sock.close()
        finally:
            told.leave()
            self._by_ip[ip] -= 1
            if not self._by_ip[ip]:
                del self._by_ip[ip]


class _Told(asyncio.Protocol):
    """Answers the first bytes, whatever they are, and reads on until the client has closed.

    Closing a socket with unread bytes resets it, and a reset can overtake the answer
    (RFC 9112, 9.6).
    """

    def __init__(self, answer: bytes) -> None:
        self.over = asyncio.Event()
        self._answer = answer
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        del data
        if self._transport is None or not self._answer:
            return
        self._transport.write(self._answer)
        self._answer = b""
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.over.set()

    @property
    def came(self) -> bool:
        """Whether the socket is a connection's, which ends it."""
        return self._transport is not None

    def leave(self) -> None:
        """Ends it now, if it has not ended."""
        if self._transport is not None:
            self._transport.abort()
