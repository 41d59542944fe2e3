"""A terminal in the browser: a ticket by HTTP, then a WebSocket (RFC 6455) with its shell.

Binary messages are bytes both ways; a text message of the client's is ``{"resize": [columns,
rows]}``. The ticket stands in the query, since browsers send no headers with a WebSocket: it is
used up by being looked at. Before the upgrade every error is a problem document, afterwards a
close code: 1000 the shell ended, 1001 the appliance stops, 1003 a message that is none of these,
1011 a defect, 4401 the token that bought the ticket counts no more, 4408 nothing was typed or
written for too long.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

import anyio
from pydantic import Field, ValidationError
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from appliance.api import render
from appliance.api.call import Call
from appliance.api.models import Strict
from appliance.api.render import answer
from appliance.api.services import Services
from appliance.api.standing import until_barred
from appliance.domain.errors import NotAuthenticated, NotPermitted
from appliance.runtime.port import Terminal

IDLE_S = 30 * 60
ENDED, GOING_AWAY, UNACCEPTABLE, DEFECT, BARRED, IDLE = 1000, 1001, 1003, 1011, 4401, 4408

Size = Annotated[int, Field(ge=1, le=1000)]


class ResizeMessage(Strict):
    """The window has another size."""

    resize: Annotated[list[Size], Field(min_length=2, max_length=2)]


async def create_terminal(call: Call) -> Response:
    """Sells a ticket for one terminal session, good for half a minute."""
    made = await call.services.terminals.ticket(call.caller, call.path("id"))
    return answer(render.ticket(made), 201)


async def converse(websocket: WebSocket, services: Services) -> None:
    """One session, from the upgrade to the close.

    Raises:
        ApplianceError: before the upgrade; it is refused.
    """
    check_origin(websocket)
    given = websocket.query_params.getlist("ticket")
    if len(given) != 1:
        raise NotAuthenticated("show one ticket: ?ticket=…")
    admission = services.terminals.redeem(given[0], str(websocket.path_params["id"]))
    async with services.terminals.session(admission) as terminal:
        await websocket.accept()
        barred = partial(until_barred, services.accounts, admission.caller)
        code = await _Session(websocket, terminal, services.stopping, barred).run()
    if code is not None:
        await websocket.close(code)


def check_origin(websocket: WebSocket) -> None:
    """A page of another host can open a WebSocket here (browsers ask nobody): it is refused.

    Raises:
        NotPermitted: the browser says it comes from elsewhere.
    """
    origin = websocket.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != websocket.headers.get("host"):
        raise NotPermitted(f"a page of {origin[:100]} may open no terminal here")


class _Session:
    """Both directions, until either end, the idle limit, the appliance's stop or the token's."""

    def __init__(
        self,
        websocket: WebSocket,
        terminal: Terminal,
        stopping: anyio.Event,
        barred: Callable[[], Awaitable[None]],
    ) -> None:
        self._websocket = websocket
        self._terminal = terminal
        self._stopping = stopping
        self._barred = barred
        self._code: int | None = None
        self._scope = anyio.CancelScope()
        self._idle_at = 0.0

    async def run(self) -> int | None:
        """Why it is over, as a close code; None: the client has gone."""
        self._note()
        async with anyio.create_task_group() as tasks:
            self._scope = tasks.cancel_scope
            tasks.start_soon(self._until_stopping)
            tasks.start_soon(self._until_barred)
            tasks.start_soon(self._until_idle)
            tasks.start_soon(self._type)
            tasks.start_soon(self._show)
        return self._code

    async def _show(self) -> None:
        while data := await self._terminal.receive():
            self._note()
            try:
                await self._websocket.send_bytes(data)
            except WebSocketDisconnect:
                return self._end(None)
        return self._end(ENDED)

    async def _type(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return self._end(None)
            self._note()
            data = message.get("bytes")
            if data is not None:
                await self._terminal.send(data)
            elif not await self._resized(str(message.get("text"))):
                return self._end(UNACCEPTABLE)

    async def _resized(self, text: str) -> bool:
        try:
            columns, rows = ResizeMessage.model_validate_json(text).resize
        except ValidationError:
            return False
        await self._terminal.resize(columns, rows)
        return True

    async def _until_stopping(self) -> None:
        await self._stopping.wait()
        self._end(GOING_AWAY)

    async def _until_barred(self) -> None:
        await self._barred()
        self._end(BARRED)

    async def _until_idle(self) -> None:
        while (left_s := self._idle_at - anyio.current_time()) > 0:  # noqa: ASYNC110 - it moves on
            await anyio.sleep(left_s)
        self._end(IDLE)

    def _note(self) -> None:
        self._idle_at = anyio.current_time() + IDLE_S

    def _end(self, code: int | None) -> None:
        self._code = code
        self._scope.cancel()
