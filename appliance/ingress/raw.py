"""Raw TCP: a listener for each reserved port, and bytes both ways for as long as they flow."""

import errno
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio
from anyio.abc import Listener, SocketAttribute, SocketStream, TaskGroup

from appliance.clock import Clock
from appliance.domain.deployment import Access, Status
from appliance.domain.ids import new_id
from appliance.engine.activity import Activity, Traffic
from appliance.engine.addresses import Address, Addresses
from appliance.engine.raw_ports import LOOPBACK, RawPorts
from appliance.ingress.seams import Waker
from appliance.store.patience import Patience

log = logging.getLogger(__name__)

TRIES = 3
CONNECT_S = 5
BACKLOG = 256
AGAIN_S = 30.0
BREATH_S = 1.0
"""Before connections are taken again, where that failed."""

HELD = 0
"""In place of a port, for connections that wait for their deployment to wake up."""

Key = tuple[str, int, str]
"""A deployment's id, its container's port, and the address of this machine to listen on."""


@dataclass(slots=True)
class _Listening:
    """A listener at work; ``closed`` once its port is free for another."""

    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    closed: anyio.Event = field(default_factory=anyio.Event)


class RawDoor:
    """Listens on the raw ports of every deployment there is, whether it runs or not.

    A raw connection can't show a token: those of a private one are taken on loopback alone.
    The port stays taken while the deployment rests, so that nobody else gets it, nor what its
    clients send; they are hung up on until it runs, and held while it wakes up.
    """

    def __init__(
        self,
        addresses: Addresses,
        raw_ports: RawPorts,
        activity: Activity,
        waker: Waker,
        clock: Clock,
        *,
        host: str,
        most: int,
    ) -> None:
        self._addresses = addresses
        self._raw_ports = raw_ports
        self._activity = activity
        self._waker = waker
        self._clock = clock
        self._host = host
        self._most = most
        self._open: Counter[int] = Counter()  # by loopback port of the container
        self._listening: dict[Key, _Listening] = {}
        self._news = anyio.Event()
        self._patience = Patience("another raw port for one that is taken")
        addresses.listen(self._moved)

    def under_way(self, ports: frozenset[int]) -> int:
        """How many connections lead to those loopback ports."""
        return sum(self._open[port] for port in ports)

    async def run(self) -> None:
        """Listens and relays, until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                self._news = anyio.Event()
                await self._keep_up(tasks)
                with anyio.move_on_after(AGAIN_S):
                    await self._news.wait()

    def _moved(self, address: Address) -> None:
        held = {deployment_id for deployment_id, _, _ in self._listening}
        if self._raw_ports.of(address.deployment_id) or address.deployment_id in held:
            self._news.set()

    async def _keep_up(self, tasks: TaskGroup) -> None:
        wanted = {
            (a.deployment_id, port, self._host if a.access is Access.PUBLIC else LOOPBACK)
            for a in self._addresses.all()
            for port in self._raw_ports.of(a.deployment_id)
        }
        unwanted = [self._listening.pop(key) for key in self._listening.keys() - wanted]
        for listening in unwanted:
            listening.scope.cancel()
        for listening in unwanted:  # their ports may be wanted anew
            await listening.closed.wait()
        for key in wanted - self._listening.keys():
            listening = self._listening[key] = _Listening()
            tasks.start_soon(self._listen, key, listening)

    async def _listen(self, key: Key, listening: _Listening) -> None:
        with listening.scope:
            listener = await self._bind(key)
            if listener is not None:
                await self._serve(key, listener)
        listening.closed.set()
        if self._listening.get(key) is listening:
            del self._listening[key]  # it could not be bound; the next round tries again

    async def _serve(self, key: Key, listener: Listener[SocketStream]) -> None:
        """Those who came go on while no more can: out of descriptors, for one."""
        async with listener, anyio.create_task_group() as guests:
            while True:
                try:
                    await listener.serve(partial(self._receive, key), guests)
                except* OSError as errors:
                    log.warning("raw accept failed of=%s error=%s", key[0], errors.exceptions[0])
                await self._clock.sleep(BREATH_S)

    async def _bind(self, key: Key) -> Listener[SocketStream] | None:
        """Takes the port, or the next one, should it be another program's."""
        deployment_id, port, host = key
        tried: list[int] = []
        number = self._raw_ports.of(deployment_id).get(port)
        while number is not None and len(tried) < TRIES:
            try:
                return await _listener(host, number)
            except OSError as error:
                log.warning("raw port %d of %s can't be bound: %s", number, deployment_id, error)
                if error.errno != errno.EADDRINUSE:
                    return None
            tried.append(number)
            number = await self._another(key, tried)
        return None

    async def _another(self, key: Key, tried: list[int]) -> int | None:
        deployment_id, port, _ = key
        address = self._addresses.of(deployment_id)
        if address is None:
            return None
        with self._patience:
            return await self._raw_ports.move(address, port, tried=tried)
        return None

    async def _receive(self, key: Key, client: SocketStream) -> None:
        """The bulkhead: a defect met with one connection must not stop the appliance."""
        try:
            await self._attend(key, client)
        except Exception:
            log.exception("connection failed deployment=%s errorId=%s", key[0], new_id("err"))

    async def _attend(self, key: Key, client: SocketStream) -> None:
        """One connection, from its first byte to its last."""
        deployment_id, port, _ = key
        async with client:
            if self._addresses.of(deployment_id) is None or self._open.total() >= self._most:
                return
            with self._in_use(self._activity.of(deployment_id)) as traffic:
                with self._counted(HELD):
                    # One who leaves meanwhile is held on: nothing can be sent to tell it by.
                    inside = await self._awake(deployment_id, port)
                if inside is not None:
                    with self._counted(inside):
                        await _relay(client, inside, traffic)

    async def _awake(self, deployment_id: str, port: int) -> int | None:
        """Where it listens, once it does; None if there is no point in waiting for it."""
        address = self._addresses.of(deployment_id)
        if address is None or await self._waker.wake(address, hold=True) is not None:
            return None
        address = self._addresses.of(deployment_id)
        runs = address is not None and address.status is Status.RUNNING
        return address.tcp.get(port) if address is not None and runs else None

    @contextmanager
    def _counted(self, inside: int) -> Iterator[None]:
        self._open[inside] += 1
        try:
            yield
        finally:
            self._open[inside] -= 1
            if not self._open[inside]:
                del self._open[inside]

    @contextmanager
    def _in_use(self, traffic: Traffic) -> Iterator[Traffic]:
        traffic.open_connections += 1
        traffic.open_requests += 1
        traffic.requests += 1
        traffic.last_activity_boot_us = self._clock.now().boot_us
        try:
            yield traffic
        finally:
            traffic.open_connections -= 1
            traffic.open_requests -= 1
            traffic.last_activity_boot_us = self._clock.now().boot_us


