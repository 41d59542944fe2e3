"""The machine's GPUs as the engine deals with them: read, held, waited for."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import anyio

from appliance.clock import Clock
from appliance.domain.deployment import Deployment, Desired
from appliance.domain.gpu import Finding, GpuReading, Survey
from appliance.domain.gpu_ledger import Card, Hold, Place, settle
from appliance.domain.observed import Container, ContainerState, GpuView
from appliance.engine import views
from appliance.runtime.port import ContainerRuntime
from appliance.runtime.threads import run_in_daemon
from appliance.store import gpus
from appliance.store.database import Database

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


class Gpus:
    """Knows the GPUs, hands them out and takes them back. ``nudge`` wakes who was served."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        runtime: ContainerRuntime,
        source: GpuSource,
        nudge: Callable[[str], None],
    ) -> None:
        self._db = db
        self._clock = clock
        self._runtime = runtime
        self._source = source
        self._nudge = nudge
        self._survey = Survey()
        self._surveyed_us: int | None = None
        self._surveying = anyio.Lock()
        self._places: dict[str, Place] = {}

    @property
    def survey(self) -> Survey:
        """The GPUs as last read."""
        return self._survey

    def place(self, deployment_id: str) -> Place | None:
        """Where in line it stands now, None if it does not."""
        return self._places.get(deployment_id)

    async def run(self) -> None:
        """Reads the GPUs again and again, until cancelled; serves the line where they changed."""
        while True:
            before = _cards(self._survey, ())
            await self.look(older_than_us=0)
            if _cards(self._survey, ()) != before:
                await self.serve()
            await self._clock.sleep(SURVEY_EVERY_S)

    async def look(self, *, older_than_us: int = FRESH_US) -> None:
        """Reads the GPUs, unless that was done just now."""
        async with self._surveying:
            now_us = self._clock.now().boot_us
            if self._surveyed_us is not None and now_us - self._surveyed_us < older_than_us:
                return
            self._tell(await self._read())
            self._surveyed_us = self._clock.now().boot_us

    async def view(self, d: Deployment, c: Container | None) -> GpuView:
        """What ``plan()`` may know of the GPUs for a deployment whose container is ``c``.

        Raises:
            RuntimeFailure: the container can't be looked into now.
        """
        if d.spec.resources.gpu_need is None or d.desired is not Desired.RUNNING:
            return GpuView()
        held = await gpus.held_by(self._db, d.id)
        if not held:
            return GpuView(held=None, place=self.place(d.id))
        if c is not None and c.state is ContainerState.RUNNING:
            return GpuView(held=held, missing=await self._missing(c, held))
        await self.look()
        return GpuView(held=held, lost=self._lost(held))

    async def claim(self, deployment_id: str) -> None:
        """Gets a deployment into the line, if it is not, and serves the line."""
        await self.look()
        async with self._db.transaction() as tx:
            await gpus.join(tx, deployment_id)
        await self.serve()

    async def serve(self) -> None:
        """Gives what is free to those in line, in one transaction, and wakes them."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            kept = await gpus.holds_now(tx)
            cards = _cards(self._survey, [k.hold for k in kept])
            settlement = settle(cards, (k.hold for k in kept), await gpus.line(tx))
            devices = {r.gpu.key: r.device for r in self._survey.readings if r.device}
            await gpus.take(tx, settlement.grants, devices, now)
        before, self._places = self._places, dict(settlement.places)
        for deployment_id in {hold.deployment_id for hold in settlement.grants}:
            self._nudge(deployment_id)
        for deployment_id in _news(before, self._places):
            self._nudge(deployment_id)

    async def shown(self) -> tuple[views.GpuView, ...]:
        """Every GPU as last read, and who holds it."""
        holds = [kept.hold for kept in await gpus.holds(self._db)]
        return tuple(
            views.GpuView(reading, tuple(h for h in holds if h.gpu == reading.gpu.key))
            for reading in self._survey.readings
        )

    async def _missing(self, c: Container, held: Sequence[str]) -> tuple[str, ...]:
        paths = [path for device in held for path in self._source.paths(device)]
        return await self._runtime.missing_devices(c.name, paths)

    def _lost(self, held: Iterable[str]) -> str | None:
        known = {reading.device for reading in self._survey.readings}
        gone = [device for device in held if device not in known]
        return f"{', '.join(gone)} is not on this machine now" if gone else None

    async def _read(self) -> Survey:
        survey = None
        with anyio.move_on_after(SURVEY_S):
            survey = await run_in_daemon(self._source.survey)
        return survey or Survey(self._survey.readings, (HUNG,))

    def _tell(self, survey: Survey) -> None:
        """Remembers a survey, and logs what is new in it."""
        for finding in set(survey.findings) - set(self._survey.findings):
            log.warning("%s %s", finding.what, finding.why)
        before, after = _names(self._survey), _names(survey)
        if before != after:
            log.info("gpus found=%s", ", ".join(after) or "none")
        self._survey = survey


def _cards(survey: Survey, holds: Sequence[Hold]) -> list[Card]:  # noqa: ARG001 - used once memory is told apart
    return [
        Card(r.gpu.key, r.gpu.index, r.gpu.vram_mb, assignable=r.device is not None)
        for r in survey.readings
    ]


def _names(survey: Survey) -> list[str]:
    return [_name(reading) for reading in survey.readings]


def _name(reading: GpuReading) -> str:
    return f"{reading.gpu.index}:{reading.gpu.name or reading.gpu.key}"


def _news(before: dict[str, Place], after: dict[str, Place]) -> Iterable[str]:
    """Whose reason to wait is another than before; the number in line alone is no news."""
    for deployment_id, place in after.items():
        then = before.get(deployment_id)
        if then is not None and (then.why, then.hopeless) != (place.why, place.hopeless):
            yield deployment_id
