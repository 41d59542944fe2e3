"""The access token of each private deployment: sealed for its owner, a digest for the door."""

from dataclasses import dataclass
from datetime import datetime

from appliance.domain.instant import Instant, from_us
from appliance.store.database import Database, Row, Transaction


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token on record."""

    sealed: bytes
    sha256: bytes
    created_at: datetime


UPSERT = """
INSERT INTO access_token (deployment_id, sealed, sha256, created_us)
VALUES (:deployment_id, :sealed, :sha256, :created_us)
ON CONFLICT (deployment_id) DO UPDATE SET sealed = excluded.sealed, sha256 = excluded.sha256,
    created_us = excluded.created_us
RETURNING *
"""

SELECT = "SELECT * FROM access_token WHERE deployment_id = :deployment_id"

DELETE = "DELETE FROM access_token WHERE deployment_id = :deployment_id"


async def put(
    tx: Transaction, deployment_id: str, sealed: bytes, sha256: bytes, now: Instant
) -> AccessToken:
    """Writes the deployment's token in place of the one before, if there was one."""
    parameters = {
        "deployment_id": deployment_id,
        "sealed": sealed,
        "sha256": sha256,
        "created_us": now.wall_us,
    }
    [row] = await tx.execute(UPSERT, parameters)
    return _token(row)


async def find(db: Database, deployment_id: str) -> AccessToken | None:
    """The deployment's token."""
    rows = await db.read(SELECT, {"deployment_id": deployment_id})
    return _token(rows[0]) if rows else None


async def exists(tx: Transaction, deployment_id: str) -> bool:
    """Whether the deployment has a token."""
    return bool(await tx.execute(SELECT, {"deployment_id": deployment_id}))


async def delete(tx: Transaction, deployment_id: str) -> None:
    """Forgets the deployment's token."""
    await tx.execute(DELETE, {"deployment_id": deployment_id})


def _token(row: Row) -> AccessToken:
    return AccessToken(row["sealed"], row["sha256"], from_us(row["created_us"]))
