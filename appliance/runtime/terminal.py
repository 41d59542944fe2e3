"""A shell in a container on a pseudo-terminal: libpod's exec, its connection taken over.

httpx can't give a connection away, so this is the one place that speaks HTTP by hand: one request
with ``Upgrade: tcp``, answered 101, then raw bytes both ways (Podman's API reference, ``exec
start``; measured on 4.3.1 and 5.4.2). Podman leaves the shell running when the connection
closes, so whoever leaves hangs it up, as a modem once did.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
from anyio.abc import ByteStream

from appliance.domain.errors import RuntimeFailure, RuntimeUnavailable
from appliance.runtime import process

SWITCHING = b" 101 "
OPEN_S = 10
MAX_HEAD_BYTES = 16 * 1024
PIECE_BYTES = 32 * 1024

Ask = Callable[[str, str, Mapping[str, Any] | None, Mapping[str, str] | None], Awaitable[Any]]
"""A request to libpod: method, path, body, parameters; the JSON it answers."""


class ExecTerminal:
    """The port's ``Terminal`` on one exec session of Podman's."""

    def __init__(self, stream: ByteStream, first: bytes, resize: Callable[..., Any]) -> None:
        self._stream = stream
        self._first = first
        self._resize = resize

    async def receive(self) -> bytes:
        """What the shell wrote next; empty when it has ended."""
        if self._first:
            first, self._first = self._first, b""
            return first
        try:
            return await self._stream.receive(PIECE_BYTES)
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return b""

    async def send(self, data: bytes) -> None:
        """Types ``data``; a shell that has ended hears nothing."""
        try:
            await self._stream.send(data)
        except anyio.BrokenResourceError:
            return

    async def resize(self, columns: int, rows: int) -> None:
        """Tells the shell how large the window is; where that fails, it ends or has ended."""
        try:
            await self._resize(columns, rows)
        except RuntimeFailure:
            return


@asynccontextmanager
async def open_exec(
    connect: Callable[[], Awaitable[ByteStream]], ask: Ask, name: str, argv: Sequence[str]
) -> AsyncIterator[ExecTerminal]:
    """Runs ``argv`` in the container ``name``; leaving hangs it up.

    Raises:
        RuntimeFailure: it can't be had.
    """
    body = {
        "Cmd": list(argv), "AttachStdin": True, "AttachStdout": True, "AttachStderr": True,
        "Tty": True, "Env": ["TERM=xterm-256color"],
    }  # fmt: skip
    session = str((await ask("POST", f"/containers/{name}/exec", body, None))["Id"])
    try:
        stream = await connect()
    except OSError as error:
        raise RuntimeUnavailable("Podman's service does not answer.") from error

    async def resize(columns: int, rows: int) -> None:
        await ask("POST", f"/exec/{session}/resize", None, {"h": str(rows), "w": str(columns)})

    async with stream:
        first = await _take_over(stream, session)
        try:
            yield ExecTerminal(stream, first, resize)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(OPEN_S):
                await _hang_up(ask, session)


async def _take_over(stream: ByteStream, session: str) -> bytes:
    """The request that makes the connection the shell's; what came behind the answer's head."""
    body = json.dumps({"Detach": False, "Tty": True}).encode()
    head = (
        f"POST /v4.0.0/libpod/exec/{session}/start HTTP/1.1\r\nHost: podman\r\n"
        "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    answer = b""
    try:
        with anyio.fail_after(OPEN_S):
            await stream.send(head.encode() + body)
            while b"\r\n\r\n" not in answer and len(answer) < MAX_HEAD_BYTES:
                answer += await stream.receive()
    except (TimeoutError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
        raise RuntimeUnavailable("Podman's service does not answer.") from error
    status, _, rest = answer.partition(b"\r\n\r\n")
    if SWITCHING not in status.partition(b"\r\n")[0]:
        raise RuntimeFailure("Podman gives no terminal: " + rest.decode(errors="replace")[:200])
    return rest


async def _hang_up(ask: Ask, session: str) -> None:
    """SIGHUP, and a second later SIGKILL, if the shell is still there."""
    try:
        shown = await ask("GET", f"/exec/{session}/json", None, None)
    except RuntimeFailure:
        return  # Podman or the container is gone
    if not shown["Running"]:
        return
    shell = process.of_container(int(shown["Pid"]), str(shown["ContainerID"]))
    if shell is not None:
        process.hang_up(shell)
        await process.end(shell)


def connector(url: str) -> Callable[[], Awaitable[ByteStream]]:
    """Opens connections to the service at ``url``: ``unix:///path`` or ``tcp://host:port``."""
    if url.startswith("unix://"):
        return partial(anyio.connect_unix, url.removeprefix("unix://"))
    host, _, port = url.removeprefix("tcp://").rpartition(":")
    return partial(anyio.connect_tcp, host.strip("[]"), int(port))
