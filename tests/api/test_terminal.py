"""A terminal: a ticket that is good once, and the session it opens."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from appliance.api import terminal
from appliance.engine.terminals import SESSIONS_A_USER
from tests.api.served import Caller, Served, problem
from tests.api.wire import Wire, wired
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
async def made(bob: Caller) -> str:
    deployment_id = (await bob.create())["id"]
    await bob.until(deployment_id, "running")
    return str(deployment_id)


async def a_ticket(caller: Caller, deployment_id: str) -> str:
    answer = await caller.http.post(f"/deployments/{deployment_id}/terminal")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


@asynccontextmanager
async def opened(served: Served, path: str, ticket: str, **headers: str) -> AsyncIterator[Wire]:
    path, query = f"/deployments/{path}/terminal", f"ticket={ticket}"
    async with wired(served.app, path, query, **headers) as wire:
        yield wire


async def test_what_is_typed_is_shown_and_the_shells_end_closes(
    served: Served, bob: Caller, made: str
) -> None:
    ticket = await a_ticket(bob, made)
    async with opened(served, made, ticket, origin="http://appliance") as wire:
        assert (await wire.hear())["type"] == "websocket.accept"
        await wire.type(b"ls\xff")
        assert (await wire.hear())["bytes"] == b"ls\xff"
        await wire.tell('{"resize": [132, 40]}')
        await wire.type(b"exit\n")
        assert await wire.closed() == 1000
    [shell] = served.runtime.terminals
    assert (shell.size, shell.hung_up) == ((132, 40), True)
    events = (await bob.get(f"/deployments/{made}/events"))["events"]
    assert (events[-1]["type"], events[-1]["actorId"]) == ("terminal", bob.user_id)


async def test_who_leaves_hangs_up(served: Served, bob: Caller, made: str) -> None:
    async with opened(served, made, await a_ticket(bob, made)) as wire:
        await wire.hear()
        await wire.leave()
        await eventually(lambda: served.runtime.terminals[0].hung_up)


@pytest.mark.parametrize("text", ["", "{}", '{"resize": [0, 1]}', '{"resize": [1]}', "[1, 2]"])
async def test_another_text_than_a_size_ends_it(
    served: Served, bob: Caller, made: str, text: str
) -> None:
    async with opened(served, made, await a_ticket(bob, made)) as wire:
        await wire.hear()
        await wire.tell(text)
        assert await wire.closed() == 1003


async def test_the_stop_of_the_appliance_ends_it(served: Served, bob: Caller, made: str) -> None:
    async with opened(served, made, await a_ticket(bob, made)) as wire:
        await wire.hear()
        served.stopping.set()
        assert await wire.closed() == 1001


async def test_the_end_of_its_token_ends_it(served: Served, bob: Caller, made: str) -> None:
    async with opened(served, made, await a_ticket(bob, made)) as wire:
        await wire.hear()
        [token] = (await bob.get("/auth/tokens"))["tokens"]
        await bob.http.delete(f"/auth/tokens/{token['id']}")
        assert await wire.closed() == 4401


async def test_nothing_typed_nor_written_for_too_long_ends_it(
    served: Served, bob: Caller, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "IDLE_S", 0.3)
    begun_s = time.monotonic()
    async with opened(served, made, await a_ticket(bob, made)) as wire:
        await wire.hear()
        await wire.type(b"still here")
        await wire.hear()
        assert await wire.closed() == 4408
    assert time.monotonic() - begun_s >= 0.3
    [shell] = served.runtime.terminals
    assert shell.hung_up


async def test_a_ticket_opens_one_session_on_its_deployment_alone(
    served: Served, bob: Caller, made: str
) -> None:
    other = (await bob.create())["id"]
    await bob.until(other, "running")
    used = await a_ticket(bob, made)
    async with opened(served, made, used) as wire:
        assert (await wire.hear())["type"] == "websocket.accept"
    wrong = await a_ticket(bob, made)
    for path, ticket in ((made, used), (other, wrong), (made, wrong), (made, "made-up")):
        async with opened(served, path, ticket) as wire:
            status, body = await wire.refused()
            assert (status, body["code"]) == (401, "not_authenticated")


async def test_a_token_is_no_ticket_and_none_is_none(served: Served, made: str) -> None:
    for query in ("", "token=nn_x", "ticket=a&ticket=b"):
        async with wired(served.app, f"/deployments/{made}/terminal", query) as wire:
            assert (await wire.refused())[0] == 401


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://appliance.evil"])
async def test_a_page_of_another_host_opens_nothing(
    served: Served, bob: Caller, made: str, origin: str
) -> None:
    async with opened(served, made, await a_ticket(bob, made), origin=origin) as wire:
        assert (await wire.refused())[0] == 403


async def test_tickets_are_for_those_who_may_write_it(
    ada: Caller, carol: Caller, reader: Caller, made: str
) -> None:
    path = f"/deployments/{made}/terminal"
    problem(await carol.http.post(path), 404)
    problem(await reader.http.post(path), 403)
    await a_ticket(ada, made)


async def test_who_bought_a_ticket_and_who_showed_a_wrong_one_is_on_record(
    served: Served, ada: Caller, bob: Caller, made: str
) -> None:
    await a_ticket(bob, made)
    async with opened(served, made, "made-up") as wire:
        await wire.refused()
    denied, bought, *_ = (await ada.get("/audit"))["entries"]
    assert (bought["action"], bought["actorId"]) == ("create_terminal", bob.user_id)
    assert (denied["action"], denied["result"], denied["object"]) == (
        "open_terminal", "denied", made,
    )  # fmt: skip


async def test_only_what_runs_has_a_terminal(served: Served, bob: Caller, made: str) -> None:
    ticket = await a_ticket(bob, made)
    await bob.http.post(f"/deployments/{made}/stop")
    await bob.until(made, "stopped")
    problem(await bob.http.post(f"/deployments/{made}/terminal"), 409)
    async with opened(served, made, ticket) as wire:
        assert (await wire.refused())[0] == 409


async def test_sessions_are_counted(served: Served, bob: Caller, made: str) -> None:
    served.services.terminals._sessions[bob.user_id] = SESSIONS_A_USER
    async with opened(served, made, await a_ticket(bob, made)) as wire:
        status, body = await wire.refused()
        assert (status, body["code"]) == (409, "limit_reached")
    served.services.terminals._sessions[bob.user_id] -= 1
    async with opened(served, made, await a_ticket(bob, made)) as wire:
        assert (await wire.hear())["type"] == "websocket.accept"
