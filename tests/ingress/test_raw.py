"""Raw TCP: a port of this machine for life, and bytes both ways until both sides end."""

import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from appliance.clock import SystemClock
from appliance.ingress.raw import RawDoor
from appliance.ingress.seams import Waker
from tests.api.served import Caller, Served, problem, serving
from tests.descriptors import none_left
from tests.ingress.stand_ins import NoWaker
from tests.podman_harness import free_ports
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

LISTEN = "127.0.0.2"
"""Stands for the addresses that others can reach."""

PORTS = 3
TCP = [{"port": 5432, "protocol": "tcp"}]
MIB = 1024 * 1024


def consecutive() -> range:
    """Free ports in a row."""
    while True:
        [first] = free_ports(1)
        with suppress(OSError):
            for port in range(first, first + PORTS):
                socket.create_server(("127.0.0.1", port)).close()
            return range(first, first + PORTS)


@dataclass
class Scene:
    """Bob, and a door whose listeners are real; what containers would say, a test says."""

    served: Served
    bob: Caller
    ports: range

    async def deploy(self, access: str = "public") -> tuple[str, int]:
        """A running deployment with a raw port, and that port of this machine.

        The row tells of it a moment before the door does.
        """
        made = await self.bob.create(ports=TCP, access=access)
        shown = await self.bob.until(made["id"], "running")
        addresses = self.served.engine.addresses
        await eventually(
            lambda: any(a.tcp for a in addresses.all() if a.deployment_id == made["id"])
        )
        [endpoint] = shown["endpoints"]
        assert endpoint["type"] == "tcp"
        return made["id"], int(endpoint["url"].rpartition(":")[2])

    def inside(self, deployment_id: str) -> int:
        """Where its container listens on loopback."""
        address = self.served.engine.addresses.of(deployment_id)
        assert address is not None
        return address.tcp[5432]

    async def url(self, deployment_id: str) -> str:
        shown = (await self.bob.get(f"/deployments/{deployment_id}"))["deployment"]
        return str(shown["endpoints"][0]["url"])


def raw_door(served: Served, waker: Waker | None = None) -> RawDoor:
    engine = served.engine
    return RawDoor(
        engine.addresses, engine.raw_ports, engine.activity, waker or NoWaker(), SystemClock(),
        host=LISTEN, most=100,
    )  # fmt: skip


@asynccontextmanager
async def opened(folder: Path, waker: Waker | None = None) -> AsyncIterator[Scene]:
    ports = consecutive()
    async with serving(folder / "appliance.db", tcp_ports=ports) as served:
        raw = raw_door(served, waker)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(raw.run)
            yield Scene(served, await served.caller("bob@example.org"), ports)
            tasks.cancel_scope.cancel()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with opened(tmp_path) as made:
        yield made


