"""Requests and answers go through whole, one after the other, to the right place."""

import pytest

from tests.ingress.doorlab import DOMAIN, Lab, Talk, get

pytestmark = pytest.mark.anyio


async def test_a_request_gets_its_answer_and_the_connection_stays(lab: Lab) -> None:
    backend = await lab.deploy("a")
    client = await lab.client()
    for _ in range(3):
        await client.send(get())
        assert await client.answer() == (200, b"hello")
    assert backend.connections == 1
    assert len(backend.heads) == 3


async def test_the_domain_itself_leads_to_the_api(lab: Lab) -> None:
    await lab.deploy("a")
    client = await lab.client()
    await client.send(get(DOMAIN))
    assert await client.answer() == (200, b"hello")
    assert len(lab.api.heads) == 1


async def test_a_chunked_body_goes_through_both_ways_with_trailers(lab: Lab) -> None:
    body = b"5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"

    async def echo(talk: Talk) -> None:
        await talk.head()
        got = await talk.reader.readexactly(len(body))
        await talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + got)
        await talk.head()

    await lab.deploy("a", echo)
    client = await lab.client()
    head = (
        get()
        .replace(b"GET", b"POST")
        .replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    )
    for byte in head + body:
        await client.send(bytes([byte]))
    await client.head()
    assert await client.read(len(body)) == body
