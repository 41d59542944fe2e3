"""Has idle deployments give GPU memory back without stopping them, where their template knows how.

It helps where a GPU is shared: who holds one alone keeps it from others however little it uses.
Of those that go on serving others get what they used beyond the share they declared. Those that
serve nobody meanwhile lend the share too, and wait in line for it when they are asked for again.
"""

import logging
from collections.abc import Mapping, Sequence

from appliance.clock import Clock
from appliance.domain.deployment import Deployment
from appliance.domain.errors import RuntimeFailure
from appliance.domain.eviction import Eviction, Idler
from appliance.engine.addresses import Addresses
from appliance.engine.gpus import Gpus
from appliance.engine.ledger import Ledger
from appliance.engine.soft_steps import SoftSteps
from appliance.store import deployments
from appliance.store.database import Database
from appliance.store.events import NewEvent

LOOKS = 5
BETWEEN_LOOKS_S = 1.0
"""Drivers give memory back late; after so many looks it is taken for granted that they won't."""

log = logging.getLogger(__name__)


class Softening:
    """Runs the templates' commands, each once a time of idleness."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        steps: SoftSteps,
        addresses: Addresses,
        gpus: Gpus,
        ledger: Ledger,
    ) -> None:
        self._db = db
        self._clock = clock
        self._steps = steps
        self._addresses = addresses
        self._gpus = gpus
        self._ledger = ledger
        self._done_boot_us: dict[str, int] = {}

    async def choose(self, idlers: Sequence[Idler]) -> Eviction | None:
        """Who would make room for the first in line by giving back what they don't need now."""
        fresh = [one for one in idlers if self._is_fresh(one)]
        rows = await self._rows([one.deployment_id for one in fresh])
        known = {i: self._steps.of(d) for i, d in rows.items()}
        able = [one for one in fresh if known.get(one.deployment_id) is not None]
        lenders = {i for i, soften in known.items() if soften is not None and soften.undo}
        return await self._gpus.eviction(able, lenders) if able else None

    async def give_back(self, eviction: Eviction) -> None:
        """Runs the commands; whatever comes of one, the next look tells."""
        rows = await self._rows(eviction.givers)
        for d in rows.values():
            self._done_boot_us[d.id] = self._clock.now().boot_us
            async with self._steps.alone(d.id):
                await self._soften(d)

    async def wait_for_memory(self, taker: str) -> None:
        """Returns when ``taker`` is served, or it is clear that it won't be by this."""
        for _ in range(LOOKS):
            await self._gpus.look_and_serve()
            if self._gpus.place(taker) is None:
                return
            await self._clock.sleep(BETWEEN_LOOKS_S)

    def _is_fresh(self, one: Idler) -> bool:
        address = self._addresses.of(one.deployment_id)
        if address is None or address.lending:
            return False
        idle_since_us = self._clock.now().boot_us - one.idle_us
        return idle_since_us > self._done_boot_us.get(one.deployment_id, -1)

    async def _soften(self, d: Deployment) -> None:
        """That it serves nobody is on record before it is so: a crash in between costs an undo."""
        known = self._steps.of(d)
        if known is None:
            return
        words = "Gave back the GPU memory beyond its share: another one waits for it"
        if known.undo is not None:
            if not await self._ledger.lend(d):
                return
            words = "Gave its GPU memory to another one that waits for it; takes it back when asked"
        try:
            await self._steps.give_up(d)
        except RuntimeFailure as error:
            log.info("gave no memory back deployment=%s: %s", d.id, error)
            return
        await self._ledger.note(d, NewEvent("softened", words, status=d.shown))

    async def _rows(self, ids: Sequence[str]) -> Mapping[str, Deployment]:
        found = [await deployments.for_driver(self._db, i) for i in ids]
        return {d.id: d for d in found if d is not None}
