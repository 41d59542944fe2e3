"""The handlers: parse, ask the engine, render."""

import json
from collections.abc import AsyncIterator

from starlette.responses import Response

from appliance.api import metrics, render, render_machine
from appliance.api.call import Call
from appliance.api.changes import DeploymentChangeBody
from appliance.api.models import DeploymentBody
from appliance.api.queries import (
    DeploymentsQuery,
    HistoryQuery,
    LogsQuery,
    NodesQuery,
    SamplesQuery,
)
from appliance.api.render import answer, text_answer
from appliance.api.sse import EventStream, Message
from appliance.domain.errors import FieldError, InvalidRequest, NotFound
from appliance.domain.logline import LogGap, LogLine
from appliance.engine.deployments import Idempotency
from appliance.engine.logs import check_cursor
from appliance.engine.samples import TICK_S
from appliance.engine.views import DeploymentView, FeedItem, NodeView

MAX_KEY_LENGTH = 255


async def create_deployment(call: Call) -> Response:
    """Creates a deployment."""
    order = (await call.body(DeploymentBody)).order()
    made = await call.services.deployments.create(call.caller, order, _idempotency(call))
    text = render.created(made)
    return text_answer(text, 201, _location(text))


async def list_deployments(call: Call) -> Response:
    """Lists deployments, newest first."""
    q = call.query(DeploymentsQuery)
    views, total = await call.services.deployments.page(
        call.caller, q.status, q.q, number=q.page, limit=q.limit
    )
    return text_answer(render.deployments(views, number=q.page, limit=q.limit, total=total))


async def get_deployment(call: Call) -> Response:
    """Shows a deployment."""
    return _one(await call.services.deployments.get(call.caller, call.path("id")), 200)


async def update_deployment(call: Call) -> Response:
    """Changes a deployment; the old container serves until a new one does."""
    change = (await call.body(DeploymentChangeBody)).change()
    return _one(await call.services.updates.update(call.caller, call.path("id"), change), 202)


async def start_deployment(call: Call) -> Response:
    """Starts a deployment; never waits for it."""
    return _one(await call.services.deployments.start(call.caller, call.path("id")), 202)


async def stop_deployment(call: Call) -> Response:
    """Stops a deployment; never waits for it."""
    return _one(await call.services.deployments.stop(call.caller, call.path("id")), 202)


async def restart_deployment(call: Call) -> Response:
    """Restarts a deployment; never waits for it."""
    return _one(await call.services.deployments.restart(call.caller, call.path("id")), 202)


async def delete_deployment(call: Call) -> Response:
    """Deletes a deployment and its volumes; stops it first if it runs."""
    await call.services.deployments.delete(call.caller, call.path("id"))
    return answer({"success": True, "message": "Deployment deleted"})


async def read_logs(call: Call) -> Response:
    """Shows the last lines of a log, or follows it as server-sent events."""
    q = call.query(LogsQuery)
    if q.follow:
        return await _follow_logs(call, q)
    lines = await call.services.logs.read(call.caller, call.path("id"), count=q.tail, since=q.since)
    return answer({"logs": [render.log_line(line) for line in lines]})


async def read_history(call: Call) -> Response:
    """Shows what happened to a deployment, oldest first."""
    q = call.query(HistoryQuery)
    found = await call.services.deployments.history(
        call.caller, call.path("id"), after=q.after, limit=q.limit
    )
    return answer({"events": [render.event(e) for e in found]})


async def read_stats(call: Call) -> Response:
    """Shows what a running deployment uses now."""
    found = await call.services.deployments.stats(call.caller, call.path("id"))
    used = call.services.activity
    traffic = render.traffic(used.of(call.path("id")), used.idle_s(call.path("id")))
    return answer({"stats": render.stats(found) | {"traffic": traffic}})


async def read_samples(call: Call) -> Response:
    """Shows what a deployment used over the last hour, oldest first."""
    q = call.query(SamplesQuery)
    found = await call.services.samples.of(call.caller, call.path("id"), q.since)
    return answer({"intervalS": TICK_S, "samples": [render.sample(s) for s in found]})


async def watch_events(call: Call) -> Response:
    """Streams every change of a deployment the caller may see (server-sent events)."""
    after = call.header("last-event-id")
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):  # noqa: PLR2004 - digits of a 64-bit number
        raise InvalidRequest(FieldError("Last-Event-ID", "should be the number of an event"))
    place = await call.services.feed.place(None if after is None else int(after))
    return EventStream(_changes(call.services.feed.watch(call.caller, after=place)), call.over)


