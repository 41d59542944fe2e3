"""Pages of deployments, newest first, as an index answers them.

Clients poll, so the same few rows are asked for again and again. A page's query tells which rows
are on it, at which version, and what has changed without one: what they have cost. Only what was
not met yet is read whole. (To hand over 46 columns of 20 rows took a third of an answer's time.)
Rows that come before the page are counted by the index and not looked at: the last page of 10,000
took 7 ms else, in which nobody was answered. (With a ``status`` it still does: see 0011_pages.sql.)
"""

import json

from appliance.domain.deployment import Deployment
from appliance.domain.instant import Instant
from appliance.store.database import Database, Row
from appliance.store.deployments import Priced, to_deployment
from appliance.store.usage import COST_COLUMN, cents, cost_parameters

REMEMBERED = 4096
"""Rows, of some 2 KiB each."""

FILTERS = {
    (False, False): "",
    (True, False): "AND d.owner_id = :owner_id",
    (False, True): "AND d.shown = :status",
    (True, True): "AND d.owner_id = :owner_id AND d.shown = :status",
}
"""The WHERE of a page by (owned, of one status): apart, so that each can use its own index."""

SELECT_TOTAL = """
SELECT coalesce(sum(n), 0) FROM tally
WHERE (:owner_id IS NULL OR owner_id = :owner_id) AND (:status IS NULL OR shown = :status)
"""

SELECT_PAGE = {
    key: f"""
SELECT d.id, d.version, {COST_COLUMN}, ({SELECT_TOTAL}) AS total
FROM (
    SELECT d.id AS listed_id FROM deployment d WHERE d.desired <> 'deleted' {condition}
    ORDER BY d.created_us DESC, d.id DESC LIMIT :limit OFFSET :offset
) CROSS JOIN deployment d ON d.id = listed_id
ORDER BY d.created_us DESC, d.id DESC
"""
    for key, condition in FILTERS.items()
}

SELECT_WHOLE = "SELECT * FROM deployment WHERE id IN (SELECT value FROM json_each(:ids))"

Edition = tuple[str, int]
"""Which row, and its version."""


class Pages:
    """The pages of one database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._met: dict[Edition, Deployment] = {}

    async def page(
        self, owner_id: str | None, status: str | None, *, number: int, limit: int, now: Instant
    ) -> tuple[list[Priced], int]:
        """One page, and how many there are in all; None: of whomever, of whatever status."""
        scope = {"owner_id": owner_id, "status": status}
        sql = SELECT_PAGE[owner_id is not None, status is not None]
        window = {"limit": limit, "offset": (number - 1) * limit}
        rows = await self._db.look_up(sql, {**scope, **window, **cost_parameters(now)})
        if not rows:
            [total] = await self._db.look_up(SELECT_TOTAL, scope)
            return [], int(total[0])
        return await self._priced(rows), int(rows[0]["total"])

    async def _priced(self, rows: list[Row]) -> list[Priced]:
        fresh = await self._meet([row[0] for row in rows if tuple(row)[:2] not in self._met])
        # Written between the two queries, it has another edition: then it is as it was read.
        found = [(self._met.get(tuple(row)[:2]) or fresh[row[0]], row[2]) for row in rows]
        return [Priced(d, cents(cost)) for d, cost in found]

    async def _meet(self, ids: list[str]) -> dict[str, Deployment]:
        if not ids:
            return {}
        rows = await self._db.look_up(SELECT_WHOLE, {"ids": json.dumps(ids)})
        if len(self._met) + len(rows) > REMEMBERED:
            self._met.clear()
        fresh = {row["id"]: to_deployment(row) for row in rows}
        self._met |= {(r["id"], r["version"]): fresh[r["id"]] for r in rows}
        return fresh
