"""Puts deployments to sleep that nobody uses, and wakes them.

A deployment is looked at and marked in the door's table in one breath, before anything is written:
whoever asks for it from then on is held, and wakes it again. So no request is ever cut short, and
none gets lost, however it falls in with the order.
"""

import logging
from collections.abc import Callable

from appliance.clock import Clock
from appliance.domain.deployment import Deployment, Reason, Status
from appliance.domain.errors import StoreFailure
from appliance.domain.idleness import idle_reason, is_due
from appliance.engine.activity import Activity
from appliance.engine.addresses import Address, Addresses
from appliance.engine.broadcast import Broadcast
from appliance.engine.gpus import line_up
from appliance.store import events
from appliance.store import sleep as store
from appliance.store.database import Database
from appliance.store.events import NewEvent

LOOK_EVERY_S = 1.0

log = logging.getLogger(__name__)


class Sleep:
    """Gives the orders; ``ordered`` hears of each. A user's order goes over any of these."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        broadcast: Broadcast,
        addresses: Addresses,
        activity: Activity,
        ordered: Callable[[str], None],
    ) -> None:
        self._db = db
        self._clock = clock
        self._broadcast = broadcast
        self._addresses = addresses
        self._activity = activity
        self._ordered = ordered

    async def run(self) -> None:
        """Looks for idle ones, until cancelled."""
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            for deployment_id in [a.deployment_id for a in self._addresses.all() if a.sleeps]:
                address = self._addresses.of(deployment_id)
                if address is not None and self._is_due(address):
                    why = idle_reason(address.idle_timeout_minutes or 0)
                    await self._put_to_sleep(address, why, "idle")

    async def wake(self, deployment_id: str) -> None:
        """Wants it running again, if it is wanted asleep.

        Raises:
            StoreFailure: nothing was written.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            d = await store.wake(tx, deployment_id, now)
            if d is None:
                return
            await line_up(tx, d)
            woken = NewEvent("wake", "Asked for: waking up", status=d.shown)
            await events.record(tx, d.id, d.owner_id, woken, now)
        self._tell(d)

    def _is_due(self, address: Address) -> bool:
        if not may_sleep(address):
            return False
        use = self._activity.use(address.deployment_id, address.since_boot_us)
        return is_due(use, address.idle_timeout_minutes, self._clock.now().boot_us)

    async def _put_to_sleep(self, address: Address, why: Reason, event: str) -> None:
        """Orders it for one that was seen unused just now, with no await since."""
        version, d = self._addresses.doze(address.deployment_id), None
        try:
            d = await self._order(address.deployment_id, version, why, event)
        except StoreFailure as error:
            log.warning("not put to sleep deployment=%s: %s", address.deployment_id, error)
        finally:
            if d is None:
                self._addresses.rouse(address.deployment_id)
        if d is None:
            return
        self._tell(d)
        if self._activity.use(d.id, d.since_boot_us).open:  # a terminal, say: it does not ask first
            await self.wake(d.id)

    async def _order(
        self, deployment_id: str, version: int, why: Reason, event: str
    ) -> Deployment | None:
        now = self._clock.now()
        async with self._db.transaction() as tx:
            d = await store.put_to_sleep(tx, deployment_id, version, why, now)
            if d is not None:
                told = NewEvent(event, f"{why.message}: going to sleep", status=d.shown)
                await events.record(tx, d.id, d.owner_id, told, now)
        return d

    def _tell(self, d: Deployment) -> None:
        self._addresses.written(d)
        self._broadcast.notify()
        self._ordered(d.id)


def may_sleep(address: Address) -> bool:
    """Whether it can be woken again by its address, and there is nothing odd about it now."""
    if address.status is not Status.RUNNING or address.paused or address.dozing:
        return False
    return bool(address.http or address.tcp)
