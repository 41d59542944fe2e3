"""GPUs held by deployments, and the line of those who wait for some."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.domain.deployment import GpuNeed
from appliance.domain.gpu_ledger import Hold, Waiting
from appliance.domain.instant import Instant
from appliance.store.database import Database, Row, Transaction
from appliance.store.specs import load_spec


@dataclass(frozen=True, slots=True)
class KeptHold:
    """A hold on record, and whose it is. ``leaving``: it is not wanted to run any more."""

    hold: Hold
    owner_id: str
    leaving: bool


# Only those who want to run now: somebody who was stopped or deleted keeps nobody waiting, even
# before its driver has come round to take it out of the line.
SELECT_LINE = """
SELECT d.id AS deployment_id, d.spec, p.gpus
FROM gpu_line CROSS JOIN deployment d ON d.id = gpu_line.deployment_id
LEFT JOIN gpu_last p ON p.deployment_id = d.id
WHERE d.desired = 'running' ORDER BY gpu_line.seq
"""

SELECT_HOLDS = """
SELECT gpu_hold.*, d.owner_id, d.desired <> 'running' AS leaving
FROM gpu_hold CROSS JOIN deployment d ON d.id = deployment_id
ORDER BY since_us, deployment_id, gpu
"""

SELECT_HELD_BY = "SELECT device FROM gpu_hold WHERE deployment_id = :deployment_id ORDER BY gpu"

JOIN = """
INSERT INTO gpu_line (deployment_id) SELECT :deployment_id
WHERE NOT EXISTS (SELECT 1 FROM gpu_hold WHERE deployment_id = :deployment_id)
ON CONFLICT (deployment_id) DO NOTHING
"""

TAKE = """
INSERT INTO gpu_hold (deployment_id, gpu, device, exclusive, vram_mb, since_us)
VALUES (:deployment_id, :gpu, :device, :exclusive, :vram_mb, :now_us)
"""

REMEMBER = """
INSERT INTO gpu_last (deployment_id, gpus)
SELECT deployment_id, json_group_array(gpu) FROM gpu_hold WHERE deployment_id = :deployment_id
GROUP BY deployment_id
ON CONFLICT (deployment_id) DO UPDATE SET gpus = excluded.gpus
"""

LEAVE = "DELETE FROM gpu_line WHERE deployment_id = :deployment_id"

RELEASE = "DELETE FROM gpu_hold WHERE deployment_id = :deployment_id RETURNING gpu"


async def join(tx: Transaction, deployment_id: str) -> None:
    """Puts a deployment at the end of the line, unless it holds GPUs or stands there already."""
    await tx.execute(JOIN, {"deployment_id": deployment_id})


async def line(tx: Transaction) -> list[Waiting]:
    """Everybody in line who wants to run, the first first."""
    return [_in_line(row) for row in await tx.execute(SELECT_LINE)]


async def holds_now(tx: Transaction) -> list[KeptHold]:
    """Every hold, as the transaction sees it."""
    return [_hold(row) for row in await tx.execute(SELECT_HOLDS)]


async def holds(db: Database) -> list[KeptHold]:
    """Every hold as of the last commit."""
    return [_hold(row) for row in await db.look_up(SELECT_HOLDS)]


async def held_by(db: Database, deployment_id: str) -> tuple[str, ...]:
    """The CDI names of the GPUs a deployment holds, in a lasting order."""
    rows = await db.look_up(SELECT_HELD_BY, {"deployment_id": deployment_id})
    return tuple(row["device"] for row in rows)


async def take(
    tx: Transaction, grants: Sequence[Hold], devices: Mapping[str, str], now: Instant
) -> None:
    """Writes holds; who has got one leaves the line. A GPU held twice is a constraint error."""
    for hold in grants:
        parameters = {
            "deployment_id": hold.deployment_id,
            "gpu": hold.gpu,
            "device": devices[hold.gpu],
            "exclusive": int(hold.exclusive),
            "vram_mb": hold.vram_mb,
            "now_us": now.wall_us,
        }
        await tx.execute(TAKE, parameters)
        await tx.execute(LEAVE, {"deployment_id": hold.deployment_id})


async def release(tx: Transaction, deployment_id: str) -> list[str]:
    """Gives back what a deployment holds, and its place in line; the GPUs it held."""
    await tx.execute(REMEMBER, {"deployment_id": deployment_id})
    await tx.execute(LEAVE, {"deployment_id": deployment_id})
    rows = await tx.execute(RELEASE, {"deployment_id": deployment_id})
    return [row["gpu"] for row in rows]


def _in_line(row: Row) -> Waiting:
    need = load_spec(row["spec"]).resources.gpu_need
    held = () if row["gpus"] is None else tuple(json.loads(row["gpus"]))
    return Waiting(row["deployment_id"], need or GpuNeed(0), held)


def _hold(row: Row) -> KeptHold:
    hold = Hold(row["deployment_id"], row["gpu"], bool(row["exclusive"]), row["vram_mb"])
    return KeptHold(hold, row["owner_id"], bool(row["leaving"]))
