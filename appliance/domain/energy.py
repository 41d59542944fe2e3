"""Energy of GPUs between two readings, and whose it is."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from appliance.domain.gpu import GpuReading
from appliance.domain.gpu_ledger import Hold

LONGEST_US = 60_000_000
"""A longer gap is not bridged by the last known power: nobody knows what happened in it."""


def spent_mj(before: GpuReading, after: GpuReading, elapsed_us: int) -> int:
    """Millijoules between two readings of one GPU: by its own counter, else by its power.

    The counter starts anew when the driver is loaded.
    """
    if before.energy_mj is not None and after.energy_mj is not None:
        return max(0, after.energy_mj - before.energy_mj)
    if before.power_watts is None or after.power_watts is None or elapsed_us > LONGEST_US:
        return 0
    return round((before.power_watts + after.power_watts) / 2 * elapsed_us / 1000)


def by_holder(spent: Mapping[str, int], holds: Sequence[Hold]) -> Counter[str]:
    """Millijoules by deployment; those who share a GPU share its energy by what they declared."""
    total: Counter[str] = Counter()
    for gpu, energy_mj in spent.items():
        sharing = [hold for hold in holds if hold.gpu == gpu]
        whole = sum(_weight(hold) for hold in sharing)
        for hold in sharing:
            total[hold.deployment_id] += energy_mj * _weight(hold) // whole
    return total


def spent_by_gpu(
    before: Iterable[GpuReading], after: Iterable[GpuReading], elapsed_us: int
) -> dict[str, int]:
    """Millijoules by GPU, of those that are in both surveys."""
    then = {reading.gpu.key: reading for reading in before}
    return {
        now.gpu.key: spent_mj(then[now.gpu.key], now, elapsed_us)
        for now in after
        if now.gpu.key in then
    }


def _weight(hold: Hold) -> int:
    return hold.vram_mb or 1
