"""Puts on record what a deployment left on a GPU, and that it came back."""

from appliance.clock import Clock
from appliance.engine.gpu_watch import SURVEY_EVERY_S, GpuWatch
from appliance.engine.ledger import Ledger
from appliance.store import deployments
from appliance.store.database import Database
from appliance.store.events import NewEvent
from appliance.store.patience import Patience


class GpuLeaks:
    """An event for each leak that ``watch`` finds, and one for each that ends."""

    def __init__(self, db: Database, clock: Clock, watch: GpuWatch, ledger: Ledger) -> None:
        self._db = db
        self._clock = clock
        self._watch = watch
        self._ledger = ledger
        self._told: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Tells what is new, until cancelled."""
        patience = Patience("the record of GPU memory that was left behind")
        while True:
            with patience:
                await self.tell()
            await self._clock.sleep(SURVEY_EVERY_S)

    async def tell(self) -> None:
        """Once."""
        state = self._watch.state
        names = {r.gpu.key: f"GPU {r.gpu.index}" for r in state.survey.readings}
        for key in state.leaked.keys() - self._told:
            text = f"{state.leaked[key]} MiB on {names.get(key[1], key[1])} did not come back"
            await self._note(key[0], NewEvent("gpu_leaked", text, code="gpu_leaked"))
            self._told.add(key)
        for key in self._told - state.leaked.keys():
            text = f"The memory on {names.get(key[1], key[1])} came back"
            await self._note(key[0], NewEvent("gpu_memory_back", text))
            self._told.discard(key)

    async def _note(self, deployment_id: str, event: NewEvent) -> None:
        d = await deployments.for_driver(self._db, deployment_id)
        if d is not None:
            await self._ledger.note(d, event)
