"""Keeps the audit log. Denials are bounded, or a stranger could fill the disk with them."""

import logging

from appliance.auth.limits import Limit, Rate, site
from appliance.clock import Clock
from appliance.domain.errors import RateLimited, StoreFailure
from appliance.store import audit
from appliance.store.audit import Entry, NewEntry, Verdict
from appliance.store.database import Database

DENIALS_A_PLACE = Rate(burst=20, period_s=60)
DENIALS_OVERALL = Rate(burst=120, period_s=60)

log = logging.getLogger(__name__)


class Audit:
    """Who did what. An act that can't be put on record is told in the log, and is done."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._places = Limit(DENIALS_A_PLACE, clock)
        self._overall = Limit(DENIALS_OVERALL, clock)

    async def record(self, entry: NewEntry) -> None:
        """Puts it on record; of many denials in a minute only the first ones."""
        if entry.result == "denied" and not self._worth_it(entry):
            return
        try:
            async with self._db.transaction() as tx:
                await audit.append(tx, entry, self._clock.now())
        except StoreFailure as error:
            log.error("not in the audit log entry=%r reason=%s", entry, error)  # noqa: TRY400 - in words

    async def page(self, *, number: int, limit: int) -> tuple[list[Entry], int]:
        """One page, newest first, and how many there are in all."""
        return await audit.page(self._db, number=number, limit=limit)

    async def verify(self) -> Verdict:
        """Whether the log is as it was written."""
        return await audit.verify(self._db)

    def _worth_it(self, entry: NewEntry) -> bool:
        try:
            self._places.take(site(entry.address))
            self._overall.take("")
        except RateLimited:
            return False
        return True
