"""Writes a driver's moves: row, event and usage in one transaction, then tells who listens."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from appliance.clock import Clock
from appliance.domain.deployment import AT_REST, Asked, Deployment, Status
from appliance.domain.instant import Instant
from appliance.domain.steps import Become, advance
from appliance.domain.usage import end_of
from appliance.engine.addresses import Addresses
from appliance.engine.broadcast import Broadcast
from appliance.engine.raw_ports import RawPorts
from appliance.store import deployments, events, gpus, usage
from appliance.store.database import Database, Transaction
from appliance.store.events import NewEvent

UP = frozenset({Status.RUNNING, Status.STOPPING})
"""With these the process of a container that has been running may still be there."""


class Ledger:
    """The reconciler's pen. Every method is one transaction; ``freed`` hears of GPUs given back."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        broadcast: Broadcast,
        addresses: Addresses,
        raw_ports: RawPorts,
        freed: Callable[[str, Sequence[str]], Awaitable[None]],
    ) -> None:
        self._db = db
        self._clock = clock
        self._broadcast = broadcast
        self._addresses = addresses
        self._raw_ports = raw_ports
        self._freed = freed

    async def become(self, before: Deployment, step: Become) -> Deployment:
        """Writes what ``step`` makes of ``before``.

        Raises:
            StaleVersion: the row has moved on; nothing was written.
        """
        now = self._clock.now()
        after = advance(before, step, now)
        async with self._db.transaction() as tx:
            written = await deployments.move(tx, before, after)
            await _charge(tx, before, written, step, now)
            freed = await _freed(tx, before, written)
            unasked = await self._raw_ports.settle(tx, written) if step.turn else []
            if step.message:
                await events.record(tx, before.id, before.owner_id, _event(step, written), now)
        self._raw_ports.forget(unasked)
        self._addresses.written(written)
        if not _goes_on(before, written):
            self._addresses.took_back(before.id)
        if step.message:
            self._broadcast.notify()
        if freed:
            await self._freed(before.id, freed)
        return written

    async def lend(self, d: Deployment) -> bool:
        """Others may have its GPU memory, for which it is told next.

        False: it may not be asked for it now.
        """
        async with self._db.transaction() as tx:
            lent = await gpus.lend(tx, d.id)
        if lent:
            self._addresses.lent(d.id)
        return lent

    async def ask_back(self, d: Deployment) -> bool:
        """Its process is told next to take its GPU memory back; False: it may not be told."""
        async with self._db.transaction() as tx:
            return await gpus.ask_back(tx, d.id)

    async def heard(self, d: Deployment) -> None:
        """What its process was told last is done, or it was not told."""
        async with self._db.transaction() as tx:
            await gpus.heard(tx, d.id)

    async def took_back(self, d: Deployment) -> None:
        """Its container has taken back the GPU memory that it had given up."""
        async with self._db.transaction() as tx:
            if await gpus.end_loan(tx, d.id):
                words = "Has its GPU memory again"
                event = NewEvent("took_back", words, status=d.shown)
                await events.record(tx, d.id, d.owner_id, event, self._clock.now())
        self._addresses.took_back(d.id)
        self._broadcast.notify()

    async def ask(self, before: Deployment, asked: Asked | None) -> Deployment:
        """Writes what Podman is asked for, before it is; None: it has answered.

        Raises: as ``become``.
        """
        async with self._db.transaction() as tx:
            written = await deployments.move(tx, before, replace(before, asked=asked))
        self._addresses.written(written)
        return written

    async def note(self, d: Deployment, event: NewEvent) -> None:
        """Writes an event that moves nothing."""
        async with self._db.transaction() as tx:
            await events.record(tx, d.id, d.owner_id, event, self._clock.now())
        self._broadcast.notify()

    async def bury(self, d: Deployment) -> None:
        """Closes a deleted deployment of which nothing is left."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            await _close(tx, d.id, None, now)
            await deployments.bury(tx, d.id, now)
            freed = await gpus.release(tx, d.id)
            gone = NewEvent("removed", "Container, network and volumes are removed")
            await events.record(tx, d.id, d.owner_id, gone, now)
        self._addresses.buried(d.id)
        self._broadcast.notify()
        if freed:
            await self._freed(d.id, freed)


async def _freed(tx: Transaction, before: Deployment, after: Deployment) -> list[str]:
    """The GPUs that it does not hold any more."""
    if after.status in AT_REST:
        return await gpus.release(tx, before.id)
    if _goes_on(before, after):
        return []
    return await gpus.process_ended(tx, before.id)


def _goes_on(before: Deployment, after: Deployment) -> bool:
    """Whether there is no end of a process in it that may have lent its GPU memory."""
    if before.status not in UP:
        return after.status not in AT_REST
    return after.status in UP and after.process == before.process


def _event(step: Become, written: Deployment) -> NewEvent:
    code = None if step.reason is None else step.reason.code
    return NewEvent(step.event, step.message, status=written.shown, code=code)


async def _charge(
    tx: Transaction, before: Deployment, after: Deployment, step: Become, now: Instant
) -> None:
    """Time in ``running`` is charged: its stretches begin and end with the status."""
    was, becomes = before.status is Status.RUNNING, after.status is Status.RUNNING
    if becomes and not was:
        gpus = after.spec.resources.gpu_count
        await usage.open_interval(tx, after.id, rate_cents=after.rate_cents, gpus=gpus, now=now)
    if was and not becomes:
        await _close(tx, before.id, step, now)


async def _close(tx: Transaction, deployment_id: str, step: Become | None, now: Instant) -> None:
    interval = await usage.find_open(tx, deployment_id)
    if interval is None:
        return
    run = step.ended if step is not None else None
    finished_at = run.finished_at if run is not None else None
    await usage.close_interval(tx, deployment_id, end_of(interval, finished_at, now))
