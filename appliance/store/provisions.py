"""Which values of a template's parameters are done in which container."""

from appliance.domain.instant import Instant
from appliance.store.database import Database, Transaction

SELECT_DONE = "SELECT parameter, value FROM provision WHERE container_id = :container_id"

RECORD = """
INSERT INTO provision (container_id, parameter, value, done_us)
VALUES (:container_id, :parameter, :value, :now_us)
ON CONFLICT DO NOTHING
"""

PRUNE = """
DELETE FROM provision WHERE NOT EXISTS (
    SELECT 1 FROM deployment d
    WHERE d.container_id = provision.container_id AND d.deleted_us IS NULL
)
"""


async def done(db: Database, container_id: str) -> frozenset[tuple[str, str]]:
    """The (parameter, value) pairs that need not be run again in that container."""
    rows = await db.read(SELECT_DONE, {"container_id": container_id})
    return frozenset((row["parameter"], row["value"]) for row in rows)


async def record(db: Database, container_id: str, parameter: str, value: str, now: Instant) -> None:
    """Notes a value as done."""
    parameters = {
        "container_id": container_id,
        "parameter": parameter,
        "value": value,
        "now_us": now.wall_us,
    }
    async with db.transaction() as tx:
        await tx.execute(RECORD, parameters)


async def prune(tx: Transaction) -> None:
    """Forgets containers that are no deployment's any more: they are gone, or about to go."""
    await tx.execute(PRUNE)
