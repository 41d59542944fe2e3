"""Has idle deployments give GPU memory back without stopping them, where their template knows how.

It helps where a GPU is shared: who holds one alone keeps it from others however little it uses.
"""

import logging
from collections.abc import Mapping, Sequence

import anyio

from appliance.clock import Clock
from appliance.domain.deployment import Deployment
from appliance.domain.errors import RuntimeFailure
from appliance.domain.eviction import Eviction, Idler
from appliance.domain.observed import ContainerName
from appliance.engine.catalogue import Catalogue
from appliance.engine.gpus import Gpus
from appliance.engine.ledger import Ledger
from appliance.runtime.port import ContainerRuntime
from appliance.store import deployments
from appliance.store.database import Database
from appliance.store.events import NewEvent

COMMAND_S = 15
LOOKS = 5
BETWEEN_LOOKS_S = 1.0
"""Drivers give memory back late; after so many looks it is taken for granted that they won't."""

log = logging.getLogger(__name__)


class Softening:
    """Runs the templates' commands, each once a time of idleness. ``prefix`` begins the names."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        runtime: ContainerRuntime,
        catalogue: Catalogue,
        gpus: Gpus,
        ledger: Ledger,
        prefix: str,
    ) -> None:
        self._db = db
        self._clock = clock
        self._runtime = runtime
        self._catalogue = catalogue
        self._gpus = gpus
        self._ledger = ledger
        self._prefix = prefix
        self._done_boot_us: dict[str, int] = {}

    async def choose(self, idlers: Sequence[Idler]) -> Eviction | None:
        """Who would make room for the first in line by using no more than their share."""
        now_us = self._clock.now().boot_us
        fresh = [
            one
            for one in idlers
            if now_us - one.idle_us > self._done_boot_us.get(one.deployment_id, -1)
        ]
        rows = await self._rows([one.deployment_id for one in fresh])
        able = [one for one in fresh if self._command(rows.get(one.deployment_id)) is not None]
        return await self._gpus.eviction(able, stop=False) if able else None

    async def give_back(self, eviction: Eviction) -> None:
        """Runs the commands; whatever comes of one, the next look tells."""
        rows = await self._rows(eviction.givers)
        for d in rows.values():
            self._done_boot_us[d.id] = self._clock.now().boot_us
            await self._run(d)

    async def wait_for_memory(self, taker: str) -> None:
        """Returns when ``taker`` is served, or it is clear that it won't be by this."""
        for _ in range(LOOKS):
            await self._gpus.look_and_serve()
            if self._gpus.place(taker) is None:
                return
            await self._clock.sleep(BETWEEN_LOOKS_S)

    async def _run(self, d: Deployment) -> None:
        name = str(ContainerName(self._prefix, d.id, d.generation))
        try:
            with anyio.move_on_after(COMMAND_S):
                async for _ in self._runtime.execute(name, self._command(d) or ()):
                    pass
        except RuntimeFailure as error:
            log.info("gave no memory back deployment=%s: %s", d.id, error)
            return
        words = "Gave back the GPU memory beyond its share: another one waits for it"
        await self._ledger.note(d, NewEvent("softened", words, status=d.shown))

    async def _rows(self, ids: Sequence[str]) -> Mapping[str, Deployment]:
        found = [await deployments.for_driver(self._db, i) for i in ids]
        return {d.id: d for d in found if d is not None}

    def _command(self, d: Deployment | None) -> Sequence[str] | None:
        template_id = None if d is None else d.spec.template_id
        template = None if template_id is None else self._catalogue.get(template_id)
        return None if template is None else template.soften
