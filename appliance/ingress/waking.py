"""Wakes deployments that sleep, and holds requests until they answer.

A vigil is kept for each that wakes up, one at a time, whoever asks: it gives the order, waits
until the deployment runs and takes connections, and ends. It is nobody's own, so that it goes on
when the client that began it has left. Requests wait for its end, each for as long as it may.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from appliance.clock import Clock
from appliance.domain.deployment import Status
from appliance.domain.errors import StoreFailure
from appliance.engine.addresses import Address, Addresses
from appliance.engine.raw_ports import LOOPBACK
from appliance.ingress.seams import Trouble

AGAIN_S = 2
BETWEEN_TRIES_S = 0.02
PROOF_S = 0.01
"""Where Podman itself listens for a container that does not yet, it takes a connection and hangs
up at once: one that is not ended in this time was taken by the container."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Vigil:
    over: anyio.Event = field(default_factory=anyio.Event)
    news: anyio.Event = field(default_factory=anyio.Event)


class PatientWaker:
    """``order`` has the engine wake a deployment; ``hold_s`` is the longest a request is held."""

    def __init__(
        self,
        addresses: Addresses,
        order: Callable[[str], Awaitable[None]],
        clock: Clock,
        tasks: TaskGroup,
        hold_s: int,
    ) -> None:
        self._addresses = addresses
        self._order = order
        self._clock = clock
        self._tasks = tasks
        self._hold_s = hold_s
        self._vigils: dict[str, _Vigil] = {}
        addresses.listen(self._heard)

    async def wake(self, address: Address, *, hold: bool) -> Trouble | None:
        """Returns when it answers, or does not sleep at all; else the trouble to tell."""
        vigil = self._vigil_for(self._addresses.of(address.deployment_id) or address)
        if vigil is None:
            return None
        if hold:
            with anyio.move_on_after(self._hold_s):
                await vigil.over.wait()
        if vigil.over.is_set():
            return None
        now = self._addresses.of(address.deployment_id) or address
        return Trouble(503, "waking", f"{now.name} is waking up", now, retry_after_s=AGAIN_S)

    def _vigil_for(self, address: Address) -> _Vigil | None:
        vigil = self._vigils.get(address.deployment_id)
        if vigil is None and address.awaited:
            vigil = self._vigils[address.deployment_id] = _Vigil()
            self._tasks.start_soon(self._keep, address.deployment_id, vigil)
        return vigil

    def _heard(self, address: Address) -> None:
        vigil = self._vigils.get(address.deployment_id)
        if vigil is not None:
            vigil.news.set()

    async def _keep(self, deployment_id: str, vigil: _Vigil) -> None:
        try:
            while (address := self._addresses.of(deployment_id)) and address.awaited:
                vigil.news = anyio.Event()
                if address.asleep or address.lending:
                    await self._order(deployment_id)
                if not vigil.news.is_set():
                    await vigil.news.wait()
            if address is not None:
                await self._listens(address)
        except StoreFailure as error:
            log.warning("can't wake deployment=%s: %s", deployment_id, error)
        finally:
            del self._vigils[deployment_id]
            vigil.over.set()

    async def _listens(self, address: Address) -> None:
        """Returns when it takes connections, does not run any more, or does not for too long."""
        runs = address.status is Status.RUNNING and not address.paused
        ports = (*address.http.values(), *address.tcp.values()) if runs else ()
        port = next(iter(ports), None)
        with anyio.move_on_after(self._hold_s):
            while port is not None and not await _takes_connections(port):
                await self._clock.sleep(BETWEEN_TRIES_S)
                if self._addresses.of(address.deployment_id) != address:
                    return


async def _takes_connections(port: int) -> bool:
    try:
        async with await anyio.connect_tcp(LOOPBACK, port) as stream:
            with anyio.move_on_after(PROOF_S):
                await stream.receive(1)
    except (OSError, anyio.EndOfStream, anyio.BrokenResourceError):
        return False
    return True
