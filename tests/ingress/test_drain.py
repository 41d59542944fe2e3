"""Another container takes over: what the one before has begun to answer, it answers to the end."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
import pytest

from appliance.domain.deployment import Status
from tests.ingress.doorlab import DOMAIN, HELLO, Backend, Client, Lab, Talk, get
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
UPGRADE = get(f"dep-a.{DOMAIN}", "/", "Connection: Upgrade", "Upgrade: websocket")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


@dataclass
class Switch:
    """One deployment, its old container and its new one; the old one answers when it may."""

    lab: Lab
    may_answer: anyio.Event
    old: Backend
    new: Backend

    def happens(self) -> None:
        self.lab.write("dep_a", {80: self.new.port}, generation=2)

    def open_requests(self) -> int | None:
        drain = self.lab.drains.of("dep_a")
        return None if drain is None else drain.open_requests


@pytest.fixture
async def switch(lab: Lab) -> AsyncIterator[Switch]:
    may_answer = anyio.Event()

    async def slow(talk: Talk) -> None:
        while True:
            head = await talk.head()
            if b"Upgrade" in head:
                await talk.say(SWITCH)
                await talk.say(await talk.reader.readexactly(4))
            elif b"/slow" in head:
                await may_answer.wait()
            await talk.say(HELLO.replace(b"hello", b"older"))

    old = await lab.deploy("a", slow)
    yield Switch(lab, may_answer, old, await lab.backend())
    may_answer.set()


async def slow_request(switch: Switch) -> Client:
    client = await switch.lab.client()
    await client.send(get(path="/slow"))
    await eventually(lambda: bool(switch.old.heads))
    return client


async def test_a_request_under_way_is_answered_by_the_old_one_and_the_next_by_the_new(
    switch: Switch,
) -> None:
    client = await slow_request(switch)
    assert switch.open_requests() is None
    switch.happens()
    assert switch.open_requests() == 1
    switch.may_answer.set()
    assert await client.answer() == (200, b"older")
    assert switch.open_requests() == 0
    await client.send(get())
    assert await client.answer() == (200, b"hello")
    assert switch.new.connections == 1


async def test_a_connection_at_rest_does_not_hold_the_old_one(switch: Switch) -> None:
    client = await switch.lab.client()
    await client.send(get())
    assert await client.answer() == (200, b"older")
    switch.happens()
    assert switch.open_requests() == 0
    await client.send(get())
    assert await client.answer() == (200, b"hello")


async def test_a_websocket_goes_on_with_the_old_one(switch: Switch) -> None:
    client = await switch.lab.client()
    await client.send(UPGRADE)
    await client.head()
    switch.happens()
    assert switch.open_requests() == 1
    await client.send(b"ping")
    assert await client.read(4) == b"ping"


async def test_what_is_not_answered_when_the_old_one_is_gone_is_a_502(switch: Switch) -> None:
    client = await slow_request(switch)
    switch.happens()
    switch.lab.addresses.alone("dep_a")
    assert (await client.answer())[0] == 502
    assert switch.open_requests() is None


async def test_a_restart_of_the_new_one_does_not_end_what_the_old_one_answers(
    switch: Switch,
) -> None:
    client = await slow_request(switch)
    switch.happens()
    switch.lab.write("dep_a", {}, status=Status.STARTING, generation=2)
    switch.lab.write("dep_a", {80: switch.new.port}, generation=2)
    switch.may_answer.set()
    assert await client.answer() == (200, b"older")
