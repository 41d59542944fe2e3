"""What the usage report is made from: stretches of time and hours of energy, and whose."""

from appliance.domain.billing import HOUR_US, Period, Spent, Stretch, Subject
from appliance.domain.instant import Instant, to_us
from appliance.store.database import Database, Parameters, Row, Transaction
from appliance.store.usage import END_COLUMN, cost_parameters

SUBJECT = "d.id AS deployment_id, d.name, d.owner_id, o.email"

SELECT_STRETCHES = f"""
SELECT {SUBJECT}, u.start_us, u.rate_cents, u.gpus,
    u.start_us + {END_COLUMN} - u.start_boot_us AS end_us
FROM usage u JOIN deployment d ON d.id = u.deployment_id JOIN user o ON o.id = d.owner_id
WHERE u.start_us < :until_us AND end_us > :from_us
    AND (:owner_id IS NULL OR d.owner_id = :owner_id)
"""

SELECT_ENERGY = f"""
SELECT {SUBJECT}, e.hour, e.energy_mj
FROM energy e JOIN deployment d ON d.id = e.deployment_id JOIN user o ON o.id = d.owner_id
WHERE e.hour >= :from_hour AND e.hour < :until_hour
    AND (:owner_id IS NULL OR d.owner_id = :owner_id)
"""

ADD_ENERGY = """
INSERT INTO energy (deployment_id, hour, energy_mj) VALUES (:deployment_id, :hour, :energy_mj)
ON CONFLICT (deployment_id, hour) DO UPDATE SET energy_mj = energy_mj + excluded.energy_mj
"""


async def add_energy(tx: Transaction, deployment_id: str, energy_mj: int, now: Instant) -> None:
    """Adds to what a deployment's GPUs have taken in this hour."""
    parameters = {"deployment_id": deployment_id, "hour": now.wall_us // HOUR_US}
    await tx.execute(ADD_ENERGY, {**parameters, "energy_mj": energy_mj})


async def stretches(
    db: Database, owner_id: str | None, period: Period, now: Instant
) -> list[Stretch]:
    """Every stretch that touches ``period``, of what ``owner_id`` (None: everybody) has or had."""
    rows = await db.read(SELECT_STRETCHES, {**_scope(owner_id, period), **cost_parameters(now)})
    return [
        Stretch(_subject(row), row["start_us"], row["end_us"], row["rate_cents"], row["gpus"])
        for row in rows
    ]


async def energy(db: Database, owner_id: str | None, period: Period) -> list[Spent]:
    """Every hour of energy in ``period``."""
    rows = await db.read(SELECT_ENERGY, _scope(owner_id, period))
    return [Spent(_subject(row), row["hour"], row["energy_mj"]) for row in rows]


def _scope(owner_id: str | None, period: Period) -> Parameters:
    from_us, until_us = to_us(period.start), to_us(period.end)
    return {
        "owner_id": owner_id,
        "from_us": from_us,
        "until_us": until_us,
        "from_hour": from_us // HOUR_US,
        "until_hour": -(-until_us // HOUR_US),
    }


def _subject(row: Row) -> Subject:
    return Subject(row["deployment_id"], row["name"], row["owner_id"], row["email"])
