"""GET /deployments/:id/stats/history: the last hour in samples."""

from typing import Any

import pytest

from appliance.domain.errors import RuntimeUnavailable
from tests.api.served import Caller, Served, field_errors, problem

pytestmark = pytest.mark.anyio


async def samples(caller: Caller, deployment_id: str, query: str = "") -> list[dict[str, Any]]:
    found = await caller.get(f"/deployments/{deployment_id}/stats/history{query}")
    assert found["intervalS"] == 15
    return list(found["samples"])


async def test_each_tick_adds_a_sample_and_the_second_has_rates(
    served: Served, bob: Caller
) -> None:
    made = (await bob.create())["id"]
    await bob.until(made, "running")
    assert await samples(bob, made) == []
    for _ in range(2):
        await served.engine.samples.take()
    first, second = await samples(bob, made)
    assert (first["memoryMb"], first["cpuPercent"]) == (1.0, None)
    assert (second["cpuPercent"], second["networkRxBytesPerS"]) == (0.0, 0)
    assert await samples(bob, made, f"?since={second['at']}") == [second]


async def test_requests_are_those_the_front_door_took_since_the_sample_before(
    served: Served, bob: Caller
) -> None:
    made = (await bob.create())["id"]
    await bob.until(made, "running")
    await served.engine.samples.take()
    traffic = served.engine.activity.of(made)
    traffic.requests += 1_000_000
    traffic.answers[2] += 999_000
    traffic.answers[5] += 1_000
    await served.engine.samples.take()
    first, second = await samples(bob, made)
    assert (first["requestsPerS"], first["failuresPerS"]) == (None, None)
    assert second["requestsPerS"] == pytest.approx(1000 * second["failuresPerS"], rel=0.01)


async def test_one_question_is_asked_for_all_and_none_where_nothing_runs(
    served: Served, bob: Caller
) -> None:
    await served.engine.samples.take()
    assert served.runtime.faults.count("all_stats") == 0
    made = [(await bob.create())["id"] for _ in range(3)]
    for i in made:
        await bob.until(i, "running")
    await served.engine.samples.take()
    assert served.runtime.faults.count("all_stats") == 1
    assert [len(await samples(bob, i)) for i in made] == [1, 1, 1]


async def test_while_podman_is_away_there_is_a_gap(served: Served, bob: Caller) -> None:
    made = (await bob.create())["id"]
    await bob.until(made, "running")
    served.runtime.faults.fail("all_stats", error=RuntimeUnavailable("away"))
    await served.engine.samples.take()
    assert await samples(bob, made) == []


async def test_it_is_for_those_who_see_the_deployment(bob: Caller, carol: Caller) -> None:
    made = (await bob.create())["id"]
    path = f"/deployments/{made}/stats/history"
    problem(await carol.http.get(path), 404)
    assert field_errors(await bob.http.get(f"{path}?since=now")).keys() == {"since"}
