"""The orders that nobody gives in person: to go to sleep, to wake up, to begin anew."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from appliance.domain.deployment import Deployment, Reason
from appliance.domain.errors import StaleVersion
from appliance.domain.instant import Instant
from appliance.store.database import Row, Transaction
from appliance.store.deployments import to_deployment

# Only what was looked at goes to sleep: any write since then is news that may speak against it.
SLEEP = """
UPDATE deployment SET desired = 'sleeping', intent = intent + 1, version = version + 1,
    reason = :reason, updated_us = :now_us
WHERE id = :id AND version = :version AND desired = 'running' AND status = 'running'
    AND intent = observed_intent AND next_spec IS NULL
RETURNING *
"""

# Whose share is lent is asked for nothing. It may have an update that waits for the share as well.
BEGIN_ANEW = """
UPDATE deployment SET intent = intent + 1, restart_intent = intent + 1, version = version + 1,
    updated_us = :now_us
WHERE id = :id AND version = :version AND desired = 'running' AND status = 'running'
    AND intent = observed_intent
    AND EXISTS (SELECT 1 FROM gpu_hold WHERE deployment_id = :id AND loan = 'lent')
RETURNING *
"""

WAKE = """
UPDATE deployment SET desired = 'running', intent = intent + 1, version = version + 1,
    updated_us = :now_us
WHERE id = :id AND desired = 'sleeping'
RETURNING *
"""


async def put_to_sleep(
    tx: Transaction, deployment_id: str, version: int, why: Reason, now: Instant
) -> Deployment:
    """Wants it asleep.

    Raises:
        StaleVersion: it is not, or not any more, the running one of that version.
    """
    parameters = {
        "id": deployment_id,
        "version": version,
        "reason": json.dumps(asdict(why), ensure_ascii=False),
        "now_us": now.wall_us,
    }
    return _still(await tx.execute(SLEEP, parameters), deployment_id, version)


async def begin_anew(tx: Transaction, deployment_id: str, version: int, now: Instant) -> Deployment:
    """Wants the process of who has lent its share replaced; its place in line it keeps.

    Raises:
        StaleVersion: it is not, or not any more, the lender of that version.
    """
    parameters = {"id": deployment_id, "version": version, "now_us": now.wall_us}
    return _still(await tx.execute(BEGIN_ANEW, parameters), deployment_id, version)


async def wake(tx: Transaction, deployment_id: str, now: Instant) -> Deployment | None:
    """Wants it running; None if nobody wants it asleep, so that it is woken once."""
    rows = await tx.execute(WAKE, {"id": deployment_id, "now_us": now.wall_us})
    return to_deployment(rows[0]) if rows else None


def _still(rows: Sequence[Row], deployment_id: str, version: int) -> Deployment:
    if not rows:
        raise StaleVersion(f"{deployment_id} has moved on since version {version}")
    return to_deployment(rows[0])
