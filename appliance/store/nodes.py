"""This machine as a row: the id it keeps for life, and how long the appliance has been up."""

from dataclasses import dataclass

from appliance.domain.ids import new_id
from appliance.domain.instant import Instant
from appliance.store.database import Database, Row, Transaction


@dataclass(frozen=True, slots=True)
class NodeRow:
    """``up_us`` of the time since ``created_us`` the appliance was up, by its heartbeats."""

    id: str
    created_us: int
    heartbeat_us: int
    up_us: int


REGISTER = """
INSERT INTO node (id, created_us, heartbeat_us)
SELECT :id, :now_us, :now_us WHERE NOT EXISTS (SELECT 1 FROM node)
"""

SELECT = "SELECT * FROM node"

# The first one of all also counts the start before it, from the registration on.
HEARTBEAT = """
UPDATE node SET heartbeat_us = :now_us, up_us = CASE up_us
    WHEN 0 THEN max(:elapsed_us, :now_us - created_us) ELSE up_us + :elapsed_us END
"""


async def register(db: Database, now: Instant) -> NodeRow:
    """The machine's row, made at the first start."""
    async with db.transaction() as tx:
        await tx.execute(REGISTER, {"id": new_id("node"), "now_us": now.wall_us})
        [row] = await tx.execute(SELECT)
    return _node(row)


async def current(db: Database) -> NodeRow:
    """The machine's row as of the last heartbeat."""
    [row] = await db.read(SELECT)
    return _node(row)


async def heartbeat(tx: Transaction, elapsed_us: int, now: Instant) -> None:
    """Notes that the appliance was up for ``elapsed_us`` more, until now."""
    await tx.execute(HEARTBEAT, {"now_us": now.wall_us, "elapsed_us": elapsed_us})


def _node(row: Row) -> NodeRow:
    return NodeRow(row["id"], row["created_us"], row["heartbeat_us"], row["up_us"])
