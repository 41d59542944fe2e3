"""Puts deployments to sleep that nobody uses, and wakes them.

A deployment is looked at and marked in the door's table in one breath, before anything is written:
whoever asks for it from then on is held, and wakes it again. So no request is ever cut short, and
none gets lost, however it falls in with the order.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from appliance.clock import Clock
from appliance.domain.deployment import Deployment, Reason, Status
from appliance.domain.errors import StaleVersion
from appliance.domain.eviction import GRACE_US, Idler, evicted_reason
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
from appliance.store.patience import Patience

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
        patience = Patience("putting to sleep")
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            with patience:
                await self._end_idleness()
                await self._make_room()

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
                await self._give_way({deployment_id: idle_reason(minutes)})

    async def _make_room(self) -> None:
        """All who have to give way do, or none: none would be enough alone."""
        if not self._gpus.is_waited_for():
            return
        idlers = self._idlers()
        if idlers and await self._soften(idlers):
            return
        lenders = self._lenders_in_line()
        willing = [*lenders, *(one for one in idlers if one.deployment_id not in _ids(lenders))]
        eviction = await self._gpus.eviction(willing) if willing else None
        if eviction is None:
            return
        rows = [await deployments.for_driver(self._db, i) for i in eviction.givers]
        taker = await deployments.for_driver(self._db, eviction.taker)
        anew = _ids(self._lenders_in_line())  # the last look; no await from here on
        if taker is not None and (anew | _ids(self._idlers())).issuperset(eviction.givers):
            await self._give_way({d.id: evicted_reason(d, taker) for d in rows if d}, anew)

    async def _soften(self, idlers: Sequence[Idler]) -> bool:
        """Has memory given back where that is enough; whoever asks meanwhile waits for it."""
        soft = await self._softening.choose(idlers)
        idle = _ids(self._idlers())  # the last look before they are marked
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

    def _lenders_in_line(self) -> list[Idler]:
        """Those that wait for their share, and keep others from the rest of it meanwhile.

        Whoever asks for them waits at the door, so nothing is cut short. They are the last to give
        way: it costs them their process.
        """
        return [
            Idler(a.deployment_id, GRACE_US)
            for a in self._addresses.all()
            if a.lending and a.evictable and may_sleep(a) and self._gpus.place(a.deployment_id)
            if not self._activity.engagements(a.deployment_id)
        ]

    def _use(self, address: Address) -> Use:
        return self._activity.use(address.deployment_id, address.since_boot_us)

    async def _give_way(
        self, reasons: Mapping[str, Reason], lenders: frozenset[str] = frozenset()
    ) -> None:
        """Orders it for those that were seen unused just now, with no await since; all or none.

        They go to sleep; ``lenders``, who stand in line, begin anew when it is their turn.
        """
        versions = {i: self._addresses.doze(i) for i in reasons}
        giving: list[Deployment] = []
        try:
            giving = await self._order(versions, reasons, lenders)
        except StaleVersion as error:
            log.debug("does not give way: %s", error)
        finally:
            for deployment_id in versions.keys() - {d.id for d in giving}:
                self._addresses.rouse(deployment_id)
        for d in giving:
            self._tell(d)
            if d.id not in lenders and self._activity.use(d.id, 0).open:
                await self.wake(d.id)  # a terminal, say: it does not ask the door

    async def _order(
        self, versions: Mapping[str, int], reasons: Mapping[str, Reason], lenders: frozenset[str]
    ) -> list[Deployment]:
        now, written = self._clock.now(), []
        async with self._db.transaction() as tx:
            for i, why in reasons.items():
                if i in lenders:
                    d = await store.begin_anew(tx, i, versions[i], now)
                    words = f"{why.message}: begins anew when it is its turn"
                else:
                    d = await store.put_to_sleep(tx, i, versions[i], why, now)
                    words = f"{why.message}: going to sleep"
                told = NewEvent(why.code, words, status=d.shown)
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


def _ids(idlers: Iterable[Idler]) -> frozenset[str]:
    return frozenset(one.deployment_id for one in idlers)
