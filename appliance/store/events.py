"""What happened, when and why: each deployment's history and, together, the feed of changes."""

from dataclasses import dataclass
from datetime import datetime

from appliance.domain.instant import Instant, from_us
from appliance.store.database import Database, Row, Transaction


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that happened. ``type`` is a stable word, ``message`` a sentence.

    ``status`` is the one callers see afterwards; ``actor_id`` the user whose order it was, None
    for what the appliance did by itself.
    """

    type: str
    message: str
    status: str | None = None
    code: str | None = None
    actor_id: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An event on record; ``seq`` grows with every event of the appliance."""

    seq: int
    deployment_id: str
    at: datetime
    type: str
    message: str
    status: str | None
    code: str | None
    actor_id: str | None


INSERT = """
INSERT INTO event (deployment_id, owner_id, at_us, type, status, code, message, actor_id)
VALUES (:deployment_id, :owner_id, :at_us, :type, :status, :code, :message, :actor_id)
"""

SELECT_OF_DEPLOYMENT = """
SELECT * FROM event WHERE deployment_id = :deployment_id AND seq > :after
ORDER BY seq LIMIT :limit
"""

SELECT_FEED = """
SELECT * FROM event WHERE seq > :after AND (:owner_id IS NULL OR owner_id = :owner_id)
ORDER BY seq LIMIT :limit
"""

SELECT_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'event'"

KEPT = 1000
"""How many events of a deployment are kept, the newest, for as long as it lives."""

TRIMMED_AT_ONCE = 1000
"""A transaction of so many takes some milliseconds."""

TRIM = """
DELETE FROM event WHERE seq IN (
    SELECT e.seq FROM deployment d JOIN event e ON e.deployment_id = d.id AND e.seq <= (
        SELECT seq FROM event WHERE deployment_id = d.id ORDER BY seq DESC LIMIT 1 OFFSET :kept
    )
    WHERE d.desired <> 'deleted' LIMIT :at_once
)
RETURNING seq
"""

PRUNE = """
DELETE FROM event WHERE at_us < :before_us AND deployment_id IN
    (SELECT id FROM deployment WHERE deleted_us IS NOT NULL)
"""


async def record(
    tx: Transaction, deployment_id: str, owner_id: str, event: NewEvent, now: Instant
) -> None:
    """Writes an event beside the change it tells of."""
    await tx.execute(
        INSERT,
        {
            "deployment_id": deployment_id,
            "owner_id": owner_id,
            "at_us": now.wall_us,
            "type": event.type,
            "status": event.status,
            "code": event.code,
            "message": event.message,
            "actor_id": event.actor_id,
        },
    )


async def of_deployment(
    db: Database, deployment_id: str, *, after: int = 0, limit: int
) -> list[Event]:
    """A deployment's events after ``after``, oldest first."""
    parameters = {"deployment_id": deployment_id, "after": after, "limit": limit}
    return [_event(row) for row in await db.read(SELECT_OF_DEPLOYMENT, parameters)]


async def feed(db: Database, owner_id: str | None, *, after: int, limit: int) -> list[Event]:
    """The events after ``after`` of all deployments that ``owner_id`` (None: all) may see."""
    parameters = {"owner_id": owner_id, "after": after, "limit": limit}
    return [_event(row) for row in await db.read(SELECT_FEED, parameters)]


async def last_seq(db: Database) -> int:
    """The number of the newest event, forgotten or not; 0 if there never was one."""
    [row] = await db.read(SELECT_LAST)
    return int(row[0])


async def prune(tx: Transaction, before_us: int) -> None:
    """Forgets what is older than ``before_us`` of deployments that are gone."""
    await tx.execute(PRUNE, {"before_us": before_us})


async def trim(tx: Transaction) -> bool:
    """Forgets what is beyond the newest ``KEPT`` events of deployments that live, a share at once.

    Numbers are never used again (AUTOINCREMENT): who reads on from any of them misses what is
    forgotten, and gets nothing twice. True: there may be more to forget.
    """
    gone = await tx.execute(TRIM, {"kept": KEPT, "at_once": TRIMMED_AT_ONCE})
    return len(gone) == TRIMMED_AT_ONCE


def _event(row: Row) -> Event:
    return Event(
        seq=row["seq"],
        deployment_id=row["deployment_id"],
        at=from_us(row["at_us"]),
        type=row["type"],
        message=row["message"],
        status=row["status"],
        code=row["code"],
        actor_id=row["actor_id"],
    )
