"""TLS at the door: whole, in any portions, up to its end; and nobody who can't speak it stays."""

import asyncio
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from appliance.ingress.certificates import Certificates
from appliance.ingress.sealed import receive
from tests.ingress.doorlab import DOMAIN, HELLO, Client, Lab, Talk, door, get
from tests.ingress.tls import Place
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

HOST = f"dep-a.{DOMAIN}"
MIB = 1024 * 1024
CHUNK = bytes(range(256)) * 4096


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, console=frozenset({DOMAIN}), hosts=frozenset({HOST}))


@pytest.fixture
def certificates(place: Place) -> Certificates:
    return place.open()[0]


@pytest.fixture
async def lab(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Lab]:
    async with door(tmp_path, certificates=certificates) as made:
        yield made


@pytest.fixture
def trust(place: Place, certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=place.ca_file)


async def guest(lab: Lab, trust: ssl.SSLContext) -> Client:
    return await lab.client(tls=trust, name=HOST)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_are_spoken(
    lab: Lab, trust: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    trust.minimum_version = trust.maximum_version = version
    await lab.deploy("a")
    client = await guest(lab, trust)
    for _ in range(3):
        await client.send(get(HOST))
        assert await client.answer() == (200, b"hello")


async def test_many_mebibytes_arrive_as_they_were_sent_both_ways(
    lab: Lab, trust: ssl.SSLContext
) -> None:
    count = 32

    async def echo_sum(talk: Talk) -> None:
        await talk.head()
        got, left = hashlib.sha256(), len(CHUNK) * count
        while left:
            data = await talk.reader.read(MIB)
            got.update(data)
            left -= len(data)
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(CHUNK) * count))
        assert got.digest() == hashlib.sha256(CHUNK * count).digest()
        for _ in range(count):
            await talk.say(CHUNK)

    await lab.deploy("a", echo_sum)
    client = await guest(lab, trust)
    length = f"Content-Length: {len(CHUNK) * count}"
    await client.send(get(HOST, "/", length).replace(b"GET", b"POST"))
    for _ in range(count):
        await client.send(CHUNK)
    status, body = await client.answer()
    assert (status, body == CHUNK * count) == (200, True)


class ByHand:
    """A TLS client whose sealed bytes a test sends as it likes."""

    def __init__(self, trust: ssl.SSLContext, client: Client) -> None:
        self._out, self._in = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = trust.wrap_bio(self._in, self._out, server_hostname=HOST)
        self._client = client

    async def send_byte_by_byte(self) -> None:
        for byte in self._out.read():
            await self._client.send(bytes([byte]))

    async def shake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self.send_byte_by_byte()
                self._in.write(await self._client.reader.read(MIB))
        await self.send_byte_by_byte()

    async def read(self) -> bytes:
        """What the door says next, b"" at the end that it tells; a cut is an error."""
        while True:
            try:
                return self.tls.read(MIB)
            except ssl.SSLWantReadError:
                data = await self._client.reader.read(MIB)
                assert data, "cut off without a word"
                self._in.write(data)


async def bare(lab: Lab) -> Client:
    """A client of the TLS listener that does not speak it by itself."""
    client = Client(*await asyncio.open_connection("127.0.0.1", lab.https_port))
    lab.clients.append(client)
    return client


async def by_hand(lab: Lab, trust: ssl.SSLContext) -> ByHand:
    made = ByHand(trust, await bare(lab))
    await made.shake()
    return made


async def test_records_may_come_byte_by_byte(lab: Lab, trust: ssl.SSLContext) -> None:
    await lab.deploy("a")
    client = await by_hand(lab, trust)
    for _ in range(2):
        client.tls.write(get(HOST))
        await client.send_byte_by_byte()
        assert await client.read() == HELLO


async def test_the_end_of_an_answer_is_told_apart_from_a_cut(
    lab: Lab, trust: ssl.SSLContext
) -> None:
    await lab.deploy("a")
    client = await by_hand(lab, trust)
    client.tls.write(get(HOST, "/", "Connection: close"))
    await client.send_byte_by_byte()
    assert await client.read() == HELLO
    assert await client.read() == b""


@pytest.mark.parametrize("told", [True, False], ids=["by TLS", "by TCP"])
async def test_a_client_that_leaves_is_noticed_upstream(
    lab: Lab, trust: ssl.SSLContext, told: bool
) -> None:
    left = anyio.Event()

    async def notice(talk: Talk) -> None:
        await talk.head()
        await talk.reader.read()
        left.set()

    backend = await lab.deploy("a", notice)
    client = await by_hand(lab, trust)
    client.tls.write(get(HOST))
    await client.send_byte_by_byte()
    await eventually(lambda: bool(backend.heads))
    if told:
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.unwrap()
        await client.send_byte_by_byte()
    else:
        lab.clients[-1].writer.write_eof()
    await eventually(left.is_set)


async def test_records_that_were_tampered_with_end_the_connection(
    lab: Lab, trust: ssl.SSLContext
) -> None:
    backend = await lab.deploy("a")
    client = await by_hand(lab, trust)
    client.tls.write(get(HOST))
    sealed = bytearray(client._out.read())
    sealed[-1] ^= 1
    await lab.clients[-1].send(bytes(sealed))
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        await client.read()
    assert backend.heads == []


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\nHost: dep-a.box.test\r\n\r\n", bytes(400), b"\x16\x03\x01\xff\xff"]
)
async def test_who_speaks_no_tls_is_sent_away_and_not_counted(
    lab: Lab, trust: ssl.SSLContext, said: bytes
) -> None:
    client = await bare(lab)
    await client.send(said)
    client.writer.write_eof()
    assert b"HTTP" not in await client.rest()
    await lab.deploy("a")
    client = await guest(lab, trust)
    await client.send(get(HOST))
    assert await client.answer() == (200, b"hello")
    assert lab.activity.of("dep_a").open_connections == 1


async def test_who_stays_silent_is_not_waited_for(certificates: Certificates) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        with pytest.raises(TimeoutError):
            await receive(asyncio.Protocol(), ours, certificates.context, within_s=0.05)
        theirs.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(theirs, 1) == b""


async def test_a_slow_client_slows_its_server_down(lab: Lab, trust: ssl.SSLContext) -> None:
    sent = 0

    async def pour(talk: Talk) -> None:
        nonlocal sent
        await talk.head()
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        while sent < 64 * MIB:
            await talk.say(bytes(MIB))
            sent += MIB

    await lab.deploy("a", pour)
    client = await guest(lab, trust)
    await client.send(get(HOST))
    await client.head()
    before = -1
    while sent != before:  # until nothing moves any more
        before = sent
        await anyio.sleep(0.2)
    assert sent < 32 * MIB
    assert len(await client.read(64 * MIB)) == 64 * MIB


async def test_a_slow_server_slows_its_client_down(lab: Lab, trust: ssl.SSLContext) -> None:
    go = anyio.Event()

    async def wait(talk: Talk) -> None:
        await talk.head()
        await go.wait()
        await talk.reader.readexactly(64 * MIB)
        await talk.say(HELLO)

    await lab.deploy("a", wait)
    client = await guest(lab, trust)
    length = f"Content-Length: {64 * MIB}"
    await client.send(get(HOST, "/", length).replace(b"GET", b"POST"))
    client.writer.write(bytes(64 * MIB))
    before = -1
    while (taken := lab.activity.of("dep_a").bytes_in) != before:  # until nothing moves any more
        before = taken
        await anyio.sleep(0.2)
    assert taken < 32 * MIB
    go.set()
    assert (await client.answer())[0] == 200