async def _listener(host: str, port: int) -> Listener[SocketStream]:
    """What it takes is kept alive: Linux hands that option down to each connection.

    Of one that is gone by then it could not be set any more.
    """
    listener = await anyio.create_tcp_listener(local_host=host, local_port=port, backlog=BACKLOG)
    kernel = listener.extra(SocketAttribute.raw_socket)  # noqa: S610 - no Django here
    kernel.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return listener


async def _relay(client: SocketStream, inside: int, traffic: Traffic) -> None:
    """Both directions, each until its own end (a half-close is passed on), none with a deadline."""
    try:
        with anyio.fail_after(CONNECT_S):
            upstream = await anyio.connect_tcp(LOOPBACK, inside)
    except (OSError, TimeoutError):
        return
    async with upstream, anyio.create_task_group() as tasks:
        tasks.start_soon(_pump, client, upstream, _count_in(traffic), tasks.cancel_scope)
        tasks.start_soon(_pump, upstream, client, _count_out(traffic), tasks.cancel_scope)


def _count_in(traffic: Traffic) -> Callable[[int], None]:
    def count(size: int) -> None:
        traffic.bytes_in += size

    return count


def _count_out(traffic: Traffic) -> Callable[[int], None]:
    def count(size: int) -> None:
        traffic.bytes_out += size

    return count


async def _pump(
    source: SocketStream,
    sink: SocketStream,
    count: Callable[[int], None],
    all_of_it: anyio.CancelScope,
) -> None:
    """From one to the other: what has been read is sent before more is read."""
    try:
        async for chunk in source:
            count(len(chunk))
            await sink.send(chunk)
        await _send_end(sink)
    except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        all_of_it.cancel()


async def _send_end(sink: SocketStream) -> None:
    """Nothing more comes.

    Raises:
        anyio.BrokenResourceError: whoever it was for is gone. Only of ``send`` does anyio make it
            out of the RuntimeError that uvloop raises, which would end the whole appliance.
    """
    try:
        await sink.send_eof()
    except RuntimeError as error:
        raise anyio.BrokenResourceError from error
