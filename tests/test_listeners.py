"""The servers behind the front door end when they are told to."""

from pathlib import Path

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from appliance import listeners
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "socket"


def client(path: Path) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    return httpx.AsyncClient(transport=transport, base_url="http://box", timeout=PATIENCE_S)


async def test_an_idle_server_does_not_wait_for_its_next_tick_to_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "TICK_S", 10 * PATIENCE_S)
    server = listeners.server(Starlette(), grace_s=1)
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks, client(path) as http:
            tasks.start_soon(server.serve, [listeners.unix(path)])
            assert (await http.get("/")).status_code == 404
            server.stop()


async def test_a_server_told_to_stop_still_answers_what_it_was_asked(path: Path) -> None:
    asked, stopped = anyio.Event(), anyio.Event()

    async def answer(request: Request) -> PlainTextResponse:
        asked.set()
        await stopped.wait()
        return PlainTextResponse(request.url.path)

    server = listeners.server(Starlette(routes=[Route("/late", answer)]), grace_s=60)
    answers: list[str] = []

    async def ask() -> None:
        async with client(path) as http:
            answers.append((await http.get("/late")).text)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listeners.unix(path)])
        tasks.start_soon(ask)
        await asked.wait()
        server.stop()
        stopped.set()
    assert answers == ["/late"]


async def test_a_unix_socket_is_its_owners_alone_and_replaces_an_old_one(path: Path) -> None:
    listeners.unix(path).close()
    with listeners.unix(path):
        assert path.stat().st_mode & 0o777 == 0o600
