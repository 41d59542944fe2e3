"""Stretches of time in ``running``, and the cost that is derived from them at every read."""

from dataclasses import dataclass

from appliance.domain.instant import Instant
from appliance.domain.usage import OPEN_GRACE_US, Interval
from appliance.store.database import Database, Parameters, Row, Transaction

END_COLUMN = """coalesce(u.end_boot_us,
        CASE WHEN u.boot_id = :boot_id
             THEN max(u.last_boot_us, min(:now_boot_us, u.last_boot_us + :open_grace_us))
             ELSE u.last_boot_us END)"""
"""When a stretch of ``usage u`` ended, or was last seen open, on the boot clock of its boot."""

COST_COLUMN = f"""(
    SELECT coalesce(sum(({END_COLUMN} - u.start_boot_us) * u.rate_cents), 0)
    FROM usage u WHERE u.deployment_id = d.id
) AS cost_us_cents"""
"""A column for queries on ``deployment d``: microseconds times cents an hour."""

OPEN = """
INSERT INTO usage (deployment_id, seq, rate_cents, gpus, boot_id, start_us, start_boot_us,
    last_boot_us, offset_us)
VALUES (:deployment_id,
    (SELECT coalesce(max(seq), 0) + 1 FROM usage WHERE deployment_id = :deployment_id),
    :rate_cents, :gpus, :boot_id, :now_us, :now_boot_us, :now_boot_us, :offset_us)
"""

SELECT_OPEN = "SELECT * FROM usage WHERE deployment_id = :deployment_id AND end_boot_us IS NULL"

CLOSE = """
UPDATE usage SET end_boot_us = :end_boot_us
WHERE deployment_id = :deployment_id AND end_boot_us IS NULL
"""

HEARTBEAT = """
UPDATE usage SET last_boot_us = :now_boot_us, offset_us = :offset_us
WHERE end_boot_us IS NULL AND boot_id = :boot_id AND last_boot_us < :now_boot_us
    AND deployment_id IN (SELECT value FROM json_each(:ids))
"""

SELECT_WATCHED = """
SELECT d.id, d.pid, d.pid_start_ticks FROM usage u JOIN deployment d ON d.id = u.deployment_id
WHERE u.end_boot_us IS NULL
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """A running deployment and the process that makes it so."""

    deployment_id: str
    pid: int | None
    start_ticks: int | None


def cost_parameters(now: Instant) -> Parameters:
    """The parameters that ``COST_COLUMN`` needs."""
    return {
        "boot_id": now.boot_id,
        "now_boot_us": now.boot_us,
        "open_grace_us": OPEN_GRACE_US,
    }


def cents(cost_us_cents: int) -> int:
    """Whole cents, rounded down, of microseconds times cents an hour."""
    return cost_us_cents // 3_600_000_000


async def open_interval(
    tx: Transaction, deployment_id: str, *, rate_cents: int, gpus: int, now: Instant
) -> None:
    """Begins a stretch; a second open one for the same deployment is a constraint error."""
    await tx.execute(
        OPEN,
        {
            "deployment_id": deployment_id,
            "rate_cents": rate_cents,
            "gpus": gpus,
            "boot_id": now.boot_id,
            "now_us": now.wall_us,
            "now_boot_us": now.boot_us,
            "offset_us": now.offset_us,
        },
    )


async def find_open(tx: Transaction, deployment_id: str) -> Interval | None:
    """The open stretch of a deployment, if it has one."""
    rows = await tx.execute(SELECT_OPEN, {"deployment_id": deployment_id})
    return _interval(rows[0]) if rows else None


async def close_interval(tx: Transaction, deployment_id: str, end_boot_us: int) -> None:
    """Ends the open stretch."""
    await tx.execute(CLOSE, {"deployment_id": deployment_id, "end_boot_us": end_boot_us})


async def watched(db: Database) -> list[Watched]:
    """Every deployment that is being charged now."""
    rows = await db.read(SELECT_WATCHED)
    return [Watched(row["id"], row["pid"], row["pid_start_ticks"]) for row in rows]


async def heartbeat(tx: Transaction, ids_json: str, now: Instant) -> None:
    """Marks the open stretches of the deployments in a JSON array of ids as open until now."""
    await tx.execute(
        HEARTBEAT,
        {
            "ids": ids_json,
            "now_boot_us": now.boot_us,
            "offset_us": now.offset_us,
            "boot_id": now.boot_id,
        },
    )


def _interval(row: Row) -> Interval:
    return Interval(
        boot_id=row["boot_id"],
        start_boot_us=row["start_boot_us"],
        last_boot_us=row["last_boot_us"],
        offset_us=row["offset_us"],
    )
