"""What a running deployment uses now: two readings make a rate."""

from appliance.clock import Clock
from appliance.domain.deployment import Deployment
from appliance.domain.instant import Instant
from appliance.engine.gpus import Gpus
from appliance.engine.views import DeploymentStats
from appliance.runtime.port import ContainerRuntime, ContainerStats

SHORTEST_US = 200_000
"""Two readings closer together than this say nothing about a rate."""

REMEMBERED = 512


class StatsReader:
    """Reads through the port and remembers the last reading of each deployment."""

    def __init__(self, runtime: ContainerRuntime, clock: Clock, gpus: Gpus) -> None:
        self._runtime = runtime
        self._clock = clock
        self._gpus = gpus
        self._last: dict[str, tuple[int, ContainerStats]] = {}

    async def read(self, d: Deployment, container_name: str) -> DeploymentStats | None:
        """Today's figures, None if the container does not run.

        The CPU's share is that since the last reading; the first time, since the start.

        Raises:
            RuntimeFailure: Podman can't tell now.
        """
        reading = await self._runtime.stats(container_name)
        if reading is None:
            return None
        now = self._clock.now()
        started_us = now.boot_us if d.process is None else d.process.started_boot_us
        percent = self._cpu_percent(d.id, reading, now, started_us)
        return DeploymentStats(
            cpu_percent=percent,
            memory_bytes=reading.memory_bytes,
            memory_limit_bytes=reading.memory_limit_bytes,
            network_rx_bytes=reading.network_rx_bytes,
            network_tx_bytes=reading.network_tx_bytes,
            block_read_bytes=reading.block_read_bytes,
            block_write_bytes=reading.block_write_bytes,
            pids=reading.pids,
            uptime_s=max(0, now.boot_us - started_us) // 1_000_000,
            gpus=await self._gpus.used_by(d.id),
        )

    def _cpu_percent(
        self, deployment_id: str, reading: ContainerStats, now: Instant, started_us: int
    ) -> float | None:
        before_us, before = self._last.pop(deployment_id, (started_us, None))
        before_ns = 0 if before is None else before.cpu_ns
        if reading.cpu_ns < before_ns:  # another run of the container
            before_us, before_ns = started_us, 0
        self._remember(deployment_id, now.boot_us, reading)
        elapsed_us = now.boot_us - before_us
        if elapsed_us < SHORTEST_US:
            return None
        return round((reading.cpu_ns - before_ns) / elapsed_us / 10, 1)

    def _remember(self, deployment_id: str, at_us: int, reading: ContainerStats) -> None:
        self._last[deployment_id] = (at_us, reading)
        if len(self._last) > REMEMBERED:
            del self._last[next(iter(self._last))]
