"""Looks at the GPUs again and again: what there is, whose memory lies there, what they spend."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Protocol

import anyio

from appliance.clock import Clock
from appliance.domain import energy
from appliance.domain.gpu import Finding, Survey
from appliance.domain.gpu_ledger import Card, Hold
from appliance.domain.gpu_memory import GpuMemory, Parting, leaks, memory_of
from appliance.runtime.process import container_of
from appliance.runtime.threads import run_in_daemon
from appliance.store import deployments, gpus
from appliance.store.database import Database
from appliance.store.patience import Patience

SURVEY_EVERY_S = 5.0
SURVEY_S = 10.0
"""A driver that hangs is left alone for that long, then told as a finding."""

FRESH_US = 1_000_000
"""A survey as young as this is good enough to start on."""

HUNG = Finding(
    "gpu_driver_hangs",
    f"The GPU driver has not answered for {SURVEY_S:.0f} s.",
    "GPUs are shown and given as they were last seen.",
    "nvidia-smi",
)

log = logging.getLogger(__name__)


class GpuSource(Protocol):
    """Looks at the machine; ``survey`` blocks and never raises."""

    def survey(self) -> Survey:
        """Every GPU and finding of this moment."""

    def paths(self, device: str) -> tuple[str, ...]:
        """Where in a container the device nodes of a CDI name appear."""


@dataclass(frozen=True, slots=True)
class GpuState:
    """All that was last seen. ``leaked``: MiB by (deployment, GPU) that did not come back."""

    survey: Survey = field(default_factory=Survey)
    memory: Mapping[str, GpuMemory] = field(default_factory=dict)
    leaked: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def cards(self) -> list[Card]:
        """The GPUs as the ledger sees them."""
        return [
            Card(r.gpu.key, r.gpu.index, r.gpu.vram_mb, self._taken_mb(r.gpu.key), bool(r.device))
            for r in self.survey.readings
        ]

    def _taken_mb(self, gpu: str) -> int:
        leaked_mb = sum(mb for (_, on), mb in self.leaked.items() if on == gpu)
        return self.memory[gpu].foreign_mb + leaked_mb


class GpuWatch:
    """The one that asks the driver. ``state`` is replaced as a whole, never changed."""

    def __init__(self, db: Database, clock: Clock, source: GpuSource) -> None:
        self._db = db
        self._clock = clock
        self._source = source
        self._seen_us: int | None = None
        self._looking = anyio.Lock()
        self._asking = Lock()
        self._had: dict[tuple[str, str], Parting] = {}
        self._partings: dict[tuple[str, str], Parting] = {}
        self._spent_mj: Counter[str] = Counter()
        self.state = GpuState()

    def paths(self, device: str) -> tuple[str, ...]:
        """Where in a container the nodes of a CDI name appear."""
        return self._source.paths(device)

    async def run(self, changed: Callable[[], Awaitable[None]], due: Callable[[], bool]) -> None:
        """Looks until cancelled; tells ``changed`` of more or less to give, or when it is due."""
        patience = Patience("the look at the GPUs")
        while True:
            with patience:
                before = self.state
                await self.look(older_than_us=0)
                news = self.state.memory != before.memory or self.state.cards() != before.cards()
                if news or due():
                    await changed()
            await self._clock.sleep(SURVEY_EVERY_S)

    async def look(self, *, older_than_us: int = FRESH_US) -> None:
        """Asks the driver, unless that was done just now."""
        async with self._looking:
            now_us = self._clock.now().boot_us
            if self._seen_us is not None and now_us - self._seen_us < older_than_us:
                return
            with anyio.move_on_after(SURVEY_S):
                seen = await run_in_daemon(self._survey)
                if seen is not None:
                    await self._take_in(*seen)
                    return
            hung = Survey(self.state.survey.readings, (HUNG,))
            self._tell(hung, self.state.leaked)
            self.state = replace(self.state, survey=hung)

    def parted(self, deployment_id: str, held: Iterable[str]) -> None:
        """A deployment gave its GPUs back: from now on its memory should be gone from them."""
        for key in [(deployment_id, gpu) for gpu in held]:
            if (had := self._had.pop(key, None)) is not None:
                self._partings[key] = replace(had, left_boot_us=self._clock.now().boot_us)

    def energy_mj(self) -> Counter[str]:
        """Millijoules by deployment that were not booked yet."""
        return self._spent_mj.copy()

    def booked(self, energy_mj: Counter[str]) -> None:
        """So much is on record now."""
        self._spent_mj -= energy_mj

    def _survey(self) -> tuple[Survey, Mapping[int, str]] | None:
        """The survey, and the containers of the processes in it; None: the last one still hangs."""
        if not self._asking.acquire(blocking=False):
            return None
        try:
            survey = self._source.survey()
        finally:
            self._asking.release()
        pids = {process.pid for reading in survey.readings for process in reading.processes}
        found = ((pid, container_of(pid)) for pid in pids)
        return survey, {pid: container for pid, container in found if container is not None}

    async def _take_in(self, survey: Survey, containers: Mapping[int, str]) -> None:
        now_us = self._clock.now().boot_us
        known = await deployments.of_containers(self._db, sorted(set(containers.values())))
        owners = {pid: known[c] for pid, c in containers.items() if c in known}
        memory = {r.gpu.key: memory_of(r, owners.get) for r in survey.readings}
        held = [kept.hold for kept in await gpus.holds(self._db)] if survey.readings else []
        self._charge(survey, held, now_us)
        leaked = self._left_behind(memory, held, now_us)
        self._tell(survey, leaked)
        self.state = GpuState(survey, memory, leaked)
        self._seen_us = now_us

    def _charge(self, survey: Survey, held: Sequence[Hold], now_us: int) -> None:
        if self._seen_us is not None:
            before = self.state.survey.readings
            spent = energy.spent_by_gpu(before, survey.readings, now_us - self._seen_us)
            self._spent_mj += energy.by_holder(spent, held)

    def _left_behind(
        self, memory: Mapping[str, GpuMemory], held: Sequence[Hold], now_us: int
    ) -> dict[tuple[str, str], int]:
        """What those who left did not take along; notes what the holders have, for their day.

        A parting stays for as long as something is left, and ends when its deployment returns.
        """
        for hold in held:
            key, on_card = (hold.deployment_id, hold.gpu), memory.get(hold.gpu)
            self._partings.pop(key, None)
            if on_card is not None and (had_mb := on_card.own.get(hold.deployment_id)):
                self._had[key] = Parting(*key, now_us, had_mb, on_card.unexplained_mb)
        left = leaks(self._partings.values(), memory, now_us)
        self._partings = {
            key: parting
            for key, parting in self._partings.items()
            if key in left or not parting.overdue(now_us)
        }
        return left

    def _tell(self, survey: Survey, leaked: Mapping[tuple[str, str], int]) -> None:
        """Logs what is new."""
        for finding in set(survey.findings) - set(self.state.survey.findings):
            log.warning("%s %s", finding.what, finding.why)
        for deployment_id, gpu in leaked.keys() - self.state.leaked.keys():
            log.warning("memory left on a gpu deployment=%s gpu=%s", deployment_id, gpu)
        before, after = _names(self.state.survey), _names(survey)
        if before != after:
            log.info("gpus found=%s", ", ".join(after) or "none")


def _names(survey: Survey) -> list[str]:
    return [f"{r.gpu.index}:{r.gpu.name or r.gpu.key}" for r in survey.readings]
