"""Requests and answers go through whole, one after the other, to the right place."""

import hashlib

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from tests.ingress.doorlab import DOMAIN, HELLO, Lab, Talk, get
from tests.podman_harness import free_ports
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
HOST = f"dep-a.{DOMAIN}"
MIB = 1024 * 1024


def post(length: int, *fields: str) -> bytes:
    return get(HOST, "/", f"Content-Length: {length}", *fields).replace(b"GET", b"POST")


async def test_requests_on_a_connection_share_one_upstream_connection(lab: Lab) -> None:
    backend = await lab.deploy("a")
    client = await lab.client()
    for _ in range(3):
        await client.send(get())
        assert await client.answer() == (200, b"hello")
    assert backend.connections == 1


async def test_two_clients_never_share_an_upstream_connection(lab: Lab) -> None:
    backend = await lab.deploy("a")
    for client in [await lab.client() for _ in range(3)]:
        await client.send(get())
        await client.answer()
    assert backend.connections == 3


@pytest.mark.parametrize("host", [DOMAIN, DOMAIN.upper(), "localhost", "127.0.0.1", f"{DOMAIN}:80"])
async def test_the_machines_own_names_lead_to_the_api(lab: Lab, host: str) -> None:
    client = await lab.client()
    await client.send(get(host))
    assert await client.answer() == (200, b"hello")
    assert len(lab.api.heads) == 1


@pytest.mark.parametrize("host", ["box.test.evil", "127.0.0.2", "[::1]", "xbox.test", "box"])
async def test_no_other_name_does(lab: Lab, host: str) -> None:
    client = await lab.client()
    await client.send(get(host))
    assert (await client.answer())[0] == 421
    assert not lab.api.heads


async def test_pipelined_requests_are_answered_in_order(lab: Lab) -> None:
    async def number(talk: Talk) -> None:
        while True:
            path = (await talk.head()).split(b" ")[1]
            await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    await lab.deploy("a", number)
    client = await lab.client()
    await client.send(b"".join(get(HOST, f"/{n}") for n in range(200)))
    for n in range(200):
        assert await client.answer() == (200, b"/%d" % n)


async def test_a_chunked_body_goes_through_both_ways_with_trailers(lab: Lab) -> None:
    body = b"5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"

    async def echo(talk: Talk) -> None:
        while True:
            await talk.head()
            got = await talk.reader.readexactly(len(body))
            await talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for byte in got:
                await talk.say(bytes([byte]))

    await lab.deploy("a", echo)
    client = await lab.client()
    head = get(HOST, "/", "Transfer-Encoding: chunked").replace(b"GET", b"POST")
    for byte in head + body:
        await client.send(bytes([byte]))
    await client.head()
    assert await client.read(len(body)) == body
    await client.send(head + body)
    await client.head()
    assert await client.read(len(body)) == body


