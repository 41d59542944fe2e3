"""The connection behind a client's connection: it carries one request at a time, for it alone."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from appliance.ingress.answer import SWITCHING, Answer, Answers, BadAnswer
from appliance.ingress.framing import BadFraming, Framing, UntilClose
from appliance.ingress.head import Head

BUFFER_BYTES = 256 * 1024
CONNECT_S = 2.0
SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS"})
FLUSH_S = 5.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where an upstream listens: a loopback port, or (``path``) a unix socket."""

    port: int = 0
    path: Path | None = None


class Asker(Protocol):
    """Whose requests these are."""

    def answer(self, data: bytes) -> None:
        """Bytes for the client, as they come."""

    def answering(self, answer: Answer) -> None:
        """The head of the final answer is there, and about to be passed on."""

    def answered(self, *, reusable: bool) -> None:
        """The answer is over; ``reusable``: this connection takes another request."""

    def switched(self) -> None:
        """The upstream speaks WebSocket from here on."""

    def upstream_failed(self, code: str, message: str) -> None:
        """No answer, or no rest of one, will come."""

    def upstream_ended(self) -> None:
        """It has sent all it wanted to, in a conversation without requests."""

    def upstream_full(self, full: bool) -> None:
        """It takes no more for now, or again."""


class Upstream(asyncio.Protocol):
    """Asks on behalf of one ``Asker``."""

    def __init__(self, asker: Asker, target: Target) -> None:
        self.target = target
        self.alive = False
        self.ended = False  # it has said all it will
        self.used = False
        self.silent = True  # nothing has come in answer to the request under way
        self._asker = asker
        self._transport: asyncio.Transport
        self._asked: tuple[bytes, bool] | None = None
        self._answers = Answers()
        self._answer: Answer | None = None
        self._body: Framing = UntilClose()  # of that answer
        self._tunnel = False
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=BUFFER_BYTES)
        self.alive = True

    def ask(self, head: bytes, method: bytes, *, websocket: bool) -> None:
        """Sends the head of a request; the answer's head is awaited from here on."""
        self._asked = (method, websocket)
        self.silent = True
        self._transport.write(head)

    def send(self, data: bytes) -> None:
        """Sends what follows: a body, or anything once ``switched``."""
        self._transport.write(data)

    def send_eof(self) -> None:
        """Nothing more will be sent; the client has said so."""
        if self.alive:
            self._transport.write_eof()

    def may_have_missed(self, head: Head) -> bool:
        """Whether ``head``'s request can be asked again elsewhere, and may have to be.

        A kept connection may close just as a request is sent on it (RFC 9112, 9.3.1); what can
        have had no effect is asked once more.
        """
        return self.used and self.silent and head.length == 0 and head.method in SAFE

    def pause(self, paused: bool) -> None:
        """The client takes no more for now, or again."""
        if not self.alive or self._transport.is_closing():
            return
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def leave(self) -> None:
        """Ends it; nothing more is told to the asker."""
        if not self.alive:
            return
        self.alive = False
        self._answer = self._asked = None
        if self._transport.get_write_buffer_size() == 0 or not self._tunnel:
            self._transport.abort()
            return
        self._transport.close()
        asyncio.get_running_loop().call_later(FLUSH_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Bytes, as they come."""
        if not self.alive:
            return
        self.silent = False
        if self._tunnel:
            self._asker.answer(data)
            return
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        try:
            if self._answer is None:
                self._read_heads(data)
            else:
                self._pass_body(self._answer, data, 0)
        except (BadAnswer, BadFraming) as error:
            self.leave()
            self._asker.upstream_failed("bad_answer", f"its answer is no HTTP: {error}")

    def eof_received(self) -> bool:
        """The server has said all it will."""
        if self._tunnel and self.alive:
            self.ended = True
            self._asker.upstream_ended()
            return True
        if self._answer is not None and isinstance(self._body, UntilClose):
            self._over(reusable=False)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, whoever ended it."""
        del exc
        if not self.alive:
            return
        self.alive = False
        self._asker.upstream_failed("broke_off", "it hung up before its answer was complete")

    def pause_writing(self) -> None:
        """More than enough waits to be sent."""
        self._asker.upstream_full(True)

    def resume_writing(self) -> None:
        """There is room again."""
        self._asker.upstream_full(False)

    def _read_heads(self, data: bytes) -> None:
        """Interim answers and the final one's head; ``data`` begins with a head."""
        while data:
            if self._asked is None:
                raise BadAnswer("nobody asked")
            method, websocket = self._asked
            found = self._answers.take(data, method)
            if found is None:
                self._buffer = data
                return
            answer, data, stop = found
            if answer.status == SWITCHING:
                self._switch(data, wanted=websocket)
                return
            if not answer.interim:
                self._begin(answer, data, stop)
                return
            self._asker.answer(data[:stop])
            data = data[stop:]

    def _begin(self, answer: Answer, data: bytes, stop: int) -> None:
        """The final answer, whose head ends at ``stop``: most have come as a whole."""
        self._asker.answering(answer)
        if answer.body == len(data) - stop:
            self._asker.answer(data)
            self._over(reusable=not answer.closes)
            return
        self._answer, self._body = answer, answer.framing()
        self._pass_body(answer, data, stop)

    def _pass_body(self, answer: Answer, data: bytes, start: int) -> None:
        """Passes ``data`` on, of which the body begins or goes on at ``start``."""
        stop = self._body.end(data, start)
        if stop == len(data):
            self._asker.answer(data)
        elif stop:
            self._asker.answer(data[:stop])
        if self._body.done:
            self._over(reusable=not answer.closes and stop == len(data))
        else:
            self._buffer = data[stop:]

    def _over(self, *, reusable: bool) -> None:
        self._answer = self._asked = None
        self.used = True
        if not reusable:
            self.leave()
        self._asker.answered(reusable=reusable)

    def _switch(self, data: bytes, *, wanted: bool) -> None:
        if not wanted:
            raise BadAnswer("it switches protocols unasked")
        self._tunnel = True
        self._asker.switched()
        self._asker.answer(data)


async def connect(asker: Asker, target: Target) -> Upstream | None:
    """A new upstream connection, None if ``target`` takes none within ``CONNECT_S``."""
    loop = asyncio.get_running_loop()
    upstream = Upstream(asker, target)
    try:
        async with asyncio.timeout(CONNECT_S):
            if target.path is not None:
                await loop.create_unix_connection(lambda: upstream, str(target.path))
            else:
                await loop.create_connection(lambda: upstream, "127.0.0.1", target.port)
    except (OSError, TimeoutError):
        return None
    return upstream
