"""A sleeping deployment at the door: woken once, its requests held, nobody's lost."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from appliance.clock import SystemClock
from appliance.domain.deployment import Access, Desired, Status
from appliance.domain.errors import StoreBusy
from appliance.engine.addresses import Address
from appliance.ingress.head import Head
from appliance.ingress.seams import Gate, Grant, Passed, Reply, Trouble, Verdict
from appliance.ingress.waking import PatientWaker
from tests.ingress.doorlab import HELLO, Client, Lab, door, get
from tests.podman_harness import free_ports
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

MANY = 100
PAGE = "Accept: text/html"


@dataclass
class Bedroom:
    """One deployment asleep behind an open door; ``wakes`` is what an order to wake it does."""

    lab: Lab = field(init=False)
    waker: PatientWaker = field(init=False)
    orders: list[str] = field(default_factory=list)
    wakes: Callable[[], None] = lambda: None

    async def wake(self, address: Address, *, hold: bool) -> Trouble | None:
        return await self.waker.wake(address, hold=hold)

    async def order(self, deployment_id: str) -> None:
        self.orders.append(deployment_id)
        await anyio.lowlevel.checkpoint()
        self.wakes()

    def write(
        self, status: Status, published: dict[int, int] | None = None, *, asleep: bool = False,
        desired: Desired = Desired.RUNNING, access: Access = Access.PUBLIC,
    ) -> None:  # fmt: skip
        self.lab.write(
            "dep_a", published or {}, status=status, idle_timeout_minutes=1, access=access,
            desired=Desired.SLEEPING if asleep else desired,
        )  # fmt: skip

    def start(self, port: int) -> Callable[[], None]:
        """An order is taken up at once, and the container runs a little later."""

        def begin() -> None:
            self.write(Status.STARTING)
            loop = asyncio.get_running_loop()
            loop.call_later(0.05, lambda: self.write(Status.RUNNING, {80: port}))

        return begin

    async def ask(self, *fields: str) -> Client:
        client = await self.lab.client()
        await client.send(get("dep-a.box.test", "/", *fields))
        return client


@asynccontextmanager
async def bedroom(
    folder: Path, *, hold_s: int = 20, gate: Gate | None = None
) -> AsyncIterator[Bedroom]:
    made = Bedroom()
    async with door(folder, waker=made, gate=gate) as lab:
        made.lab = lab
        made.waker = PatientWaker(lab.addresses, made.order, SystemClock(), lab.tasks, hold_s)
        made.write(Status.SLEEPING, asleep=True)
        yield made


async def test_a_hundred_at_once_wake_it_once_and_all_are_answered(tmp_path: Path) -> None:
    async with bedroom(tmp_path) as room:
        backend = await room.lab.backend()
        room.wakes = room.start(backend.port)
        clients = [await room.ask() for _ in range(MANY)]
        answers = [await client.answer() for client in clients]
        assert answers == [(200, b"hello")] * MANY
        assert room.orders == ["dep_a"]
        assert room.lab.told == []


async def test_it_is_held_until_the_app_itself_takes_connections(tmp_path: Path) -> None:
    """Podman may listen for a container that does not yet: it takes, and hangs up."""
    async with bedroom(tmp_path) as room:
        [port] = free_ports(1)
        room.wakes = room.start(port)
        hung_up, listens = 0, False

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal hung_up
            if not listens:
                hung_up += 1
            else:
                with suppress(asyncio.IncompleteReadError):  # the door only looks
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(HELLO)
            writer.close()

        client = await room.ask()
        await eventually(lambda: bool(room.orders))
        async with await asyncio.start_server(serve, "127.0.0.1", port):
            await eventually(lambda: hung_up > 2)
            second = await room.ask()  # it runs already, and is no more ready for this one
            listens = True
            assert await client.answer() == (200, b"hello")
            assert await second.answer() == (200, b"hello")
        assert room.lab.told == []


async def test_who_waited_long_enough_is_told_to_come_again(tmp_path: Path) -> None:
    async with bedroom(tmp_path, hold_s=1) as room:
        room.wakes = lambda: room.write(Status.STARTING)
        client = await room.ask()
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 2\r\n" in head
        assert [trouble.code for trouble in room.lab.told] == ["waking"]
        backend = await room.lab.backend()
        later = await room.ask()
        room.write(Status.RUNNING, {80: backend.port})
        assert await later.answer() == (200, b"hello")
        assert room.orders == ["dep_a"]


@pytest.mark.parametrize(
    ("method", "shown"), [(b"GET", True), (b"POST", False)], ids=["a page", "a form"]
)
async def test_a_browser_is_shown_a_page_where_it_can_ask_again(
    tmp_path: Path, method: bytes, shown: bool
) -> None:
    async with bedroom(tmp_path) as room:
        backend = await room.lab.backend()
        room.wakes = room.start(backend.port)
        client = await room.lab.client()
        await client.send(get("dep-a.box.test", "/", PAGE).replace(b"GET", method, 1))
        status, _ = await client.answer()
        assert (status == 503) is shown
        assert [trouble.code for trouble in room.lab.told] == ["waking"] * shown
        await eventually(lambda: bool(room.orders))


class Keyhole:
    """Lets in whoever has the key."""

    async def admit(self, head: Head, address: Address, client: str, *, secure: bool) -> Verdict:
        del address, client, secure
        return Passed("the key") if head.get(b"authorization") else Reply(401)

    async def stands(self, grant: Grant) -> bool:
        return bool(grant)


async def test_a_stranger_does_not_wake_a_private_one(tmp_path: Path) -> None:
    async with bedroom(tmp_path, gate=Keyhole()) as room:
        backend = await room.lab.backend()
        room.write(Status.SLEEPING, asleep=True, access=Access.PRIVATE)
        room.wakes = lambda: room.write(Status.RUNNING, {80: backend.port}, access=Access.PRIVATE)
        for fields in ((), (PAGE,)):
            assert (await (await room.ask(*fields)).answer())[0] == 401
        assert room.orders == []
        owner = await room.ask("Authorization: Bearer x")
        assert await owner.answer() == (200, b"hello")
        assert room.orders == ["dep_a"]


async def test_it_wakes_on_when_whoever_woke_it_has_left(tmp_path: Path) -> None:
    async with bedroom(tmp_path) as room:
        backend = await room.lab.backend()
        room.wakes = lambda: room.write(Status.STARTING)
        first = await room.ask()
        await eventually(lambda: bool(room.orders))
        reset = struct.pack("ii", 1, 0)  # a plain end would be half a close: it still listens
        sock = first.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        first.writer.transport.abort()
        await eventually(lambda: room.lab.activity.of("dep_a").open_requests == 0)
        second = await room.ask()
        room.write(Status.RUNNING, {80: backend.port})
        assert await second.answer() == (200, b"hello")
        assert room.orders == ["dep_a"]


async def test_a_held_client_that_has_closed_is_counted_no_more(tmp_path: Path) -> None:
    async with bedroom(tmp_path) as room:
        room.wakes = lambda: room.write(Status.STARTING)
        client = await room.ask()
        await eventually(lambda: bool(room.orders))
        client.writer.close()
        await eventually(lambda: room.lab.activity.of("dep_a").open_requests == 0)


async def test_one_that_has_only_said_all_it_will_is_answered(tmp_path: Path) -> None:
    """However long that takes: it is asked once whether it is still there."""
    async with bedroom(tmp_path) as room:
        backend = await room.lab.backend()
        room.wakes = lambda: room.write(Status.STARTING)
        client, gone = await room.ask(), await room.ask()
        client.writer.write_eof()
        await eventually(lambda: bool(room.orders))
        assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        gone.writer.close()  # it is told within two looks, and the other stays through as many
        await eventually(lambda: room.lab.activity.of("dep_a").open_requests == 1)
        room.write(Status.RUNNING, {80: backend.port})
        assert await client.answer() == (200, b"hello")
        assert await client.rest() == b""


async def test_to_a_client_of_http_1_0_nothing_is_sent_before_the_answer(tmp_path: Path) -> None:
    async with bedroom(tmp_path) as room:
        backend = await room.lab.backend()
        room.wakes = lambda: room.write(Status.STARTING)
        client, gone = await room.lab.client(), await room.ask()
        await client.send(get().replace(b"HTTP/1.1", b"HTTP/1.0"))
        client.writer.write_eof()
        await eventually(lambda: room.lab.activity.of("dep_a").open_requests == 2)
        gone.writer.close()
        await eventually(lambda: room.lab.activity.of("dep_a").open_requests == 1)
        room.write(Status.RUNNING, {80: backend.port})
        assert await client.answer() == (200, b"hello")


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED])
async def test_one_that_comes_to_rest_instead_is_not_waited_for(
    tmp_path: Path, status: Status
) -> None:
    async with bedroom(tmp_path) as room:
        room.wakes = lambda: room.write(Status.STARTING)
        client = await room.ask()
        await eventually(lambda: bool(room.orders))
        room.write(status, desired=Desired.STOPPED)
        assert (await client.answer())[0] == 503
        assert [trouble.code for trouble in room.lab.told] == ["not_running"]


async def test_an_order_that_can_not_be_written_is_a_503(tmp_path: Path) -> None:
    async with bedroom(tmp_path) as room:

        def fail() -> None:
            raise StoreBusy("busy (test)")

        room.wakes = fail
        for _ in range(2):
            assert (await (await room.ask()).answer())[0] == 503
        assert room.orders == ["dep_a"] * 2
        assert [trouble.retry_after_s for trouble in room.lab.told] == [2, 2]


async def test_what_comes_while_it_dozes_waits_and_goes_on_if_it_stays_awake(
    tmp_path: Path,
) -> None:
    async with bedroom(tmp_path) as room:
        backend = await room.lab.backend()
        room.write(Status.RUNNING, {80: backend.port})
        client = await room.lab.client()
        await client.send(get())
        assert await client.answer() == (200, b"hello")
        room.lab.addresses.doze("dep_a")
        await client.send(get())
        await eventually(lambda: room.lab.activity.of("dep_a").open_requests == 1)
        room.lab.addresses.rouse("dep_a")
        assert await client.answer() == (200, b"hello")
        assert room.orders == []
        assert len(backend.heads) == 2


async def test_what_comes_while_it_dozes_wakes_it_if_it_falls_asleep(tmp_path: Path) -> None:
    """Also on a connection whose way to the container is open from the request before."""
    async with bedroom(tmp_path) as room:
        backend = await room.lab.backend()
        room.write(Status.RUNNING, {80: backend.port})
        room.wakes = room.start(backend.port)
        client = await room.lab.client()
        await client.send(get())
        assert await client.answer() == (200, b"hello")
        room.lab.addresses.doze("dep_a")
        await client.send(get())
        await eventually(lambda: room.lab.activity.of("dep_a").open_requests == 1)
        room.write(Status.STOPPING, {80: backend.port}, asleep=True)
        assert await client.answer() == (200, b"hello")
        assert room.orders == ["dep_a"]
        assert room.lab.told == []


async def test_a_kept_connection_outlives_the_sleep_and_wakes_it(tmp_path: Path) -> None:
    async with bedroom(tmp_path) as room:
        first, second = await room.lab.backend(), await room.lab.backend()
        room.write(Status.RUNNING, {80: first.port})
        client = await room.lab.client()
        await client.send(get())
        assert await client.answer() == (200, b"hello")
        room.write(Status.SLEEPING, {80: first.port}, asleep=True)
        room.wakes = room.start(second.port)
        await client.send(get())
        assert await client.answer() == (200, b"hello")
        assert len(second.heads) == 1


async def test_a_request_counts_from_its_first_moment(tmp_path: Path) -> None:
    """So that what is held for it is not put to sleep again meanwhile."""
    async with bedroom(tmp_path) as room:
        await room.ask()
        await eventually(lambda: bool(room.orders))
        use = room.lab.activity.use("dep_a", 0)
        assert use.open == 1
