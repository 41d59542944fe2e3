"""Whose memory lies on a GPU: what the driver tells by process, told by deployment."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from appliance.domain.gpu import GpuReading

LEAK_GRACE_US = 10_000_000
"""What a deployment leaves behind is a leak once it was gone for so long: drivers clean up late."""

LEAST_LEAK_MB = 64
"""Less than that is the driver's own to and fro."""


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """The memory in use on one GPU, in MiB.

    ``own`` by deployment, None where the driver does not tell how much a process has; ``foreign``
    is that of processes no deployment answers for; ``unexplained`` is in use, but by no process.
    """

    own: Mapping[str, int | None] = field(default_factory=dict)
    foreign_mb: int = 0
    unexplained_mb: int = 0


@dataclass(frozen=True, slots=True)
class Parting:
    """A GPU as a deployment left it: what it had there, and what was unexplained already."""

    deployment_id: str
    gpu: str
    left_boot_us: int
    had_mb: int
    unexplained_mb: int

    def overdue(self, now_boot_us: int) -> bool:
        """Whether all of it should be gone by now."""
        return now_boot_us - self.left_boot_us >= LEAK_GRACE_US


def memory_of(reading: GpuReading, owner_of: Callable[[int], str | None]) -> GpuMemory:
    """Whose memory it is; ``owner_of`` names the deployment that a process belongs to."""
    own: dict[str, int | None] = {}
    foreign_mb, told_mb, untold_foreign = 0, 0, False
    for process in reading.processes:
        owner, used = owner_of(process.pid), process.vram_mb
        told_mb += used or 0
        if owner is None:
            foreign_mb += used or 0
            untold_foreign |= used is None
        else:
            before = own.get(owner, 0)
            own[owner] = None if used is None or before is None else before + used
    rest_mb = max(0, (reading.vram_used_mb or 0) - told_mb)
    if untold_foreign:
        return GpuMemory(own, foreign_mb + rest_mb)
    return GpuMemory(own, foreign_mb, rest_mb)


def leaks(partings: Iterable[Parting], memory: Mapping[str, GpuMemory], now_boot_us: int) -> dict[
    tuple[str, str], int
]:  # fmt: skip
    """MiB that did not come back, by (deployment, GPU): in use without a process, or by one of its.

    A leak is never more than the deployment had: the rest is somebody else's.
    """
    found: dict[tuple[str, str], int] = {}
    for parting in partings:
        on_card = memory.get(parting.gpu)
        if on_card is None or not parting.overdue(now_boot_us):
            continue
        still_mb = on_card.own.get(parting.deployment_id) or 0
        grown_mb = max(0, on_card.unexplained_mb - parting.unexplained_mb)
        leaked_mb = min(parting.had_mb, still_mb + grown_mb)
        if leaked_mb >= LEAST_LEAK_MB:
            found[parting.deployment_id, parting.gpu] = leaked_mb
    return found
