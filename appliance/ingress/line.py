"""The client's end of a connection: when it is read, and how it comes to its end."""

import asyncio
import socket

from appliance.ingress.upstream import BUFFER_BYTES

STUCK_S = 60.0
LINGER_S = 2.0
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
TCP_CLOSE = 7
"""Of the kernel's tcp_states.h: nothing passes in either direction any more."""


class Line:
    """A transport that is not read while there is no room, and ended so that nothing is lost.

    ``full``: the client takes no more for now. ``ended``: it has said all it will. ``held``: what
    has come could not be dealt with yet.
    """

    __slots__ = ("_asked", "_choked", "_paused", "_since", "_unsent", "ended", "full", "held",
                 "secure", "transport")  # fmt: skip

    def __init__(self, transport: asyncio.Transport, *, secure: bool) -> None:
        transport.set_write_buffer_limits(high=BUFFER_BYTES)
        self.transport = transport
        self.secure = secure
        self.full = False
        self.ended = False
        self.held = False
        self._asked = False
        self._choked = False
        self._paused = False
        self._since = 0.0
        self._unsent = 0

    def hold(self, held: bool) -> None:
        """What has come can't be dealt with yet, or can: no more of it, or more."""
        self.held = held
        self._flow()

    def choke(self, choked: bool) -> None:
        """Where the bytes go there is no room, or there is."""
        self._choked = choked
        self._flow()

    def say_end(self) -> None:
        """Nothing more will be written. TLS has no half of a connection here: it closes."""
        if self.secure:
            self.transport.close()
        else:
            self.transport.write_eof()

    def close(self) -> None:
        """Ends it when all is sent."""
        self.transport.close()

    def abort(self) -> None:
        """Ends it now."""
        self.transport.abort()

    def is_left(self) -> bool:
        """Whether nobody is there to hear an answer, though there was one who has ``ended``.

        A FIN looks the same from who has closed and from who has only nothing more to say. What
        is sent tells them apart: the one's machine resets it, the other passes over an interim
        answer (RFC 9110, 15.2). So the first call asks, and later ones can know.
        """
        if not self._asked:
            self._asked = True
            self.transport.write(INTERIM)
            return False
        kernel = self.transport.get_extra_info("socket")
        return bool(kernel.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE)

    def linger(self, now_s: float) -> None:
        """Ends it while the client may still be sending.

        Closing a socket with unread bytes resets it, and a reset can overtake the answer
        (RFC 9112, 9.6): so it is read on until the client has closed, or ``check`` cuts it off.
        """
        self._since = now_s
        self.held = self._choked = False
        self._flow()
        if not self.secure:
            self.transport.write_eof()

    def check(self, now_s: float) -> None:
        """The client of an ended line takes the last bytes, however slowly, and closes; or not."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:
            self._since, self._unsent = now_s, unsent
        elif now_s - self._since > (STUCK_S if unsent else LINGER_S):
            self.transport.abort()

    def _flow(self) -> None:
        paused = self.held or self._choked
        if paused == self._paused or self.transport.is_closing():
            return
        self._paused = paused
        if paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
