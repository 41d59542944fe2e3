"""Server-sent events (WHATWG HTML, section 9.2): an answer that goes on until somebody hangs up."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HEARTBEAT = b": still here\n\n"


@dataclass(frozen=True, slots=True)
class Message:
    """One event: ``data`` is one line of JSON; ``id`` is what the client resumes from."""

    data: str
    id: str | None = None
    event: str | None = None

    def encode(self) -> bytes:
        """As it goes over the wire."""
        lines = [f"event: {self.event}"] if self.event else []
        lines += [f"id: {self.id}"] if self.id else []
        return ("\n".join([*lines, f"data: {self.data}"]) + "\n\n").encode()


class EventStream(Response):
    """Sends messages (None: a heartbeat) until they end, the client goes, or it is ``over``."""

    media_type = "text/event-stream"

    def __init__(
        self, messages: AsyncIterator[Message | None], over: Callable[[], Awaitable[None]]
    ) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers({"X-Accel-Buffering": "no"})
        self._messages = messages
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers; a ``HEAD`` gets the head alone."""
        headers = [(k, v) for k, v in self.raw_headers if k != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] != "HEAD":
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._until_gone, receive, tasks.cancel_scope)
                tasks.start_soon(self._until_over, tasks.cancel_scope)
                await self._pump(send)
                tasks.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, send: Send) -> None:
        async for message in self._messages:
            data = HEARTBEAT if message is None else message.encode()
            await send({"type": "http.response.body", "body": data, "more_body": True})

    async def _until_gone(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async def _until_over(self, scope: anyio.CancelScope) -> None:
        await self._over()
        scope.cancel()
