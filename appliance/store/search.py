"""Deployments by a text: every row is looked at, so it is apart from the pages an index answers."""

from appliance.domain.instant import Instant
from appliance.store.database import Database
from appliance.store.deployments import Priced, priced
from appliance.store.usage import COST_COLUMN, cost_parameters

FOUND = """
FROM deployment d
WHERE d.desired <> 'deleted' AND (:owner_id IS NULL OR d.owner_id = :owner_id)
    AND (:status IS NULL OR d.shown = :status)
    AND instr(lower(d.name || char(10) || d.id || char(10) || (d.spec ->> 'image')), lower(:text))
"""

SELECT_TOTAL = f"SELECT count(*) {FOUND}"

SELECT_PAGE = f"""
SELECT d.*, {COST_COLUMN}, ({SELECT_TOTAL}) AS total {FOUND}
ORDER BY d.created_us DESC, d.id DESC LIMIT :limit OFFSET :offset
"""


async def page(
    db: Database,
    owner_id: str | None,
    status: str | None,
    text: str,
    *,
    number: int,
    limit: int,
    now: Instant,
) -> tuple[list[Priced], int]:
    """One page of those with ``text`` in their name, id or image, and how many there are in all.

    Newest first, as ``deployments.page``; A to Z are found in any case.
    """
    scope = {"owner_id": owner_id, "status": status, "text": text}
    window = {"limit": limit, "offset": (number - 1) * limit}
    rows = await db.read(SELECT_PAGE, {**scope, **window, **cost_parameters(now)})
    if rows:
        return priced(rows, beside=2), int(rows[0]["total"])
    [total] = await db.read(SELECT_TOTAL, scope)
    return [], int(total[0])
