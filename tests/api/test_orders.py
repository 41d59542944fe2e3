"""start, stop, restart, delete: 202 at once, idempotent, in every status."""

import anyio
import pytest

from appliance.domain.errors import RuntimeUnavailable
from tests.api.served import Caller, Served, problem
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
FAR = "registry.example/far:1"


async def order(caller: Caller, deployment_id: str, verb: str) -> str:
    answer = await caller.http.post(f"/deployments/{deployment_id}/{verb}")
    assert answer.status_code == 202, answer.text
    shown = answer.json()["deployment"]
    assert shown["id"] == deployment_id
    return str(shown["status"])


async def test_stop_and_start_answer_in_the_seeds_words(bob: Caller) -> None:
    made = (await bob.create())["id"]
    running = await bob.until(made, "running")
    assert "startedAt" in running
    assert await order(bob, made, "stop") == "stopping"
    stopped = await bob.until(made, "stopped")
    assert stopped["stoppedAt"] >= stopped["startedAt"]
    assert await order(bob, made, "start") == "starting"
    await bob.until(made, "running")


async def test_asked_for_what_is_they_answer_todays_status_and_write_nothing(bob: Caller) -> None:
    made = (await bob.create())["id"]
    await bob.until(made, "running")
    assert await order(bob, made, "start") == "running"
    await order(bob, made, "stop")
    await bob.until(made, "stopped")
    before = await bob.get(f"/deployments/{made}/events")
    assert await order(bob, made, "stop") == "stopped"
    assert await bob.get(f"/deployments/{made}/events") == before


async def test_a_restart_makes_another_run_of_it(bob: Caller) -> None:
    made = (await bob.create())["id"]
    first = (await bob.until(made, "running"))["startedAt"]
    assert await order(bob, made, "restart") == "starting"

    async def again() -> bool:
        shown = (await bob.get(f"/deployments/{made}"))["deployment"]
        return bool(shown["status"] == "running" and shown["startedAt"] > first)

    await eventually(again)


async def test_a_running_one_has_endpoints_in_the_seeds_shape(bob: Caller) -> None:
    made = (await bob.create())["id"]
    [endpoint] = (await bob.until(made, "running"))["endpoints"]
    assert endpoint.keys() == {"type", "url", "internalPort"}
    assert endpoint["type"] == "https"
    assert endpoint["url"] == f"https://{made.replace('_', '-')}.localhost:8443"
    assert endpoint["internalPort"] == 8080


async def test_actions_are_those_that_change_something(bob: Caller) -> None:
    made = await bob.create()
    assert made["actions"] == ["stop", "restart", "delete"]
    await order(bob, made["id"], "stop")
    stopped = await bob.until(made["id"], "stopped")
    assert stopped["actions"] == ["start", "restart", "delete"]


async def test_a_pull_is_shown_and_a_stop_cancels_it(bob: Caller, served: Served) -> None:
    served.runtime.offer(FAR, held=True)
    made = (await bob.create(customImage=FAR))["id"]
    await bob.until(made, "pulling")

    async def told() -> bool:
        pull = (await bob.get(f"/deployments/{made}"))["deployment"]["pull"]
        return pull is not None and pull.keys() >= {"layersDone", "layersTotal", "bytesDone"}

    await eventually(told)
    assert await order(bob, made, "stop") == "stopping"
    assert (await bob.until(made, "stopped"))["pull"] is None


async def test_delete_answers_exactly_as_the_seed_and_it_is_gone(bob: Caller) -> None:
    made = (await bob.create())["id"]
    await bob.until(made, "running")
    answer = await bob.http.delete(f"/deployments/{made}")
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "message": "Deployment deleted"}
    for path in ("", "/logs", "/events", "/stats"):
        problem(await bob.http.get(f"/deployments/{made}{path}"), 404)
    for verb in ("start", "stop", "restart"):
        problem(await bob.http.post(f"/deployments/{made}/{verb}"), 404)
    problem(await bob.http.delete(f"/deployments/{made}"), 404)


async def test_writes_are_taken_while_podman_is_away(bob: Caller, served: Served) -> None:
    made = (await bob.create())["id"]
    await bob.until(made, "running")
    served.runtime.take_down()
    other = (await bob.create())["id"]
    assert await order(bob, made, "stop") == "stopping"
    assert (await bob.http.delete(f"/deployments/{other}")).status_code == 200
    served.runtime.bring_up()
    await bob.until(made, "stopped")


async def test_health_tells_that_podman_is_away_and_the_node_is_offline(
    bob: Caller, served: Served
) -> None:
    assert await bob.get("/healthz") == {"status": "ok", "runtime": "ok"}
    served.engine.pulse.lost(RuntimeUnavailable("test"))
    assert await bob.get("/healthz") == {"status": "degraded", "runtime": "unreachable"}
    assert (await bob.get("/nodes?status=offline"))["pagination"]["total"] == 1


async def test_only_a_running_one_has_figures(bob: Caller) -> None:
    made = (await bob.create())["id"]
    await bob.until(made, "running")
    stats = (await bob.get(f"/deployments/{made}/stats"))["stats"]
    assert stats["memoryMb"] == 1.0
    assert stats["pids"] == 1
    assert stats["traffic"]["requests"] == 0
    assert stats["traffic"]["idleSeconds"] is None
    await order(bob, made, "stop")
    await bob.until(made, "stopped")
    answer = await bob.http.get(f"/deployments/{made}/stats")
    assert problem(answer, 409)["code"] == "conflict"


async def test_figures_can_not_be_had_while_podman_is_away(bob: Caller, served: Served) -> None:
    made = (await bob.create())["id"]
    await bob.until(made, "running")
    served.runtime.faults.fail("stats", error=RuntimeUnavailable("Podman does not answer."))
    answer = await bob.http.get(f"/deployments/{made}/stats")
    assert problem(answer, 503)["code"] == "runtime_unavailable"
    assert int(answer.headers["retry-after"]) >= 1


async def test_the_history_tells_what_happened_and_who_wanted_it(bob: Caller) -> None:
    made = (await bob.create())["id"]
    await bob.until(made, "running")
    await order(bob, made, "stop")
    await bob.until(made, "stopped")
    events = (await bob.get(f"/deployments/{made}/events"))["events"]
    assert [e["id"] for e in events] == sorted(e["id"] for e in events)
    assert events[0]["type"] == "created"
    assert {e["actorId"] for e in events} == {bob.user_id, None}
    assert "stop" in [e["type"] for e in events]
    later = (await bob.get(f"/deployments/{made}/events?after={events[0]['id']}&limit=1"))["events"]
    assert later == events[1:2]


async def test_many_orders_at_once_end_as_the_last_one_says(bob: Caller) -> None:
    made = (await bob.create())["id"]
    await bob.until(made, "running")
    async with anyio.create_task_group() as tasks:
        for verb in ("stop", "start", "restart") * 3:
            tasks.start_soon(order, bob, made, verb)
    await order(bob, made, "stop")
    await bob.until(made, "stopped")
