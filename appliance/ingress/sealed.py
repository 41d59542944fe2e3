"""TLS between a socket and a connection: OpenSSL does it all, bytes are carried to and from it.

The event loop can do the same, with 256 KiB of buffer a connection, of which an idle one keeps
what was ever written to: 48 KiB a quiet WebSocket, here 24; and with more processor time.
"""

import asyncio
import socket
import ssl
from contextlib import suppress
from enum import Enum, auto
from typing import cast

import anyio

PIECE_BYTES = 64 * 1024
"""OpenSSL's own buffers keep the size they once had, so that it is fed in pieces."""

RECORD_BYTES = 16 * 1024
"""The most that one record holds (RFC 8446, 5.1)."""


class Phase(Enum):
    """How far it has come."""

    SHAKING = auto()
    OPEN = auto()
    OVER = auto()


SHAKING, OPEN, OVER = Phase
"""By themselves: an enumeration's members take five times as long to look up."""


async def receive(
    inner: asyncio.Protocol, sock: socket.socket, context: ssl.SSLContext | None, *, within_s: float
) -> None:
    """Makes an accepted socket the connection of ``inner``: over TLS if there is a ``context``.

    Raises:
        OSError: it is none, or hands were not shaken ``within_s``.
    """
    loop = asyncio.get_running_loop()
    if context is None:
        await loop.connect_accepted_socket(lambda: inner, sock)
        return
    sealed = Sealed(inner, context)
    await loop.connect_accepted_socket(lambda: sealed, sock)
    try:
        with anyio.fail_after(within_s):
            await sealed.shaken()
    except BaseException:
        sealed.abort()
        raise


class Sealed(asyncio.Protocol, asyncio.Transport):
    """The protocol of a plain transport, and itself the transport of ``inner``, a TLS server.

    ``inner`` gets to know of it when hands are shaken. A client that ends its side, by TLS or by
    TCP, ends the connection: with TLS there is no half of one here.
    """

    def __init__(self, inner: asyncio.Protocol, context: ssl.SSLContext) -> None:
        self._inner = inner
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._socket: asyncio.Transport
        self._phase = SHAKING
        self._settled = anyio.Event()
        self._refused: OSError | None = None

    async def shaken(self) -> None:
        """Returns when hands are shaken and ``inner`` is connected.

        Raises:
            OSError: they will not be (``ssl.SSLError`` is one).
        """
        await self._settled.wait()
        if self._refused is not None:
            raise self._refused

    # What the socket's transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours."""
        self._socket = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, whoever ended it."""
        self._phase = OVER
        if not self._settled.is_set():
            self._refuse(ConnectionResetError("gone before hands were shaken"))
        elif self._refused is None:
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Sealed bytes, as they come."""
        try:
            if len(data) <= PIECE_BYTES:
                self._take(data)
                return
            for start in range(0, len(data), PIECE_BYTES):
                self._take(data[start : start + PIECE_BYTES])
        except ssl.SSLError as error:
            self._break(error)

    def eof_received(self) -> bool:
        """The client has closed its side, with a word or without."""
        if self._phase is OPEN:
            self._inner.eof_received()
            self.close()
        return False

    def pause_writing(self) -> None:
        """More than enough waits to be sent."""
        if self._phase is OPEN:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """There is room again."""
        if self._phase is OPEN:
            self._inner.resume_writing()

    # What the inner connection asks.

    def write(self, data: "bytes | bytearray | memoryview") -> None:
        """Seals ``data`` and sends it; nothing, once it is closing."""
        if self._phase is not OPEN or not data:
            return
        sent = self._tls.write(data)  # one record
        while sent < len(data):
            if self._outgoing.pending >= PIECE_BYTES:
                self._flush()
            sent += self._tls.write(memoryview(data)[sent:])
        self._flush()

    def close(self) -> None:
        """Ends it when all is sent, and says so to the client (RFC 8446, 6.1)."""
        if self._phase is OPEN:
            self._phase = OVER
            with suppress(ssl.SSLError):  # it has not said the same, and need not
                self._tls.unwrap()
            self._flush()
        self._socket.close()

    def abort(self) -> None:
        """Ends it now."""
        self._phase = OVER
        self._socket.abort()

    def is_closing(self) -> bool:
        """Whether nothing more is taken."""
        return self._socket.is_closing()

    def pause_reading(self) -> None:
        """No more data until ``resume_reading``."""
        self._socket.pause_reading()

    def resume_reading(self) -> None:
        """More data, please."""
        self._socket.resume_reading()

    def can_write_eof(self) -> bool:
        """No: with TLS there is no half of a connection here."""
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """In sealed bytes."""
        self._socket.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Sealed bytes that wait to be sent."""
        return self._socket.get_write_buffer_size()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """``ssl_object``, and what the socket's transport knows."""
        return self._tls if name == "ssl_object" else self._socket.get_extra_info(name, default)

    # What is inside.

    def _take(self, piece: bytes) -> None:
        if self._phase is OVER:
            return
        self._incoming.write(piece)
        if self._phase is SHAKING and not self._shake():
            return
        opened, ended = self._unseal()
        if opened:
            self._inner.data_received(opened)
        if ended:
            self.eof_received()

    def _shake(self) -> bool:
        """Goes on with the handshake; whether it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._flush()
        self._phase = OPEN
        self._settled.set()
        self._inner.connection_made(self)
        return True

    def _unseal(self) -> tuple[bytes, bool]:
        """What was in the pieces so far, and whether the client has ended its side."""
        opened = b""
        parts: list[bytes] = []
        try:
            while self._incoming.pending:
                opened = self._tls.read(RECORD_BYTES)
                if not opened:
                    return b"".join(parts), True
                parts.append(opened)
        except ssl.SSLWantReadError:  # the rest of a record is still to come
            pass
        if self._outgoing.pending:  # what TLS itself has to say, of new keys for example
            self._flush()
        return opened if len(parts) == 1 else b"".join(parts), False

    def _flush(self) -> None:
        self._socket.write(self._outgoing.read())

    def _break(self, error: ssl.SSLError) -> None:
        """The client does not speak TLS as we do: it is told why (RFC 8446, 6.2)."""
        self._phase = OVER
        self._flush()
        self._socket.close()
        if not self._settled.is_set():
            self._refuse(error)

    def _refuse(self, error: OSError) -> None:
        self._refused = error
        self._settled.set()
