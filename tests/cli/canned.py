"""A small HTTP server that answers in the contract's shapes and remembers what it was asked."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

DEADLINE_S = 10

NODE = {
    "id": "node_abc123",
    "operatorId": "user_abc123",
    "name": "attic",
    "status": "online",
    "specs": {"cpuModel": None, "cpuCores": 2, "ramMb": 4096, "podmanVersion": "4.3.1"},
    "gpus": [{"name": "H200", "vramMb": 143771}],
    "region": None,
    "hourlyRateCents": 150,
}


def page(key: str, *items: dict[str, Any], number: int = 1, pages: int = 1) -> dict[str, Any]:
    pagination = {"page": number, "limit": 100, "total": len(items), "totalPages": pages}
    return {key: list(items), "pagination": pagination}


def deployment(**changes: Any) -> dict[str, Any]:
    return {
        "id": "dep_xyz789",
        "userId": "user_abc123",
        "nodeId": "node_abc123",
        "templateId": "ollama",
        "name": "my-ollama-server",
        "image": "docker.io/ollama/ollama:latest",
        "status": "running",
        "statusReason": None,
        "endpoints": [
            {"type": "http", "url": "http://127.0.0.1:40001", "internalPort": 11434},
        ],
        "env": {"OLLAMA_MODELS": "llama2,mistral"},
        "volumes": [{"name": "models", "path": "/root/.ollama"}],
        "resources": {"cpus": None, "memoryMb": 2048, "shmMb": None, "gpus": 0},
        "pull": None,
        "totalCost": 250,
        "createdAt": "2024-01-15T10:30:00Z",
        "startedAt": "2024-01-15T10:32:00Z",
        **changes,
    }


def problem(status: int, code: str, detail: str, **more: Any) -> Response:
    headers = more.pop("headers", None)
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code}
    return JSONResponse(
        {**body, **more}, status, headers=headers, media_type="application/problem+json"
    )


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Canned:
    """Answers by ``METHOD /path``: the next of several, the last one for ever."""

    answers: dict[str, deque[Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, route: str, *answers: Any) -> None:
        """A dict is 200 and JSON; a Response is itself."""
        self.answers[route] = deque(answers)

    def only(self, route: str) -> Asked:
        (found,) = [a for a in self.asked if f"{a.method} {a.path}" == route]
        return found

    def count(self, route: str) -> int:
        return sum(f"{a.method} {a.path}" == route for a in self.asked)

    async def reply(self, request: Request) -> Response:
        path = request.url.path
        body = await request.body()
        query, headers = dict(request.query_params), dict(request.headers)
        self.asked.append(Asked(request.method, path, query, headers, body))
        queue = self.answers.get(f"{request.method} {path}")
        if queue is None:
            return problem(404, "not_found", f"there is nothing at {path}")
        answer = queue.popleft() if len(queue) > 1 else queue[0]
        return answer if isinstance(answer, Response) else JSONResponse(answer)


@contextmanager
def serving(canned: Canned, socket: Path | None = None) -> Iterator[str]:
    """Serves on a unix socket, or on a free loopback port; yields the URL of the latter."""
    app = Starlette(
        routes=[Route("/{path:path}", canned.reply, methods=["GET", "POST", "PATCH", "DELETE"])]
    )
    config = uvicorn.Config(
        app,
        uds=str(socket) if socket else None,
        port=0,
        lifespan="off",
        ws="none",
        log_level="warning",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield _address(server, thread, named=socket is not None)
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)


def _address(server: uvicorn.Server, thread: threading.Thread, *, named: bool) -> str:
    wait = threading.Event()
    for _ in range(DEADLINE_S * 100):
        if server.started or not thread.is_alive():
            break
        wait.wait(0.01)
    assert server.started
    if named:
        return "http://appliance"
    host, port = server.servers[0].sockets[0].getsockname()
    return f"http://{host}:{port}"
