"""The appliance's own sockets, and the servers on them."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import anyio
import uvicorn
from starlette.types import ASGIApp

from appliance.config.parse import Address

BACKLOG = 1024
IDLE_S = 75
"""Longer than the front door keeps a client waiting, so that it never asks a closing server."""

CONNECTIONS = 1000
FIRST_PASSED_FD = 3
TICK_S = 1.0
WEBSOCKET_MESSAGE_BYTES = 64 * 1024


class Server(uvicorn.Server):
    """uvicorn without its signal handling, and without its ten looks a second.

    Signals are the supervisor's: uvicorn raises them again when it is done, and our own end would
    never run.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = anyio.Event()

    def stop(self) -> None:
        """Takes no more connections and ends when the open requests do, or their grace."""
        self.should_exit = True
        self._told.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield

    async def main_loop(self) -> None:
        """Until ``stop``. A tick is for the Date header, which counts seconds."""
        while not await self.on_tick(0):
            with anyio.move_on_after(TICK_S):
                await self._told.wait()


def server(app: ASGIApp, *, grace_s: int, behind_door: bool = False) -> Server:
    """A server for ``app``; once told to exit, open requests get ``grace_s``.

    ``behind_door``: what X-Forwarded-For and -Proto say is true, for only the front door, which
    sets them anew, can have opened the socket.
    """
    return Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="websockets-sansio",
            ws_max_size=WEBSOCKET_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=behind_door,
            forwarded_allow_ips="*" if behind_door else None,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=grace_s,
        )
    )


def tcp(address: Address) -> socket.socket:
    """A listening TCP socket.

    Raises:
        OSError: the address is taken, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)


def passed(environ: Mapping[str, str]) -> list[socket.socket]:
    """The listening sockets that a service manager holds for us (sd_listen_fds(3)).

    It keeps them open while we restart, so that a client waits instead of being refused; ours
    are duplicates, so that one process can start twice.

    Raises:
        ValueError: they are not what the protocol says.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    last = FIRST_PASSED_FD + int(environ.get("LISTEN_FDS", "0"))
    for fd in range(FIRST_PASSED_FD, last):
        os.set_inheritable(fd, False)
    return [socket.socket(fileno=os.dup(fd)) for fd in range(FIRST_PASSED_FD, last)]


def door_sockets(
    http: Address, https: Address, environ: Mapping[str, str]
) -> tuple[list[socket.socket], list[socket.socket]]:
    """The front door's listening sockets, plain and TLS; passed ones are told by their port.

    Raises:
        OSError: an address is taken, or not this machine's.
        ValueError: a passed socket's port is none of the settings'.
    """
    by_port: dict[int, list[socket.socket]] = {http.port: [], https.port: []}
    for sock in passed(environ):
        port = sock.getsockname()[1]
        if port not in by_port:
            raise ValueError(
                f"a socket passed by the service manager has port {port}, no setting has"
            )
        by_port[port].append(sock)
    return by_port[http.port] or [tcp(http)], by_port[https.port] or [tcp(https)]


def unix(path: Path) -> socket.socket:
    """A listening unix socket that only its owner may open; an old one of that name is replaced.

    Raises:
        OSError: it can't be made.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(BACKLOG)
    return listener


def port(sock: socket.socket) -> int:
    """Which one it listens on."""
    return int(sock.getsockname()[1])


def http_url(sock: socket.socket) -> str:
    """How it is reached from this machine, if it is bound to it."""
    host, number = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{number}"
