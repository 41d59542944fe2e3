"""The usage report: what ran, for how long, with which energy, and what it costs."""

from datetime import datetime, timedelta

from appliance.clock import Clock
from appliance.domain.billing import GroupBy, Line, Period, report
from appliance.domain.errors import FieldError, InvalidRequest
from appliance.domain.permissions import Principal
from appliance.store import reports
from appliance.store.database import Database

USUAL = timedelta(days=30)


class Reports:
    """Reads reports; ``cents_per_kwh`` is what the owner pays for energy."""

    def __init__(self, db: Database, clock: Clock, cents_per_kwh: int) -> None:
        self._db = db
        self._clock = clock
        self._cents_per_kwh = cents_per_kwh

    def period(self, start: datetime | None, end: datetime | None) -> Period:
        """From ``start`` to ``end``: by default until now, and the 30 days before.

        Raises:
            InvalidRequest: it would end before it begins.
        """
        until = end or self._clock.now().wall
        since = start or until - USUAL
        if since >= until:
            raise InvalidRequest(FieldError("from", "should be before to"))
        return Period(since, until)

    async def usage(self, caller: Principal, period: Period, group_by: GroupBy) -> list[Line]:
        """What the caller's deployments (an admin's: everybody's) used in ``period``."""
        now = self._clock.now()
        stretches = await reports.stretches(self._db, caller.sees, period, now)
        energy = await reports.energy(self._db, caller.sees, period)
        return report(stretches, energy, period, group_by, cents_per_kwh=self._cents_per_kwh)
