"""Puts deployments to sleep that nobody uses, and wakes them.

A deployment is looked at and marked in the door's table in one breath, before anything is written:
whoever asks for it from then on is held, and wakes it again. So no request is ever cut short, and
none gets lost, however it falls in with the order.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from appliance.clock import Clock
from appliance.domain.deployment import Deployment, Reason, Status
from appliance.domain.errors import StaleVersion, StoreFailure
from appliance.domain.eviction import Idler, evicted_reason
from appliance.domain.idleness import Use, idle_reason, is_due
from appliance.engine.activity import Activity
from appliance.engine.addresses import Address, Addresses
from appliance.engine.broadcast import Broadcast
from appliance.engine.gpus import Gpus, line_up
from appliance.engine.softening import Softening
from appliance.store import deployments, events
from appliance.store import sleep as store
from appliance.store.database import Database
from appliance.store.events import NewEvent

LOOK_EVERY_S = 1.0

log = logging.getLogger(__name__)


class Sleep:
    """Gives the orders; ``ordered`` hears of each. A user's order goes over any of these."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        broadcast: Broadcast,
        addresses: Addresses,
        activity: Activity,
        gpus: Gpus,
        softening: Softening,
        ordered: Callable[[str], None],
    ) -> None:
        self._db = db
        self._clock = clock
        self._broadcast = broadcast
        self._addresses = addresses
        self._activity = activity
        self._gpus = gpus
        self._softening = softening
        self._ordered = ordered

    async def run(self) -> None:
        """Looks for those whose time is over, and for those who can give way, until cancelled."""
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            try:
                await self._end_idleness()
                await self._make_room()
            except StoreFailure as error:
                log.warning("nobody is put to sleep now: %s", error)

    async def wake(self, deployment_id: str) -> None:
        """Wants it running again, if it is wanted asleep, and with all of its GPU memory.

        Raises:
            StoreFailure: nothing was written.
        """
        woken = await self._wake(deployment_id)
        address = self._addresses.of(deployment_id)
        if woken is None and address is not None and address.lending:
            await self._gpus.take_back(deployment_id)

    async def _wake(self, deployment_id: str) -> Deployment | None:
        now = self._clock.now()
        async with self._db.transaction() as tx:
            d = await store.wake(tx, deployment_id, now)
            if d is None:
                return None
            await line_up(tx, d)
            woken = NewEvent("wake", "Asked for: waking up", status=d.shown)
            await events.record(tx, d.id, d.owner_id, woken, now)
        self._tell(d)
        return d

    async def _end_idleness(self) -> None:
        for deployment_id in [a.deployment_id for a in self._addresses.all() if a.sleeps]:
            address = self._addresses.of(deployment_id)
            if address is None or not may_sleep(address):
                continue
            minutes, now_us = address.idle_timeout_minutes, self._clock.now().boot_us
            if minutes is not None and is_due(self._use(address), minutes, now_us):
                await self._put_to_sleep({deployment_id: idle_reason(minutes)})

    async def _make_room(self) -> None:
        """All who have to give way do, or none: none would be enough alone."""
        idlers = self._idlers() if self._gpus.is_waited_for() else []
        if not idlers or await self._soften(idlers):
            return
        eviction = await self._gpus.eviction(idlers)
        if eviction is None:
            return
        rows = [await deployments.for_driver(self._db, i) for i in eviction.givers]
        taker = await deployments.for_driver(self._db, eviction.taker)
        idle = {one.deployment_id for one in self._idlers()}  # the last look; no await from here on
        if taker is not None and idle.issuperset(eviction.givers):
            await self._put_to_sleep({d.id: evicted_reason(d, taker) for d in rows if d})

    async def _soften(self, idlers: Sequence[Idler]) -> bool:
        """Has memory given back where that is enough; whoever asks meanwhile waits for it."""
        soft = await self._softening.choose(idlers)
        idle = {one.deployment_id for one in self._idlers()}  # the last look before they are marked
        if soft is None or not idle.issuperset(soft.givers):
            return False
        for deployment_id in soft.givers:
            self._addresses.doze(deployment_id)
        try:
            await self._softening.give_back(soft)
        finally:
            for deployment_id in soft.givers:
                self._addresses.rouse(deployment_id)
        await self._softening.wait_for_memory(soft.taker)
        return True

    def _idlers(self) -> list[Idler]:
        now_us = self._clock.now().boot_us
        return [
            Idler(a.deployment_id, self._use(a).idle_us(now_us))
            for a in self._addresses.all()
            if a.evictable and may_sleep(a) and not self._use(a).open
        ]

    def _use(self, address: Address) -> Use:
        return self._activity.use(address.deployment_id, address.since_boot_us)

    async def _put_to_sleep(self, reasons: Mapping[str, Reason]) -> None:
        """Orders it for those that were seen unused just now, with no await since; all or none."""
        versions = {i: self._addresses.doze(i) for i in reasons}
        asleep: list[Deployment] = []
        try:
            asleep = await self._order(versions, reasons)
        except StaleVersion as error:
            log.debug("not put to sleep: %s", error)
        finally:
            for deployment_id in versions.keys() - {d.id for d in asleep}:
                self._addresses.rouse(deployment_id)
        for d in asleep:
            self._tell(d)
            if self._activity.use(d.id, 0).open:  # a terminal, say: it does not ask the door
                await self.wake(d.id)

    async def _order(
        self, versions: Mapping[str, int], reasons: Mapping[str, Reason]
    ) -> list[Deployment]:
        now, written = self._clock.now(), []
        async with self._db.transaction() as tx:
            for i, why in reasons.items():
                d = await store.put_to_sleep(tx, i, versions[i], why, now)
                told = NewEvent(why.code, f"{why.message}: going to sleep", status=d.shown)
                await events.record(tx, d.id, d.owner_id, told, now)
                written.append(d)
        return written

    def _tell(self, d: Deployment) -> None:
        self._addresses.written(d)
        self._broadcast.notify()
        self._ordered(d.id)


def may_sleep(address: Address) -> bool:
    """Whether it can be woken again by its address, and there is nothing odd about it now."""
    if address.status is not Status.RUNNING or address.paused or address.dozing:
        return False
    return bool(address.http or address.tcp)
