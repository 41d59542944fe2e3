"""Sees to it that whatever differs from what is wanted has exactly one driver at work on it.

Level-triggered: an order nudges, a Podman event nudges, a health check nudges, and every round
compares the full list with the rows, so that no hint has to be believed or can be missed. The
first round at start-up is all there is of recovery.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from appliance.domain.errors import RuntimeFailure, StoreFailure
from appliance.domain.ids import new_id
from appliance.domain.observed import ContainerName, Listed
from appliance.domain.steps import Wait
from appliance.engine.driver import Driver, Workshop
from appliance.store import deployments
from appliance.store.deployments import Expected
from appliance.store.patience import AGAIN_S, Patience

ROUND_S = 20.0
AWAY_ROUND_S = 2.0
SET_ASIDE_US = 60_000_000
HINTS = frozenset({"died", "die", "remove", "pause", "unpause", "restart"})
"""Podman's events that may mean work; create, init and start are mostly our own."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Flight:
    driver: Driver
    again: bool = False


class Reconciler:
    """Owns the drivers. ``run`` lives as long as the appliance."""

    def __init__(self, shop: Workshop, tasks: TaskGroup) -> None:
        self._shop = shop
        self._pulse = shop.pulse
        self._tasks = tasks
        self._flights: dict[str, _Flight] = {}
        self._alarms: dict[str, anyio.CancelScope] = {}
        self._strangers: frozenset[str] | None = None
        self._patience = Patience("the comparison with Podman")

    @property
    def strangers(self) -> frozenset[str] | None:
        """Containers named as ours for which there is no row: shown by the doctor, never touched.

        As of the last round; None before the first.
        """
        return self._strangers

    def ordered(self, deployment_id: str) -> None:
        """An order is on record: take it up now, also in the middle of a pull."""
        flight = self._flights.get(deployment_id)
        if flight is not None:
            flight.driver.interrupt()
        self.nudge(deployment_id)

    def nudge(self, deployment_id: str) -> None:
        """Something may have changed: look."""
        flight = self._flights.get(deployment_id)
        if flight is not None:
            flight.again = True
            return
        alarm = self._alarms.pop(deployment_id, None)
        if alarm is not None:
            alarm.cancel()
        flight = self._flights[deployment_id] = _Flight(Driver(self._shop, deployment_id))
        self._tasks.start_soon(self._fly, deployment_id, flight)

    async def run(self) -> None:
        """Rounds and hints, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen)
            while True:
                pause_s = ROUND_S if await self._round() else AWAY_ROUND_S
                await self._pulse.sleep_or_suspicion(pause_s)

    async def _round(self) -> bool:
        """Compares the full list with the rows; False: Podman or the database can't be asked."""
        try:
            info = await self._shop.runtime.ping()
            self._pulse.heard()
            listed = await self._shop.runtime.list_containers()
        except RuntimeFailure as error:
            self._pulse.lost(error)
            return False
        with self._patience:
            expected = await deployments.expected(self._shop.db)
            for deployment_id in self._differing(expected, listed):
                self.nudge(deployment_id)
            await self._sort_out_unexpected(expected, listed)
        self._pulse.felt(info.version)
        return not self._patience.waits

    def _differing(self, expected: Sequence[Expected], listed: Sequence[Listed]) -> Iterable[str]:
        states = {c.name: c.state for c in listed}
        count = Counter(n.deployment_id for n in map(self._parsed, states) if n)
        for row in expected:
            name = str(ContainerName(self._shop.prefix, row.id, row.generation))
            busy = row.id in self._flights or row.id in self._alarms
            alone = count[row.id] == 1
            if not busy and not (row.at_ease and alone and states.get(name) == "running"):
                yield row.id

    def _parsed(self, name: str) -> ContainerName | None:
        return ContainerName.parse(name, prefix=self._shop.prefix)

    async def _sort_out_unexpected(
        self, expected: Sequence[Expected], listed: Sequence[Listed]
    ) -> None:
        """Containers of rows at rest, of rows that are gone, and of no row at all."""
        names = {c.name: self._parsed(c.name) for c in listed}
        at_work = {row.id for row in expected}
        ids = {n.deployment_id for n in names.values() if n} - at_work
        known = await deployments.known(self._shop.db, sorted(ids))
        for c in listed:
            parsed = names[c.name]
            if parsed is None or parsed.deployment_id not in known:
                continue
            generation = known[parsed.deployment_id]
            if generation is None:
                await self._exhume(parsed.deployment_id)
            elif c.state == "running" or parsed.generation != generation:
                self.nudge(parsed.deployment_id)
        self._strangers = frozenset(
            c.name for c, p in ((c, names[c.name]) for c in listed)
            if p and p.deployment_id not in at_work and p.deployment_id not in known
        )  # fmt: skip

    async def _exhume(self, deployment_id: str) -> None:
        """A create whose answer was lost may land after its deployment was deleted.

        The row says so before anything is removed: of a network alone nobody would know.
        """
        log.warning("a container came late, it is removed deployment=%s", deployment_id)
        async with self._shop.db.transaction() as tx:
            await deployments.exhume(tx, deployment_id)
        self.nudge(deployment_id)

    async def _listen(self) -> None:
        """Turns Podman's events into nudges; a broken stream costs a round, nothing else."""
        while True:
            try:
                async for event in self._shop.runtime.events():
                    parsed = self._parsed(event.container_name)
                    if parsed and event.action in HINTS:
                        self.nudge(parsed.deployment_id)
            except RuntimeFailure as error:
                log.info("events stream ended reason=%s", error)
            self._pulse.suspect()
            await self._shop.clock.sleep(AWAY_ROUND_S)

    async def _fly(self, deployment_id: str, flight: _Flight) -> None:
        wait, patience = Wait(), Patience(f"deployment {deployment_id}")
        while True:
            flight.again = False
            with patience:
                wait = await self._drive(deployment_id, flight.driver)
            if patience.waits:
                await self._shop.clock.sleep(AGAIN_S)
            elif not flight.again:
                break
        del self._flights[deployment_id]
        if wait.until_boot_us is not None:
            self._set_alarm(deployment_id, wait.until_boot_us)

    async def _drive(self, deployment_id: str, driver: Driver) -> Wait:
        """The bulkhead: a defect met with one deployment must not stop the others."""
        try:
            return await driver.run()
        except StoreFailure:
            raise  # no defect of this one: it concerns all
        except Exception:
            # Set aside before anything else, or it would come back at once, for ever.
            log.exception("driver failed deployment=%s errorId=%s", deployment_id, new_id("err"))
            return Wait(self._shop.clock.now().boot_us + SET_ASIDE_US)

    def _set_alarm(self, deployment_id: str, until_boot_us: int) -> None:
        scope = self._alarms[deployment_id] = anyio.CancelScope()
        self._tasks.start_soon(self._ring, deployment_id, until_boot_us, scope)

    async def _ring(self, deployment_id: str, until_boot_us: int, scope: anyio.CancelScope) -> None:
        with scope:
            seconds = (until_boot_us - self._shop.clock.now().boot_us) / 1_000_000
            await self._shop.clock.sleep(max(0.0, seconds))
            if self._alarms.get(deployment_id) is scope:
                self.nudge(deployment_id)
