"""Stands between the appliance and Podman's socket, and strikes at a request that a test names."""

import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

CHANGE = re.compile(
    rb"(POST|DELETE) (?:/v[\d.]+)?(?:/libpod)?(/(?:containers|networks|volumes)/\S*)"
)
CHUNK = 65_536
When = Literal["before", "after"]


@dataclass
class _Strike:
    nth: int
    when: When
    blow: Callable[[], None]


class PodmanShim:
    """Relays a unix socket. ``changes`` are the requests so far that change something."""

    def __init__(self, path: Path, podman: Path) -> None:
        self._podman = podman
        self.changes: list[str] = []
        self.struck = threading.Event()
        self._strike: _Strike | None = None
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def strike(self, nth: int, when: When, blow: Callable[[], None]) -> None:
        """``blow`` falls on the n-th change from now.

        ``before`` it reaches Podman, or ``after`` Podman's answer and before anybody sees that.
        """
        self.changes.clear()
        self.struck.clear()
        self._strike = _Strike(nth, when, blow)

    def close(self) -> None:
        """Relays nobody new; what is under way ends with its sides."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(self._podman))
            due = threading.Event()
            back = threading.Thread(target=self._back, args=(server, client, due), daemon=True)
            back.start()
            self._forth(client, server, due)
            back.join()

    def _forth(self, client: socket.socket, server: socket.socket, due: threading.Event) -> None:
        while chunk := _receive(client):
            when = self._falls(chunk)
            if when == "before":
                self._fall()
                break
            if when == "after":
                due.set()
            if not _send(server, chunk):
                break
        _end(server)

    def _back(self, server: socket.socket, client: socket.socket, due: threading.Event) -> None:
        while chunk := _receive(server):
            if due.is_set():
                self._fall()
                break
            if not _send(client, chunk):
                break
        _end(client)

    def _falls(self, chunk: bytes) -> When | None:
        change = CHANGE.match(chunk)
        if change is None:
            return None
        with self._lock:
            self.changes.append(b" ".join(change.groups()).decode())
            strike = self._strike
            return strike.when if strike and len(self.changes) == strike.nth else None

    def _fall(self) -> None:
        strike, self._strike = self._strike, None
        if strike is not None:
            strike.blow()
            self.struck.set()


def _receive(source: socket.socket) -> bytes:
    try:
        return source.recv(CHUNK)
    except OSError:
        return b""


def _send(target: socket.socket, chunk: bytes) -> bool:
    try:
        target.sendall(chunk)
    except OSError:
        return False
    return True


def _end(side: socket.socket) -> None:
    try:
        side.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
