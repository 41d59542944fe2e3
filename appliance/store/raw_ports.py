"""Which port of this machine leads to which raw port of which deployment."""

from dataclasses import dataclass

from appliance.store.database import Database, Row, Transaction


@dataclass(frozen=True, slots=True)
class RawPort:
    """A reservation: ``host_port`` of this machine for ``port`` of the deployment."""

    host_port: int
    deployment_id: str
    port: int


INSERT = """
INSERT INTO raw_port (host_port, deployment_id, port) VALUES (:host_port, :deployment_id, :port)
"""

SELECT_ALL = "SELECT * FROM raw_port ORDER BY host_port"

MOVE = """
UPDATE raw_port SET host_port = :after
WHERE host_port = :before AND deployment_id = :deployment_id
RETURNING *
"""

DELETE = "DELETE FROM raw_port WHERE deployment_id = :deployment_id"

DELETE_ONE = """
DELETE FROM raw_port WHERE host_port = :host_port AND deployment_id = :deployment_id
"""


async def insert(tx: Transaction, reserved: RawPort) -> None:
    """Writes a reservation of a port that nobody has."""
    parameters = {
        "host_port": reserved.host_port,
        "deployment_id": reserved.deployment_id,
        "port": reserved.port,
    }
    await tx.execute(INSERT, parameters)


async def every(tx: Transaction) -> list[RawPort]:
    """All reservations, as they are until the transaction ends."""
    return [_raw_port(row) for row in await tx.execute(SELECT_ALL)]


async def load(db: Database) -> list[RawPort]:
    """All reservations."""
    return [_raw_port(row) for row in await db.read(SELECT_ALL)]


async def move(tx: Transaction, before: RawPort, host_port: int) -> RawPort | None:
    """Gives a reservation another port; None if it has been freed meanwhile."""
    parameters = {
        "before": before.host_port,
        "after": host_port,
        "deployment_id": before.deployment_id,
    }
    rows = await tx.execute(MOVE, parameters)
    return _raw_port(rows[0]) if rows else None


async def delete(tx: Transaction, deployment_id: str) -> None:
    """Frees all ports of a deployment."""
    await tx.execute(DELETE, {"deployment_id": deployment_id})


async def delete_one(tx: Transaction, reserved: RawPort) -> None:
    """Frees one port."""
    parameters = {"host_port": reserved.host_port, "deployment_id": reserved.deployment_id}
    await tx.execute(DELETE_ONE, parameters)


def _raw_port(row: Row) -> RawPort:
    return RawPort(row["host_port"], row["deployment_id"], row["port"])
