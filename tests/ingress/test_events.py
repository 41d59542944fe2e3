"""A client's library for server-sent events gets each of them, as soon as it is sent."""

import anyio
import httpx
import pytest
from httpx_sse import aconnect_sse

from tests.ingress.doorlab import DOMAIN, Lab, Talk

pytestmark = pytest.mark.anyio

HOST = f"dep-a.{DOMAIN}"
COUNT = 1000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(n: int) -> bytes:
    """Two lines of data, an id, a type, and a heartbeat before them."""
    return f": beat\nevent: token\nid: {n}\ndata: {n}\ndata: {'x' * (n % 300)}\n\n".encode()


async def test_each_of_a_thousand_events_is_told_before_the_next_is_sent(lab: Lab) -> None:
    send_next, next_asked = anyio.create_memory_object_stream[int](1)

    async def stream(talk: Talk) -> None:
        await talk.head()
        await talk.say(HEAD)
        async for n in next_asked:
            said = event(n)
            await talk.say(b"%x\r\n%b\r\n" % (len(said), said))
        await talk.say(b"0\r\n\r\n")

    await lab.deploy("a", stream)
    url = f"http://127.0.0.1:{lab.port}/"
    async with (
        send_next,
        next_asked,
        httpx.AsyncClient(headers={"Host": HOST}, timeout=10) as http,
        aconnect_sse(http, "GET", url) as source,
    ):
        told = source.aiter_sse()
        for n in range(COUNT):
            await send_next.send(n)
            got = await anext(told)
            assert (got.event, got.id, got.data) == ("token", str(n), f"{n}\n{'x' * (n % 300)}")
        send_next.close()
        assert [left async for left in told] == []


async def test_a_client_that_lost_its_stream_goes_on_where_it_was(lab: Lab) -> None:
    async def stream(talk: Talk) -> None:
        await talk.head()
        start = int(talk.backend.names().get(b"last-event-id", b"-1")) + 1
        await talk.say(HEAD.replace(b"Transfer-Encoding: chunked\r\n", b""))
        for n in range(start, start + 10):
            await talk.say(event(n))

    await lab.deploy("a", stream)
    url = f"http://127.0.0.1:{lab.port}/"
    ids: list[str] = []
    async with httpx.AsyncClient(headers={"Host": HOST}, timeout=10) as http:
        for _ in range(3):
            headers = {"Last-Event-ID": ids[-1]} if ids else {}
            async with aconnect_sse(http, "GET", url, headers=headers) as source:
                ids += [got.id async for got in source.aiter_sse()]
    assert ids == [str(n) for n in range(30)]
