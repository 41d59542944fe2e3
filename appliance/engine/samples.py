"""What each deployment used over the last hour: one reading of all of them a tick, in memory.

Charts need no more, and a restart of the appliance may forget it. One question to Podman answers
for every container (31 ms for a hundred, measured); where nothing runs none is asked. Requests
are the front door's own count.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from appliance.clock import Clock
from appliance.domain.errors import NotFound, RuntimeFailure
from appliance.domain.instant import Instant, from_us
from appliance.domain.observed import ContainerName
from appliance.domain.permissions import Principal
from appliance.engine.activity import Activity, Traffic
from appliance.runtime.port import ContainerRuntime, ContainerStats
from appliance.store import deployments
from appliance.store.database import Database
from appliance.store.patience import Patience

TICK_S = 15
KEPT = 3600 // TICK_S
HOUR_US = 3600 * 1_000_000
FAILED = 5
"""The class of the statuses that say: the server's fault."""

UNASKED = Traffic()


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment. The rates are those since the sample before; None: there is none to compare.

    ``requests_per_s`` came through the front door, ``failures_per_s`` were answered with 5xx.
    """

    at_us: int
    memory_bytes: int
    cpu_percent: float | None = None
    network_rx_bytes_per_s: int | None = None
    network_tx_bytes_per_s: int | None = None
    requests_per_s: float | None = None
    failures_per_s: float | None = None

    @property
    def at(self) -> datetime:
        """When, aware UTC."""
        return from_us(self.at_us)


@dataclass(frozen=True, slots=True)
class _Reading:
    container: str
    boot_us: int
    stats: ContainerStats
    requests: int
    failures: int


class Samples:
    """Takes them and shows them. ``prefix`` begins every container name."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        runtime: ContainerRuntime,
        activity: Activity,
        prefix: str,
    ) -> None:
        self._db = db
        self._clock = clock
        self._runtime = runtime
        self._activity = activity
        self._prefix = prefix
        self._kept: dict[str, deque[Sample]] = {}
        self._last: dict[str, _Reading] = {}

    async def run(self) -> None:
        """Takes a sample of each every tick, until cancelled."""
        patience = Patience("the samples")
        while True:
            await self._clock.sleep(TICK_S)
            with patience:
                await self.take()

    async def take(self) -> None:
        """One tick; while Podman is away it leaves a gap."""
        rows = await deployments.expected(self._db)
        self._forget(self._clock.now())
        if not rows:
            return
        try:
            stats = await self._runtime.all_stats()
        except RuntimeFailure:
            return
        now = self._clock.now()
        for row in rows:
            name = str(ContainerName(self._prefix, row.id, row.generation))
            if name in stats:
                asked = self._activity.all().get(row.id, UNASKED)
                counts = asked.requests, asked.answers[FAILED]
                self._add(row.id, _Reading(name, now.boot_us, stats[name], *counts), now)

    async def of(
        self, caller: Principal, deployment_id: str, since: datetime | None
    ) -> Sequence[Sample]:
        """The samples of the last hour at or after ``since``, oldest first.

        Raises:
            NotFound: there is no deployment of that id that the caller may see.
        """
        now = self._clock.now()
        if await deployments.find(self._db, deployment_id, caller.sees, now) is None:
            raise NotFound(f"no deployment {deployment_id}")
        kept = self._kept.get(deployment_id, ())
        return [s for s in kept if since is None or s.at >= since]

    def _add(self, deployment_id: str, reading: _Reading, now: Instant) -> None:
        before = self._last.get(deployment_id)
        self._last[deployment_id] = reading
        kept = self._kept.setdefault(deployment_id, deque(maxlen=KEPT))
        kept.append(_sample(before, reading, now))

    def _forget(self, now: Instant) -> None:
        """What is older than an hour, and deployments of which nothing else is left."""
        for deployment_id, kept in list(self._kept.items()):
            while kept and kept[0].at_us < now.wall_us - HOUR_US:
                kept.popleft()
            if not kept:
                del self._kept[deployment_id]
                self._last.pop(deployment_id, None)


def _sample(before: _Reading | None, reading: _Reading, now: Instant) -> Sample:
    first = Sample(now.wall_us, reading.stats.memory_bytes)
    if before is None or reading.boot_us <= before.boot_us:
        return first
    elapsed_us = reading.boot_us - before.boot_us
    asked = replace(
        first,
        requests_per_s=_count_rate(before.requests, reading.requests, elapsed_us),
        failures_per_s=_count_rate(before.failures, reading.failures, elapsed_us),
    )
    past, stats = before.stats, reading.stats
    if before.container != reading.container or stats.cpu_ns < past.cpu_ns:
        return asked  # another container, or another run of it
    return replace(
        asked,
        cpu_percent=round((stats.cpu_ns - past.cpu_ns) / elapsed_us / 10, 1),
        network_rx_bytes_per_s=_rate(past.network_rx_bytes, stats.network_rx_bytes, elapsed_us),
        network_tx_bytes_per_s=_rate(past.network_tx_bytes, stats.network_tx_bytes, elapsed_us),
    )


def _count_rate(before: int, after: int, elapsed_us: int) -> float:
    return round((after - before) * 1_000_000 / elapsed_us, 2)


def _rate(before: int | None, after: int | None, elapsed_us: int) -> int | None:
    if before is None or after is None or after < before:
        return None
    return (after - before) * 1_000_000 // elapsed_us
