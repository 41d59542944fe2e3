"""Marks what runs as still running every few seconds, so that a crash or a power cut costs nobody.

A process that is not there any more is not marked but looked at: this is also how a container
whose supervisor (conmon) was killed is noticed, of which Podman never tells.
"""

import json
from collections.abc import Callable

from appliance.clock import Clock
from appliance.domain.deployment import Process
from appliance.domain.instant import Instant
from appliance.domain.usage import HEARTBEAT_S
from appliance.engine.gpu_watch import GpuWatch
from appliance.engine.reconciler import Reconciler
from appliance.store import events, idempotency, nodes, provisions, reports, usage
from appliance.store.database import Database
from appliance.store.patience import Patience
from appliance.store.usage import Watched

KEEP_EVENTS_US = 30 * 24 * 3600 * 1_000_000
PRUNE_EVERY = 720
"""Beats between two prunings: an hour."""

TRIMS = 20
"""Transactions of a pruning at most, for the next beat waits for them; what is left has time."""


class Heartbeat:
    """One transaction a beat, whatever the number of deployments."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        reconciler: Reconciler,
        gpu_watch: GpuWatch,
        alive: Callable[[Process], bool],
    ) -> None:
        self._db = db
        self._clock = clock
        self._reconciler = reconciler
        self._gpu_watch = gpu_watch
        self._alive = alive

    async def run(self) -> None:
        """Beats until cancelled. The time of one that can't be written is in the next that is."""
        before, beats, patience = self._clock.now(), 0, Patience("the heartbeat")
        while True:
            await self._clock.sleep(HEARTBEAT_S)
            with patience:
                now = self._clock.now()
                await self._beat(before, now)
                before, beats = now, beats + 1
                if beats % PRUNE_EVERY == 0:
                    await self._prune(now)

    async def _beat(self, before: Instant, now: Instant) -> None:
        watched = await usage.watched(self._db)
        lost = {w.deployment_id for w in watched if not self._lives(w)}
        for deployment_id in lost:
            self._reconciler.nudge(deployment_id)
        live = [w.deployment_id for w in watched if w.deployment_id not in lost]
        spent = self._gpu_watch.energy_mj()
        async with self._db.transaction() as tx:
            await nodes.heartbeat(tx, now.boot_us - before.boot_us, now)
            await usage.heartbeat(tx, json.dumps(live), now)
            for deployment_id, energy_mj in spent.items():
                await reports.add_energy(tx, deployment_id, energy_mj, now)
        self._gpu_watch.booked(spent)

    async def _prune(self, now: Instant) -> None:
        async with self._db.transaction() as tx:
            await idempotency.prune(tx, now)
            await events.prune(tx, now.wall_us - KEEP_EVENTS_US)
            await provisions.prune(tx)
        for _ in range(TRIMS):
            async with self._db.transaction() as tx:
                if not await events.trim(tx):
                    return

    def _lives(self, w: Watched) -> bool:
        if w.pid is None or w.start_ticks is None:
            return False
        return self._alive(Process(w.pid, w.start_ticks))
