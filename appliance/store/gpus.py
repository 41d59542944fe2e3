"""GPUs held by deployments, and the line of those who wait for some."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.domain.deployment import GpuNeed
from appliance.domain.gpu_ledger import Hold, Loan, Waiting
from appliance.domain.instant import Instant
from appliance.store.database import Database, Row, Transaction
from appliance.store.specs import load_spec


@dataclass(frozen=True, slots=True)
class KeptHold:
    """A hold on record, and whose it is. ``leaving``: it is not wanted to run any more."""

    hold: Hold
    owner_id: str
    leaving: bool
    loan: Loan | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """All that one deployment holds: the CDI names of its GPUs, in a lasting order."""

    devices: tuple[str, ...] = ()
    loan: Loan | None = None


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

SELECT_HELD_BY = """
SELECT device, loan FROM gpu_hold WHERE deployment_id = :deployment_id ORDER BY gpu
"""

SELECT_LENDERS = "SELECT DISTINCT deployment_id FROM gpu_hold WHERE loan IS NOT NULL"

JOIN = """
INSERT INTO gpu_line (deployment_id) SELECT :deployment_id
WHERE NOT EXISTS (
    SELECT 1 FROM gpu_hold WHERE deployment_id = :deployment_id AND loan IS NOT 'lent'
)
ON CONFLICT (deployment_id) DO NOTHING
"""

TAKE = """
INSERT INTO gpu_hold (deployment_id, gpu, device, exclusive, vram_mb, since_us)
VALUES (:deployment_id, :gpu, :device, :exclusive, :vram_mb, :now_us)
"""

LEND = """
UPDATE gpu_hold SET loan = 'lent', unheard = 1
WHERE deployment_id = :deployment_id AND exclusive = 0
AND EXISTS (
    SELECT 1 FROM deployment WHERE id = :deployment_id AND desired = 'running'
    AND status = 'running' AND intent = observed_intent AND next_spec IS NULL
)
RETURNING gpu
"""

RETURN = """
UPDATE gpu_hold SET loan = 'returned'
WHERE deployment_id = :deployment_id AND gpu = :gpu AND loan = 'lent'
RETURNING gpu
"""

ASK_BACK = """
UPDATE gpu_hold SET unheard = 1
WHERE deployment_id = :deployment_id AND loan = 'returned' AND unheard = 0
RETURNING gpu
"""

HEARD = "UPDATE gpu_hold SET unheard = 0 WHERE deployment_id = :deployment_id AND unheard = 1"

END_LOAN = """
UPDATE gpu_hold SET loan = NULL, unheard = 0
WHERE deployment_id = :deployment_id AND loan = 'returned'
RETURNING gpu
"""

REMEMBER = """
INSERT INTO gpu_last (deployment_id, gpus)
SELECT deployment_id, json_group_array(gpu) FROM gpu_hold WHERE deployment_id = :deployment_id
GROUP BY deployment_id
ON CONFLICT (deployment_id) DO UPDATE SET gpus = excluded.gpus
"""

LEAVE = "DELETE FROM gpu_line WHERE deployment_id = :deployment_id"

RELEASE = "DELETE FROM gpu_hold WHERE deployment_id = :deployment_id RETURNING gpu"

SELECT_LENT = "SELECT 1 FROM gpu_hold WHERE deployment_id = :deployment_id AND loan = 'lent'"


async def join(tx: Transaction, deployment_id: str) -> None:
    """Puts a deployment at the end of the line, unless it stands there or holds what it needs."""
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


async def held_by(db: Database, deployment_id: str) -> Held:
    """What a deployment holds."""
    rows = await db.look_up(SELECT_HELD_BY, {"deployment_id": deployment_id})
    return Held(tuple(row["device"] for row in rows), _loan(rows[0]) if rows else None)


async def lenders(db: Database) -> list[str]:
    """Those who have lent their share, or have yet to take it back."""
    return [row["deployment_id"] for row in await db.read(SELECT_LENDERS)]


async def lend(tx: Transaction, deployment_id: str) -> bool:
    """Lets others have the share of a deployment, and notes the command that is to be sent for it.

    False: it does not just run, or holds alone.
    """
    return bool(await tx.execute(LEND, {"deployment_id": deployment_id}))


async def ask_back(tx: Transaction, deployment_id: str) -> bool:
    """Notes the command that is to be sent to take the memory back; False: one before may yet run.

    A loan ends with its process, and so does what is noted here.
    """
    return bool(await tx.execute(ASK_BACK, {"deployment_id": deployment_id}))


async def heard(tx: Transaction, deployment_id: str) -> None:
    """The command that was noted last is done, or was not begun: there is nothing to come of it."""
    await tx.execute(HEARD, {"deployment_id": deployment_id})


async def end_loan(tx: Transaction, deployment_id: str) -> bool:
    """It uses again what was returned to it; False: nothing was."""
    return bool(await tx.execute(END_LOAN, {"deployment_id": deployment_id}))


async def process_ended(tx: Transaction, deployment_id: str) -> list[str]:
    """A loan is one process's: the next begins with the whole share, or waits for it in line.

    The GPUs that it does not hold any more; its place in line it keeps.
    """
    if await tx.execute(SELECT_LENT, {"deployment_id": deployment_id}):
        return await _give_back(tx, deployment_id)
    await end_loan(tx, deployment_id)
    return []


async def take(
    tx: Transaction, grants: Sequence[Hold], devices: Mapping[str, str], now: Instant
) -> None:
    """Writes holds; who has got one leaves the line. A GPU held twice is a constraint error.

    To who had lent its share it is returned.
    """
    for hold in grants:
        place = {"deployment_id": hold.deployment_id}
        await tx.execute(LEAVE, place)
        if await tx.execute(RETURN, {**place, "gpu": hold.gpu}):
            continue
        parameters = {
            **place,
            "gpu": hold.gpu,
            "device": devices[hold.gpu],
            "exclusive": int(hold.exclusive),
            "vram_mb": hold.vram_mb,
            "now_us": now.wall_us,
        }
        await tx.execute(TAKE, parameters)


async def release(tx: Transaction, deployment_id: str) -> list[str]:
    """Gives back what a deployment holds, and its place in line; the GPUs it held."""
    await tx.execute(LEAVE, {"deployment_id": deployment_id})
    return await _give_back(tx, deployment_id)


async def _give_back(tx: Transaction, deployment_id: str) -> list[str]:
    await tx.execute(REMEMBER, {"deployment_id": deployment_id})
    rows = await tx.execute(RELEASE, {"deployment_id": deployment_id})
    return [row["gpu"] for row in rows]


def _in_line(row: Row) -> Waiting:
    need = load_spec(row["spec"]).resources.gpu_need
    held = () if row["gpus"] is None else tuple(json.loads(row["gpus"]))
    return Waiting(row["deployment_id"], need or GpuNeed(0), held)


def _hold(row: Row) -> KeptHold:
    hold = Hold(row["deployment_id"], row["gpu"], bool(row["exclusive"]), row["vram_mb"])
    return KeptHold(hold, row["owner_id"], bool(row["leaving"]), _loan(row))


def _loan(row: Row) -> Loan | None:
    return None if row["loan"] is None else Loan(row["loan"])