async def test_a_body_of_any_size_arrives_as_it_was_sent_with_little_memory(lab: Lab) -> None:
    size, chunk = 64 * MIB, b"0123456789abcdef" * 4096
    sums = hashlib.sha256(chunk * (size // len(chunk))).hexdigest()

    async def digest(talk: Talk) -> None:
        await talk.head()
        got, left = hashlib.sha256(), size
        while left:
            data = await talk.reader.read(MIB)
            got.update(data)
            left -= len(data)
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + got.hexdigest().encode())

    await lab.deploy("a", digest)
    client = await lab.client()
    await client.send(post(size))
    for _ in range(size // len(chunk)):
        await client.send(chunk)
    assert await client.answer() == (200, sums.encode())
    assert lab.activity.of("dep_a").bytes_in >= size


async def test_a_slow_client_slows_its_server_down(lab: Lab) -> None:
    sent = 0

    async def pour(talk: Talk) -> None:
        nonlocal sent
        await talk.head()
        await talk.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while sent < 64 * MIB:
            await talk.say(bytes(MIB))
            sent += MIB

    await lab.deploy("a", pour)
    client = await lab.client()
    await client.send(get())
    await client.head()
    before = -1
    while sent != before:  # until nothing moves any more
        before = sent
        await anyio.sleep(0.2)
    assert sent < 32 * MIB
    assert len(await client.rest()) == 64 * MIB


async def test_a_slow_server_slows_its_client_down(lab: Lab) -> None:
    go = anyio.Event()

    async def wait(talk: Talk) -> None:
        await talk.head()
        await go.wait()
        left = 64 * MIB
        while left:
            left -= len(await talk.reader.read(MIB))
        await talk.say(HELLO)

    await lab.deploy("a", wait)
    client = await lab.client()
    await client.send(post(64 * MIB))
    client.writer.write(bytes(64 * MIB))
    before = -1
    while (taken := lab.activity.of("dep_a").bytes_in) != before:  # until nothing moves any more
        before = taken
        await anyio.sleep(0.2)
    assert taken < 32 * MIB
    go.set()
    assert (await client.answer())[0] == 200


async def test_the_door_says_continue_when_the_server_does(lab: Lab) -> None:
    async def careful(talk: Talk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        await talk.reader.readexactly(5)
        await talk.say(HELLO)

    await lab.deploy("a", careful)
    client = await lab.client()
    await client.send(post(5, "Expect: 100-continue"))
    assert (await client.head()).startswith(b"HTTP/1.1 100 ")
    await client.send(b"hello")
    assert await client.answer() == (200, b"hello")


async def test_early_hints_pass_and_the_answer_follows(lab: Lab) -> None:
    async def hint(talk: Talk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + HELLO)

    await lab.deploy("a", hint)
    client = await lab.client()
    await client.send(get())
    assert (await client.head()).startswith(b"HTTP/1.1 103 ")
    assert await client.answer() == (200, b"hello")


async def test_an_answer_before_the_end_of_the_body_arrives(lab: Lab) -> None:
    async def refuse(talk: Talk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    await lab.deploy("a", refuse)
    client = await lab.client()
    await client.send(post(64 * MIB))
    await client.send(bytes(MIB))
    assert (await client.answer())[0] == 413


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_answers_without_a_body_end_with_their_head(lab: Lab, status: bytes) -> None:
    async def bare(talk: Talk) -> None:
        while True:
            await talk.head()
            await talk.say(b"HTTP/1.1 " + status + b"\r\nContent-Length: 10\r\n\r\n")

    backend = await lab.deploy("a", bare)
    client = await lab.client()
    for _ in range(2):
        await client.send(get())
        assert b" " + status in await client.head()
    assert backend.connections == 1


async def test_the_answer_to_head_ends_with_its_head(lab: Lab) -> None:
    async def bare(talk: Talk) -> None:
        while True:
            await talk.head()
            await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")

    backend = await lab.deploy("a", bare)
    client = await lab.client()
    for _ in range(2):
        await client.send(get().replace(b"GET", b"HEAD"))
        await client.head()
    assert backend.connections == 1


async def test_what_a_server_says_beyond_its_answer_reaches_nobody(lab: Lab) -> None:
    async def two_for_one(talk: Talk) -> None:
        await talk.head()
        await talk.say(HELLO + HELLO.replace(b"hello", b"other"))

    backend = await lab.deploy("a", two_for_one)
    client = await lab.client()
    for nth in (1, 2):
        await client.send(get())
        assert await client.answer() == (200, b"hello")
        assert backend.connections == nth


async def test_a_server_that_ends_lines_with_lf_is_understood(lab: Lab) -> None:
    async def sloppy(talk: Talk) -> None:
        while True:
            await talk.head()
            await talk.say(b"HTTP/1.1 200 OK\nContent-Length: 8\n\nab\r\n\r\ncd")

    await lab.deploy("a", sloppy)
    client = await lab.client()
    for _ in range(2):
        await client.send(get())
        assert await client.answer() == (200, b"ab\r\n\r\ncd")


async def test_an_answer_without_a_length_ends_with_the_connection(lab: Lab) -> None:
    async def old(talk: Talk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.0 200 OK\r\n\r\n")
        await talk.say(b"hello")

    await lab.deploy("a", old)
    assert (await lab.talk(get())).endswith(b"\r\n\r\nhello")


async def test_http_1_0_stays_so_to_the_server(lab: Lab) -> None:
    backend = await lab.deploy("a")
    client = await lab.client()
    for _ in range(2):
        await client.send(
            get(HOST, "/", "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0")
        )
        assert await client.answer() == (200, b"hello")
    assert backend.heads[0].startswith(b"GET / HTTP/1.0\r\n")
    assert backend.names()[b"connection"] == b"keep-alive"
    await client.send(get().replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert (await client.rest()).endswith(b"hello")


async def test_a_client_that_has_said_all_still_gets_its_answer(lab: Lab) -> None:
    async def late(talk: Talk) -> None:
        await talk.head()
        assert await talk.reader.read() == b""
        await talk.say(HELLO)

    await lab.deploy("a", late)
    client = await lab.client()
    client.writer.write(get())
    client.writer.write_eof()
    assert (await client.rest()).endswith(b"hello")


async def test_ten_thousand_messages_pass_a_websocket_both_ways(lab: Lab) -> None:
    async def echo(ws: ServerConnection) -> None:
        async for message in ws:
            await ws.send(message)

    [port] = free_ports(1)
    async with serve(echo, "127.0.0.1", port):
        lab.write("dep_a", {80: port})
        uri = f"ws://{HOST}/socket"
        async with connect(uri, host="127.0.0.1", port=lab.port, max_queue=None) as ws:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_send_all, ws, 10_000)
                for n in range(10_000):
                    assert await ws.recv() == f"message {n}"
            assert lab.activity.of("dep_a").open_requests == 1
        await eventually(lambda: lab.activity.of("dep_a").open_requests == 0)
    assert lab.activity.of("dep_a").answers[1] == 1


async def _send_all(ws: ClientConnection, count: int) -> None:
    for n in range(count):
        await ws.send(f"message {n}")


async def test_events_arrive_as_they_are_sent(lab: Lab) -> None:
    seen = anyio.Event()

    async def stream(talk: Talk) -> None:
        await talk.head()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        await talk.say(head + b"data: 1\n\n")
        await seen.wait()
        await talk.say(b"data: 2\n\n")

    await lab.deploy("a", stream)
    client = await lab.client()
    await client.send(get())
    await client.head()
    assert await client.read(9) == b"data: 1\n\n"
    seen.set()
    assert await client.rest() == b"data: 2\n\n"


async def test_what_passes_is_counted(lab: Lab) -> None:
    await lab.deploy("a")
    client = await lab.client()
    for _ in range(2):
        await client.send(get())
        await client.answer()
    counted = lab.activity.of("dep_a")
    assert (counted.requests, counted.open_requests, counted.open_connections) == (2, 0, 1)
    assert (counted.bytes_in, counted.bytes_out) == (2 * len(get()), 2 * len(HELLO))
    assert counted.answers[2] == 2
    assert lab.activity.idle_s("dep_a") == 0
    client.close()
    await eventually(lambda: counted.open_connections == 0)
