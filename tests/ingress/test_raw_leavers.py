"""Raw TCP: who leaves in the middle ends a connection, and neither the door nor the appliance."""

import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from appliance.engine.addresses import Address
from appliance.ingress.seams import Trouble
from tests.ingress.test_raw import connected, container, echo_after_the_end, opened
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

RESETS = struct.pack("ii", 1, 0)
"""To linger for no time at all: closing resets the connection."""


@dataclass
class Holding:
    """A waker that holds whoever comes until a test lets go."""

    came: int = 0
    go: anyio.Event = field(default_factory=anyio.Event)

    async def wake(self, address: Address, *, hold: bool) -> Trouble | None:
        del address, hold
        self.came += 1
        await self.go.wait()
        return None


class Defective:
    """A waker that breaks at the first who comes, and is well from then on."""

    def __init__(self) -> None:
        self.broken = False

    async def wake(self, address: Address, *, hold: bool) -> Trouble | None:
        del address, hold
        if self.broken:
            return None
        self.broken = True
        raise ZeroDivisionError


def defects(log: pytest.LogCaptureFixture) -> list[str]:
    """What the bulkhead had to hold."""
    return [record.getMessage() for record in log.records if record.exc_info]


async def is_served(port: int) -> bool:
    async with await connected(port) as client:
        await client.send(b"heard")
        await client.send_eof()
        return b"".join([chunk async for chunk in client]) == b"heard"


async def test_one_who_has_closed_before_the_container_has_ends_one_connection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as scene:
        deployment_id, port = await scene.deploy()
        inside = scene.inside(deployment_id)
        traffic = scene.served.engine.activity.of(deployment_id)

        async def talk_on(stream: SocketStream) -> None:
            assert [chunk async for chunk in stream] == []
            for told in (2, 4):  # what comes first is answered with a reset, which the next meets
                await stream.send(b"so")
                await eventually(lambda told=told: traffic.bytes_out == told)

        async with container(inside, talk_on):
            await (await connected(port)).aclose()
            await eventually(lambda: traffic.requests == 1 and traffic.open_connections == 0)
        async with container(inside, echo_after_the_end):
            assert await is_served(port)
    assert defects(caplog) == []


async def test_one_who_resets_while_held_ends_one_connection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    waker = Holding()
    async with opened(tmp_path, waker) as scene:
        deployment_id, port = await scene.deploy()
        async with await connected(port) as gone:
            await eventually(lambda: waker.came == 1)
            kernel = gone.extra(SocketAttribute.raw_socket)  # noqa: S610 - no Django here
            kernel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
        async with container(scene.inside(deployment_id), echo_after_the_end):
            async with await connected(port):
                await eventually(lambda: waker.came == 2)  # by then the reset has come too
            waker.go.set()
            assert await is_served(port)
    assert defects(caplog) == []


async def test_a_defect_met_with_one_connection_ends_that_alone_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path, Defective()) as scene:
        deployment_id, port = await scene.deploy()
        async with await connected(port) as unlucky:
            assert [chunk async for chunk in unlucky] == []
        async with container(scene.inside(deployment_id), echo_after_the_end):
            assert await is_served(port)
    (told,) = defects(caplog)
    assert f"deployment={deployment_id} errorId=err_" in told
