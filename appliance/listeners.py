"""The appliance's own sockets, and the servers on them."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from appliance.config.parse import Address

BACKLOG = 1024
IDLE_S = 60
CONNECTIONS = 1000
WEBSOCKET_MESSAGE_BYTES = 64 * 1024


class Server(uvicorn.Server):
    """uvicorn without its signal handling.

    Signals are the supervisor's: uvicorn raises them again when it is done, and our own end would
    never run.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


def server(app: ASGIApp, *, grace_s: int) -> Server:
    """A server for ``app``; once told to exit, open requests get ``grace_s``."""
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
            proxy_headers=False,
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