@asynccontextmanager
async def container(
    port: int, behave: Callable[[SocketStream], Awaitable[None]]
) -> AsyncIterator[None]:
    """Something that listens where the container would."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)

    async def handle(stream: SocketStream) -> None:
        async with stream:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                await behave(stream)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield
        tasks.cancel_scope.cancel()


async def echo_after_the_end(stream: SocketStream) -> None:
    """Answers only when the other side has ended: a half-close has to get through."""
    data = b"".join([chunk async for chunk in stream])
    await stream.send(data)
    await stream.send_eof()


async def connected(port: int, host: str = LISTEN) -> SocketStream:
    """A connection that is relayed; the listener may be a moment behind the order."""
    found: list[SocketStream] = []

    async def reached() -> bool:
        with suppress(OSError):
            found.append(await anyio.connect_tcp(host, port))
        return bool(found)

    await eventually(reached)
    return found[0]


async def test_bytes_pass_both_ways_and_a_half_close_too(scene: Scene) -> None:
    deployment_id, port = await scene.deploy()
    assert port in scene.ports
    data = b"0123456789abcdef" * 65536
    async with (
        container(scene.inside(deployment_id), echo_after_the_end),
        await connected(port) as client,
    ):
        await client.send(data)
        await client.send_eof()
        assert b"".join([chunk async for chunk in client]) == data
    traffic = scene.served.engine.activity.of(deployment_id)
    await eventually(lambda: traffic.open_connections == 0)
    assert (traffic.bytes_in, traffic.bytes_out, traffic.requests) == (len(data), len(data), 1)


async def test_a_client_that_does_not_read_holds_the_container_back(scene: Scene) -> None:
    deployment_id, port = await scene.deploy()
    sent = 0

    async def pour(stream: SocketStream) -> None:
        nonlocal sent
        while True:
            await stream.send(b"x" * MIB)
            sent += MIB

    async with container(scene.inside(deployment_id), pour), await connected(port) as client:
        await client.receive(1)

        async def stands_still() -> bool:
            before = sent
            await anyio.sleep(0.2)
            return sent == before

        await eventually(stands_still)
        assert sent < 64 * MIB
        held = sent
        for _ in range(1000):
            await client.receive(MIB)
        await eventually(lambda: sent > held)


async def test_while_it_does_not_run_the_port_is_kept_and_clients_are_hung_up_on(
    scene: Scene,
) -> None:
    deployment_id, port = await scene.deploy()
    before = await scene.url(deployment_id)
    await scene.bob.http.post(f"/deployments/{deployment_id}/stop")
    await scene.bob.until(deployment_id, "stopped")
    async with await connected(port) as client:
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await client.receive()
    await scene.bob.http.post(f"/deployments/{deployment_id}/start")
    await scene.bob.until(deployment_id, "running")
    assert await scene.url(deployment_id) == before


async def test_a_port_that_is_another_programs_is_passed_over(scene: Scene) -> None:
    with socket.create_server((LISTEN, scene.ports[0])):
        deployment_id, _ = await scene.deploy()

        async def moved() -> bool:
            return (await scene.url(deployment_id)).endswith(f":{scene.ports[1]}")

        await eventually(moved)
        async with (
            container(scene.inside(deployment_id), echo_after_the_end),
            await connected(scene.ports[1]) as client,
        ):
            await client.send_eof()
            assert [chunk async for chunk in client] == []
    told = (await scene.bob.get(f"/deployments/{deployment_id}/events"))["events"]
    assert any(f"now at {scene.ports[1]}" in event["message"] for event in told)


async def test_an_exhausted_range_is_a_409_and_a_delete_gives_its_port_back(scene: Scene) -> None:
    made = [(await scene.bob.create(ports=TCP))["id"] for _ in scene.ports]
    body = {"nodeId": scene.bob.node_id, "customImage": "app", "ports": TCP}
    refused = problem(await scene.bob.http.post("/deployments", json=body), 409)
    assert refused["code"] == "limit_reached"
    assert "APPLIANCE_TCP_PORTS" in refused["detail"]
    assert "0 are left" in refused["detail"]
    assert [e["field"] for e in refused["errors"]] == ["ports"]
    assert (await scene.bob.get("/deployments"))["pagination"]["total"] == PORTS
    await scene.bob.http.delete(f"/deployments/{made[1]}")
    await scene.bob.create(ports=TCP)


async def test_a_port_that_an_update_asks_no_more_for_is_anothers_at_once(scene: Scene) -> None:
    made = [(await scene.deploy())[0] for _ in scene.ports]
    freed = int((await scene.url(made[1])).rpartition(":")[2])
    await scene.bob.http.patch(f"/deployments/{made[1]}", json={"ports": [{"port": 8080}]})
    await updated(scene, made[1])
    deployment_id, port = await scene.deploy()
    assert port == freed
    async with (
        container(scene.inside(deployment_id), echo_after_the_end),
        await connected(port) as client,
    ):
        await client.send(b"mine")
        await client.send_eof()
        assert b"".join([chunk async for chunk in client]) == b"mine"
    assert await scene.url(deployment_id) == f"tcp://localhost:{freed}"


async def test_an_update_that_fails_gives_back_what_it_alone_had_asked_for(scene: Scene) -> None:
    deployment_id, port = await scene.deploy()
    more = {"image": "localhost/missing", "ports": [*TCP, {"port": 6379, "protocol": "tcp"}]}
    answer = await scene.bob.http.patch(f"/deployments/{deployment_id}", json=more)
    assert answer.status_code == 202
    assert len(scene.served.engine.raw_ports.of(deployment_id)) == 2
    await updated(scene, deployment_id)
    raw_ports = scene.served.engine.raw_ports  # a moment behind the row
    await eventually(lambda: dict(raw_ports.of(deployment_id)) == {5432: port})
    for _ in range(PORTS - 1):
        await scene.bob.create(ports=TCP)


async def test_an_update_that_asks_for_more_than_is_left_is_a_409_and_changes_nothing(
    scene: Scene,
) -> None:
    deployment_id, port = await scene.deploy()
    many = [{"port": 6000 + n, "protocol": "tcp"} for n in range(PORTS + 1)]
    answer = await scene.bob.http.patch(f"/deployments/{deployment_id}", json={"ports": many})
    refused = problem(answer, 409)
    assert (refused["code"], refused["errors"][0]["field"]) == ("limit_reached", "ports")
    assert await scene.url(deployment_id) == f"tcp://localhost:{port}"


async def test_going_private_moves_the_listener_and_keeps_the_number(scene: Scene) -> None:
    deployment_id, port = await scene.deploy()
    async with (
        container(scene.inside(deployment_id), echo_after_the_end),
        await connected(port) as outside,
    ):
        await scene.bob.http.patch(f"/deployments/{deployment_id}", json={"access": "private"})
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await outside.receive()
        await (await connected(port, "127.0.0.1")).aclose()
    assert await scene.url(deployment_id) == f"tcp://127.0.0.1:{port}"


async def updated(scene: Scene, deployment_id: str) -> None:
    async def over() -> bool:
        shown = await scene.bob.get(f"/deployments/{deployment_id}")
        return shown["deployment"]["update"] is None

    await eventually(over)


async def test_a_private_deployments_raw_port_is_on_this_machine_alone(scene: Scene) -> None:
    deployment_id, port = await scene.deploy("private")
    assert await scene.url(deployment_id) == f"tcp://127.0.0.1:{port}"
    async with container(scene.inside(deployment_id), echo_after_the_end):
        client = await connected(port, "127.0.0.1")
        await client.aclose()
    with pytest.raises(OSError):
        await anyio.connect_tcp(LISTEN, port)


async def test_two_deployments_never_share_a_port(scene: Scene) -> None:
    first, second = await scene.deploy(), await scene.deploy()
    assert first[1] != second[1]


async def test_the_port_survives_a_restart_of_the_appliance(tmp_path: Path) -> None:
    ports = consecutive()
    async with serving(tmp_path / "appliance.db", tcp_ports=ports) as served:
        bob = await served.caller("bob@example.org")
        made = await bob.create(ports=TCP)
        before = dict(served.engine.raw_ports.of(made["id"]))
    async with serving(tmp_path / "appliance.db", tcp_ports=ports) as again:
        assert dict(again.engine.raw_ports.of(made["id"])) == before
        assert before == {5432: ports[0]}


async def test_out_of_descriptors_it_goes_on_with_who_is_there_and_takes_others_later(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    deployment_id, port = await scene.deploy()

    async def greet_and_echo(stream: SocketStream) -> None:
        await stream.send(b"hello")
        await echo_after_the_end(stream)

    async with container(scene.inside(deployment_id), greet_and_echo):
        before = await connected(port)
        assert await before.receive() == b"hello"
        with socket.socket() as late:
            late.setblocking(False)
            with none_left():
                with suppress(BlockingIOError):
                    late.connect((LISTEN, port))
                await eventually(lambda: "raw accept failed" in caplog.text)
            async with before:
                await before.send(b"one")
                await before.send_eof()
                assert await before.receive() == b"one"
            await anyio.wait_readable(late)
            assert late.recv(5) == b"hello"


async def test_a_taken_port_is_passed_over_later_where_that_cant_be_written_now(
    tmp_path: Path,
) -> None:
    ports = consecutive()
    async with serving(tmp_path / "appliance.db", tcp_ports=ports) as served:
        bob = await served.caller("bob@example.org")
        made = await bob.create(ports=TCP)
        await bob.until(made["id"], "running")
        raw = raw_door(served)
        await served.db._writer.execute_fetchall("PRAGMA busy_timeout = 0")
        async with anyio.create_task_group() as tasks:
            with socket.create_server((LISTEN, ports[0])):
                with closing(sqlite3.connect(served.db._path, isolation_level=None)) as other:
                    other.execute("BEGIN IMMEDIATE")
                    tasks.start_soon(raw.run)
                    await eventually(lambda: raw._patience.waits)
                await bob.http.post(f"/deployments/{made['id']}/stop")  # news for the door
                await eventually(lambda: served.engine.raw_ports.of(made["id"])[5432] == ports[1])
            tasks.cancel_scope.cancel()
