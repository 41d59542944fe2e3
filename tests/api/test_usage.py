"""GET /usage: who used what, as JSON and as CSV."""

import csv
import io
import itertools

import pytest

from appliance.domain.permissions import Role
from tests.api.served import IMAGE, Caller, Served, field_errors

pytestmark = pytest.mark.anyio


async def ran(caller: Caller, name: str) -> str:
    d = await caller.create(customImage=IMAGE, name=name)
    await caller.until(d["id"], "running")
    return str(d["id"])


async def test_a_user_sees_own_usage_and_an_admin_everybodys(served: Served, bob: Caller) -> None:
    other = await served.caller("eve@example.org")
    mine, theirs = await ran(bob, "mine"), await ran(other, "theirs")
    shown = (await bob.get("/usage"))["usage"]
    assert [line["deploymentId"] for line in shown] == [mine]
    assert shown[0].keys() == {
        "userId", "email", "deploymentId", "name", "day", "runningSeconds", "gpuSeconds", "cost",
        "energyWh", "energyCost",
    }  # fmt: skip
    admin = await served.caller("root@example.org", Role.ADMIN)
    everybody = (await admin.get("/usage?groupBy=user"))["usage"]
    assert {line["email"] for line in everybody} >= {"eve@example.org"}
    ids = {line["deploymentId"] for line in (await admin.get("/usage"))["usage"]}
    assert ids == {mine, theirs}


async def test_both_kinds_of_answer_are_in_the_openapi_document(bob: Caller) -> None:
    document = await bob.get("/openapi.json")
    described = document["paths"]["/usage"]["get"]["responses"]["200"]["content"]
    assert described.keys() == {"application/json", "text/csv"}


async def test_csv_is_asked_for_by_format_or_accept(bob: Caller) -> None:
    await ran(bob, "=HYPERLINK(1)")
    by_format = await bob.http.get("/usage?format=csv")
    by_accept = await bob.http.get("/usage", headers={"Accept": "text/csv"})
    for answer in (by_format, by_accept):
        assert answer.headers["content-type"].startswith("text/csv")
        [row] = csv.DictReader(io.StringIO(answer.text))
        assert row["name"] == "'=HYPERLINK(1)"  # no spreadsheet may run it
    as_json = await bob.http.get("/usage?format=json", headers={"Accept": "text/csv"})
    assert as_json.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("query", "field"),
    [("from=yesterday", "from"), ("to=2026", "to"), ("groupBy=gpu", "groupBy"),
     ("format=xml", "format"), ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
     ("since=1", "since"), ("to=0001-01-05T00:00:00Z", "to"),
     ("from=0001-01-01T00:00:00%2B14:00", "from"), ("to=9999-12-31T23:59:59-14:00", "to")],
)  # fmt: skip
async def test_a_wrong_parameter_is_named(bob: Caller, query: str, field: str) -> None:
    answer = await bob.http.get(f"/usage?{query}")
    assert list(field_errors(answer)) == [field]


@pytest.mark.parametrize("year", ["1970", "9998"])
async def test_the_first_and_the_last_year_have_room_on_both_sides(bob: Caller, year: str) -> None:
    for day, offset in itertools.product(("01-01", "12-31"), ("%2B14:00", "-14:00")):
        answer = await bob.http.get(f"/usage?to={year}-{day}T12:00:00{offset}")
        assert answer.status_code == 200, answer.text


async def test_a_period_without_anything_is_empty(bob: Caller) -> None:
    await ran(bob, "now")
    shown = await bob.get("/usage?from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z&groupBy=day")
    assert shown == {"from": "2020-01-01T00:00:00Z", "to": "2020-02-01T00:00:00Z", "usage": []}


async def test_each_gpu_adds_its_rate(bob: Caller) -> None:
    body = {"nodeId": bob.node_id, "customImage": IMAGE, "resources": {"gpus": 2}}
    answer = await bob.http.post("/deployments", json=body)
    assert answer.json()["estimatedHourlyCost"] == 150 + 2 * 50
