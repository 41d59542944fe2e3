"""What must hold of the GPUs on record, however they got there."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from appliance.domain.gpu_ledger import Hold


def overbooked(holds: Iterable[Hold], sizes_mb: Mapping[str, int]) -> list[str]:
    """The GPUs held by two of whom one has it alone, or of which more is promised than it has."""
    by_gpu: dict[str, list[Hold]] = defaultdict(list)
    for hold in holds:
        by_gpu[hold.gpu].append(hold)
    return [
        gpu
        for gpu, its in by_gpu.items()
        if (len(its) > 1 and any(hold.exclusive for hold in its))
        or sum(hold.vram_mb or 0 for hold in its) > sizes_mb[gpu]
    ]
