"""The usage report, as JSON and as CSV."""

import csv
import io
from collections.abc import Sequence

from starlette.responses import Response

from appliance.api.call import Call
from appliance.api.queries import UsageQuery
from appliance.api.render import Json, answer
from appliance.domain.billing import Line
from appliance.domain.instant import rfc3339

USAGE_COLUMNS = ("userId", "email", "deploymentId", "name", "day", "runningSeconds", "gpuSeconds",
                 "cost", "energyWh", "energyCost")  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def read_usage(call: Call) -> Response:
    """Shows what ran, for how long and at what cost; as CSV where that is asked for."""
    q = call.query(UsageQuery)
    period = call.services.reports.period(q.start, q.to)
    lines = await call.services.reports.usage(call.caller, period, q.group_by)
    if q.format == "csv" or (q.format is None and "text/csv" in (call.header("accept") or "")):
        return _csv(lines)
    shown = [_line(line) for line in lines]
    span = {"from": rfc3339(period.start), "to": rfc3339(period.end)}
    return answer({**span, "usage": shown})


def _line(line: Line) -> Json:
    """A line of the usage report."""
    return {
        "userId": line.user_id,
        "email": line.email,
        "deploymentId": line.deployment_id,
        "name": line.name,
        "day": None if line.day is None else line.day.isoformat(),
        "runningSeconds": line.running_s,
        "gpuSeconds": line.gpu_s,
        "cost": line.cost_cents,
        "energyWh": line.energy_wh,
        "energyCost": line.energy_cents,
    }


def _csv(lines: Sequence[Line]) -> Response:
    """The usage report as CSV (RFC 4180); cells that a spreadsheet would run are made text."""
    buffer = io.StringIO()
    rows = [_line(line) for line in lines]
    writer = csv.DictWriter(buffer, USAGE_COLUMNS)
    writer.writeheader()
    writer.writerows({key: _plain_cell(value) for key, value in row.items()} for row in rows)
    headers = {"Content-Disposition": 'attachment; filename="usage.csv"'}
    return Response(buffer.getvalue(), headers=headers, media_type="text/csv; header=present")


def _plain_cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