async def list_nodes(call: Call) -> Response:
    """Lists the nodes: this machine, if it has what is asked for."""
    q = call.query(NodesQuery)
    found = [n for n in [await call.services.nodes.current()] if _has(n, q)]
    shown = [render_machine.node(n, call.caller) for n in found] if q.page == 1 else []
    return answer(render.page("nodes", shown, number=q.page, limit=q.limit, total=len(found)))


async def get_node(call: Call) -> Response:
    """Shows a node."""
    found = await call.services.nodes.current()
    if found.id != call.path("id"):
        raise NotFound(f"no node {call.path('id')}")
    return answer({"node": render_machine.node(found, call.caller)})


async def list_templates(call: Call) -> Response:
    """Lists the catalogue."""
    return answer({"templates": [render.template(t) for t in call.services.catalogue.all()]})


async def get_template(call: Call) -> Response:
    """Shows a template."""
    found = call.services.catalogue.get(call.path("id"))
    if found is None:
        raise NotFound(f"no template {call.path('id')}")
    return answer({"template": render.template(found)})


async def health(call: Call) -> Response:
    """Tells whether the appliance is up, and whether Podman answers."""
    reachable = call.services.pulse.runtime_reachable()
    status, runtime = ("ok", "ok") if reachable else ("degraded", "unreachable")
    return answer({"status": status, "runtime": runtime})


async def read_doctor(call: Call) -> Response:
    """Shows what is right and wrong with the machine, and the command that mends it."""
    checks = await call.services.doctor()
    return answer({"checks": [render_machine.check(check) for check in checks]})


async def read_observed(call: Call) -> Response:
    """Shows those findings of the doctor that only a running appliance can make."""
    checks = call.services.observed()
    return answer({"checks": [render_machine.check(check) for check in checks]})


async def read_metrics(call: Call) -> Response:
    """Shows the front door's counters, in the text format of Prometheus."""
    return Response(metrics.text(call.services.activity), media_type=metrics.CONTENT_TYPE)


def _one(view: DeploymentView, status: int) -> Response:
    return text_answer(f'{{"deployment":{render.deployment(view)}}}', status)


def _location(created: str) -> dict[str, str]:
    """Read from the answer: one that is given again is all there is of the first."""
    return {"Location": f"/deployments/{json.loads(created)['deployment']['id']}"}


def _idempotency(call: Call) -> Idempotency | None:
    key = call.header("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not (key.isascii() and key.isprintable()):
        raise InvalidRequest(FieldError("Idempotency-Key", "should be 1 to 255 visible characters"))
    return Idempotency(key, call.body_sha256, render.created)


async def _follow_logs(call: Call, q: LogsQuery) -> Response:
    after = call.header("last-event-id")
    if after is not None:
        check_cursor(after)
    await call.services.deployments.get(call.caller, call.path("id"))
    items = call.services.logs.follow(
        call.caller, call.path("id"), count=q.tail, since=q.since, after=after
    )
    return EventStream(_log_messages(items), call.over)


async def _log_messages(
    items: AsyncIterator[LogLine | LogGap | None],
) -> AsyncIterator[Message | None]:
    async for item in items:
        match item:
            case LogLine():
                yield Message(render.json_text(render.log_line(item)), id=item.cursor)
            case LogGap():
                yield Message(render.json_text({"after": item.after}), event="gap")
            case None:
                yield None


async def _changes(items: AsyncIterator[FeedItem | None]) -> AsyncIterator[Message | None]:
    async for item in items:
        if item is None:
            yield None
            continue
        yield Message(render.feed_item(item), id=str(item.event.seq))


def _has(n: NodeView, q: NodesQuery) -> bool:
    vram = max((g.reading.gpu.vram_mb or 0 for g in n.gpus), default=0)
    wanted = (
        q.status in (None, n.status),
        q.has_gpu in (None, bool(n.gpus)),
        q.region in (None, n.region),
        vram >= (q.min_gpu_vram or 0),
        (n.specs.cpu_cores or 0) >= (q.min_cpu_cores or 0),
        (n.specs.ram_mb or 0) >= (q.min_ram_mb or 0),
        q.max_hourly_rate is None or n.hourly_rate_cents <= q.max_hourly_rate,
    )
    return all(wanted)
