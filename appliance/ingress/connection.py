"""A client's connection: one request after the other, all to one host.

It goes through the phases of ``phase.py``. Memory is bounded: what can't be passed on now is not
read.
"""

import asyncio
import logging
from typing import cast

import anyio

from appliance.domain.ids import new_id
from appliance.engine.addresses import Address
from appliance.ingress.answer import SWITCHING, Answer
from appliance.ingress.destination import Destination, is_over
from appliance.ingress.exchange import GONE, Exchange
from appliance.ingress.framing import BadFraming, framing_of
from appliance.ingress.hall import Hall
from appliance.ingress.head import Head, Heads, Refused
from appliance.ingress.line import Line
from appliance.ingress.opening import Opening
from appliance.ingress.phase import ENDING, OPENING, READING, RELAYING, TUNNEL
from appliance.ingress.rewrite import Rewriter, Sender
from appliance.ingress.seams import Grant, Reply, Trouble
from appliance.ingress.tally import Tally
from appliance.ingress.upstream import Upstream
from appliance.ingress.wire import wire

HEAD_S = 10.0
IDLE_S = 60.0
log = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """One client; ``own_ip`` is the address it came in at. Ask it to ``leave`` to end it."""

    def __init__(self, hall: Hall, sender: Sender, own_ip: str, *, redirects: bool) -> None:
        self._hall = hall
        self._sender = sender
        self._line: Line
        self._phase = READING
        self._buffer = b""
        self._since = 0.0  # when this phase began
        self._limit_s = HEAD_S  # what it may take while READING
        self._leaving = False
        self._destination = Destination(hall, own_ip, redirects=redirects)
        self._tally = Tally(hall)
        self._heads, self._rewriter = Heads(), Rewriter(sender)
        self._now: Exchange | None = None  # while there is no request to be read
        self._upstream: Upstream | None = None
        self._way = Opening(hall, sender, self._destination, self)
        self._opening = anyio.CancelScope()

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours."""
        self._line = Line(cast("asyncio.Transport", transport), secure=self._sender.secure)
        self._since = self._hall.now_s
        self._hall.entered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, whoever ended it."""
        del exc
        self._opening.cancel()
        begun = GONE if self._now is None else self._now.status
        self._tally.gone(SWITCHING if self._phase is TUNNEL else begun)
        self._drop_upstream()
        self._hall.left(self, self._sender.address)

    def data_received(self, data: bytes) -> None:
        """Bytes, as they come."""
        self._tally.traffic.bytes_in += len(data)
        if self._phase is TUNNEL and self._upstream is not None:
            self._upstream.send(data)
        elif self._phase is not ENDING:
            self._buffer = self._buffer + data if self._buffer else data
            self._go_on()

    def eof_received(self) -> bool:
        """The client has said all it will; a whole request is still answered (half-close)."""
        now = self._now if self._phase in (OPENING, RELAYING) else None
        whole = now is not None and now.body is None
        if self._line.secure or not (whole or self._phase is TUNNEL):
            return False
        self._line.ended = True
        if self._upstream is not None and self._upstream.ended:
            return False
        if self._phase is not OPENING and self._upstream is not None:
            self._upstream.send_eof()
        return True

    def pause_writing(self) -> None:
        """More than enough waits to be sent."""
        self._line.full = True
        if self._upstream is not None:
            self._upstream.pause(True)

    def resume_writing(self) -> None:
        """There is room again."""
        self._line.full = False
        if self._upstream is not None:
            self._upstream.pause(False)
        self._go_on()

    # What the hall asks.

    def leave(self) -> None:
        """Ends it when the request under way is answered; at once if there is none."""
        self._leaving = True
        if self._phase is READING and not self._buffer:
            self._line.close()

    def abort(self) -> None:
        """Ends it now."""
        self._line.abort()

    def check(self, now_s: float) -> None:
        """Keeps the deadlines; asked about once a second."""
        if self._phase is ENDING:
            self._line.check(now_s)
        elif self._phase is READING and now_s - self._since > self._limit_s:
            if self._buffer:
                self._refuse(Refused(408, "request_timeout", f"no whole head in {HEAD_S:.0f} s"))
            else:
                self._line.close()
        elif self._phase is OPENING and self._hears_interim and self._line.is_left():
            self.abort()

    def moved(self, address: Address) -> None:
        """A deployment's address changed: what can't answer any more is not waited for."""
        upstream = self._upstream
        if upstream is None or not self._destination.is_of(address):
            return
        self._destination.look()
        now = self._under_way
        if now is not None and not self._destination.lets_in(now.grant):
            self.abort()
        elif is_over(address, upstream.target.port):
            upstream.leave()
            self.upstream_failed("broke_off", "it ended before its answer was complete")
        elif address.paused and self._phase is RELAYING and now and now.answer is None:
            self._drop_upstream()
            self._tell(503, "paused", "it was paused before it had answered")
            self._go_on()

    @property
    def grant(self) -> Grant | None:
        """What the request under way was let in on, None where nothing was asked for."""
        return None if self._under_way is None else self._under_way.grant

    def is_answered_by(self, ports: frozenset[int]) -> bool:
        """Whether what is under way is answered at one of those loopback ports."""
        upstream = self._upstream if self._under_way is not None else None
        return upstream is not None and upstream.target.port in ports

    # What the upstream tells.

    def answer(self, data: bytes) -> None:
        """Bytes for the client, as they come."""
        self._tally.traffic.bytes_out += len(data)
        self._line.transport.write(data)

    def answering(self, answer: Answer) -> None:
        """The answer has begun."""
        if self._now is not None:
            self._now.answer = answer

    def answered(self, *, reusable: bool) -> None:
        """The answer is over; the request may not be, if the upstream would not hear the end."""
        now = self._now
        if now is None:
            return
        self._tally.end(now.status)
        now.answered = True
        if not reusable:
            self._drop_upstream()
        if now.is_last or self._is_last():
            self._end()
        elif now.body is None:
            self._next()
            if self._buffer:
                self._go_on()
        elif not reusable:
            self._end()

    def switched(self) -> None:
        """It is a WebSocket from here on."""
        self._phase = TUNNEL
        self._line.hold(False)
        if self._buffer and self._upstream is not None:
            self._upstream.send(self._buffer)
            self._buffer = b""

    def upstream_failed(self, code: str, message: str) -> None:
        """No answer, or no rest of one, will come."""
        upstream, now = self._upstream, self._now
        self._drop_upstream()
        if self._phase is TUNNEL:
            self._tally.end(SWITCHING)
            self._line.close()
        elif self._phase is not RELAYING or now is None:
            return
        elif now.answered:
            self._end()
        elif now.answer is not None:
            self._cut_short()
        elif upstream is not None and upstream.may_have_missed(now.head):
            self._open(now)
        else:
            self._tell(502, code, message)
            self._go_on()

    def upstream_ended(self) -> None:
        """A WebSocket's server has said all it will."""
        if self._line.ended:
            self._line.close()
        else:
            self._line.say_end()

    def upstream_full(self, full: bool) -> None:
        """It takes no more for now, or again."""
        self._line.choke(full)

    def _go_on(self) -> None:
        """Does what can be done with what has come."""
        try:
            while self._buffer and self._phase is READING and not self._line.full:
                head, self._buffer = self._heads.take(self._buffer)
                if head is None:
                    self._wait_for_head()
                    break
                self._begin(head)
            now = self._now
            if self._phase is RELAYING and self._buffer and now and now.body is not None:
                self._relay_body(now)
            if self._buffer or self._line.held:
                reads_on = self._phase in (READING, ENDING) and not self._line.full
                self._line.hold(bool(self._buffer) and not reads_on)
        except Refused as refused:
            self._refuse(refused)
        except BadFraming as error:
            self._break_off(Refused(400, "bad_request", str(error)))

    def _wait_for_head(self) -> None:
        """Bytes have come, but no whole head."""
        if self._limit_s != HEAD_S:  # they are the first after a rest
            self._since, self._limit_s = self._hall.now_s, HEAD_S

    def _begin(self, head: Head) -> None:
        """One request: where to, and how.

        Raises:
            Refused: the host is not this connection's.
        """
        destination = self._destination
        if head.host != destination.host:
            destination.settle(head.host, self._hall.asked_name(self._line.transport))
        destination.look()
        now = self._now = Exchange(head, None if head.length == 0 else framing_of(head.length))
        self._tally.begin(destination.place)
        upstream, aim = self._upstream, destination.aim
        ready = upstream is not None and upstream.alive and destination.straight
        if upstream is not None and ready and (aim is upstream.target or aim == upstream.target):
            self._ask(head, upstream)
            return
        reply = destination.dead_end(head)
        if reply is None:
            self._open(now)
        else:
            self._reply(reply)

    def _open(self, now: Exchange) -> None:
        self._phase = OPENING
        self._opening = anyio.CancelScope()
        self._hall.tasks.start_soon(self._opened, now, self._opening)

    async def _opened(self, now: Exchange, scope: anyio.CancelScope) -> None:
        """The bulkhead: a defect met with one request must not stop the door."""
        try:
            with scope:
                self._go(now, await self._way.find(now, self._upstream))
                self._go_on()
        except Exception:
            log.exception("request failed errorId=%s", new_id("err"))
            self.abort()

    def _go(self, now: Exchange, found: Upstream | Reply) -> None:
        """To the upstream that is there already, or a new one."""
        if found is not self._upstream:
            self._drop_upstream()
        if isinstance(found, Reply):
            self._reply(found)
        else:
            self._upstream = found
            self._ask(now.head, found)

    def _ask(self, head: Head, upstream: Upstream) -> None:
        self._phase = RELAYING
        if self._line.full:
            upstream.pause(True)
        raw = self._rewriter.upstream_head(head, inside=self._destination.inside)
        upstream.ask(raw, head.method, websocket=head.websocket)
        if self._line.ended:
            upstream.send_eof()

    def _relay_body(self, now: Exchange) -> None:
        data = self._buffer
        stop = now.take(data)
        if self._upstream is not None:
            self._upstream.send(data if stop == len(data) else data[:stop])
        self._buffer = data[stop:]
        if now.body is None and now.answered:
            self._next()
            self._go_on()

    def _next(self) -> None:
        self._phase = READING
        self._now = None
        self._since, self._limit_s = self._hall.now_s, IDLE_S
        if self._leaving and not self._buffer:
            self._line.close()

    def _end(self) -> None:
        """No further request: the answer leaves, what still comes is thrown away."""
        self._phase = ENDING
        self._since = self._hall.now_s
        self._drop_upstream()
        whole = self._now is None or self._now.body is None
        if self._line.ended or (whole and not self._buffer):
            self._line.close()
        else:
            self._buffer = b""
            self._line.linger(self._since)

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.leave()
            self._line.choke(False)

    def _cut_short(self) -> None:
        """The rest of an answer won't come; only a broken connection can say so."""
        self._tally.end(502)
        self._phase = ENDING
        self._line.close()

    def _break_off(self, refused: Refused) -> None:
        """The client's body breaks the rules while it is passed on."""
        if self._now is not None and self._now.answer is not None:
            self._cut_short()
        else:
            self._refuse(refused)

    def _refuse(self, refused: Refused) -> None:
        trouble = Trouble(refused.status, refused.code, str(refused), host=self._destination.host)
        self._write(self._hall.pages.tell(trouble, self._head), last=True)
        self._buffer = self._buffer or b" "  # more may be on its way
        self._end()

    def _tell(self, status: int, code: str, message: str) -> None:
        trouble = self._destination.trouble(status, code, message)
        self._reply(self._hall.pages.tell(trouble, self._head))

    def _reply(self, reply: Reply) -> None:
        """The door's own answer to the request under way."""
        now = self._now
        last = now is None or now.body is not None or now.is_last or self._is_last()
        self._write(reply, last=last)
        if last:
            self._end()
        else:
            self._next()

    @property
    def _head(self) -> Head | None:
        return None if self._now is None else self._now.head

    @property
    def _hears_interim(self) -> bool:
        """Whether a client that has ended can be asked; HTTP/1.0 knows no interim answer."""
        head = self._head
        return self._line.ended and head is not None and head.version == b"1.1"

    @property
    def _under_way(self) -> Exchange | None:
        """What an upstream has been asked, and has not answered."""
        return self._now if self._phase in (RELAYING, TUNNEL) else None

    def _is_last(self) -> bool:
        return self._leaving or (self._line.ended and not self._buffer)

    def _write(self, reply: Reply, *, last: bool) -> None:
        self.answer(wire(reply, self._head, last=last))
        self._tally.end(reply.status)
