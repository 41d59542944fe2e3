"""The order to change a deployment: what serves stays, what is to follow is put beside it."""

from sqlite3 import IntegrityError

from appliance.domain.deployment import Deployment
from appliance.domain.errors import NameTaken
from appliance.domain.instant import Instant
from appliance.store.database import Transaction
from appliance.store.deployments import spec_columns, to_deployment

SELECT_FOR_CHANGE = """
SELECT * FROM deployment
WHERE id = :id AND desired <> 'deleted' AND (:owner_id IS NULL OR owner_id = :owner_id)
"""

# A failed deployment that is wanted running waits for an order: a new spec is one.
CHANGE = """
UPDATE deployment SET name = :name, hostname = :hostname, spec = :spec, secrets = :secrets,
    rate_cents = :rate_cents, next_spec = :next_spec, next_secrets = :next_secrets,
    next_rate_cents = :next_rate_cents, next_generation = :next_generation,
    next_boot_id = :next_boot_id, next_since_boot_us = :next_since_boot_us, handover = :handover,
    refresh = :refresh,
    last_generation = :last_generation, version = version + 1, updated_us = :now_us,
    intent = intent + (:next_spec IS NOT NULL AND desired = 'running' AND status = 'failed')
WHERE id = :id
RETURNING *
"""


async def find_for_change(
    tx: Transaction, deployment_id: str, owner_id: str | None
) -> Deployment | None:
    """The deployment that ``owner_id`` (None: anybody) may change, still until the commit."""
    rows = await tx.execute(SELECT_FOR_CHANGE, {"id": deployment_id, "owner_id": owner_id})
    return to_deployment(rows[0]) if rows else None


async def change(tx: Transaction, after: Deployment, now: Instant) -> Deployment:
    """Writes name, host name, specs, their rates and secrets of ``after``.

    Raises:
        NameTaken: another deployment has that host name.
    """
    parameters = {
        **spec_columns(after),
        "id": after.id,
        "name": after.name,
        "hostname": after.spec.hostname,
        "last_generation": after.last_generation,
        "now_us": now.wall_us,
    }
    try:
        [row] = await tx.execute(CHANGE, parameters)
    except IntegrityError as error:
        raise NameTaken(f"the host name {after.spec.hostname!r} is in use") from error
    return to_deployment(row)
