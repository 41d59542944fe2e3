"""A WebSocket to the app in this process, as ASGI puts it (asgi.readthedocs.io, WebSocket)."""

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from starlette.types import ASGIApp, Receive, Scope, Send


class Wire:
    """The client's end."""

    def __init__(
        self, to_app: MemoryObjectSendStream[Any], from_app: MemoryObjectReceiveStream[Any]
    ) -> None:
        self._to_app = to_app
        self._from_app = from_app

    async def type(self, data: bytes) -> None:
        await self._to_app.send({"type": "websocket.receive", "bytes": data})

    async def tell(self, text: str) -> None:
        await self._to_app.send({"type": "websocket.receive", "text": text})

    async def leave(self) -> None:
        await self._to_app.send({"type": "websocket.disconnect", "code": 1006})

    async def hear(self) -> dict[str, Any]:
        with anyio.fail_after(10):
            return dict(await self._from_app.receive())

    async def closed(self) -> int:
        while (message := await self.hear())["type"] != "websocket.close":
            assert message["type"] == "websocket.send", message
        return int(message["code"])

    async def refused(self) -> tuple[int, dict[str, Any]]:
        start, body = await self.hear(), await self.hear()
        assert start["type"] == "websocket.http.response.start"
        return start["status"], json.loads(body["body"])


@asynccontextmanager
async def wired(app: ASGIApp, path: str, query: str, **headers: str) -> AsyncIterator[Wire]:
    """Opens it; leaving the block ends the app's side."""
    to_app, receive = anyio.create_memory_object_stream[Any](math.inf)
    send, from_app = anyio.create_memory_object_stream[Any](math.inf)
    given = {"host": "appliance", **headers}
    scope: dict[str, Any] = {
        "type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "ws",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in given.items()], "client": None,
        "server": None, "subprotocols": [], "extensions": {"websocket.http.response": {}},
    }  # fmt: skip
    await to_app.send({"type": "websocket.connect"})
    async with anyio.create_task_group() as tasks:
        with to_app, from_app, receive, send:
            tasks.start_soon(_serve, app, scope, receive.receive, send.send)
            yield Wire(to_app, from_app)
            tasks.cancel_scope.cancel()


async def _serve(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)
