"""Every answer that the OpenAPI document describes, held against what is served."""

import httpx
import pytest
from starlette.routing import compile_path

from appliance.api.answers import ANSWERS, Problem
from appliance.api.routes import ROUTES, Route
from appliance.domain.errors import ImageFailure
from appliance.runtime.port import PullProgress
from tests.api.served import Caller, Served

pytestmark = pytest.mark.anyio
DESCRIBED = {name: model for name, (_, model) in ANSWERS.items() if model is not None}
PULLED, MISSING = "docker.io/library/pulled:latest", "docker.io/library/missing:latest"


def handler_of(method: str, path: str) -> str:
    """The name of the handler that answers a call."""
    found = [r for r in ROUTES if r.method == method and compile_path(r.path)[0].match(path)]
    return found[0].handler.__name__


class Recorder:
    """Holds every good answer against its description as it comes, and notes what was held."""

    def __init__(self) -> None:
        self.held: set[str] = set()

    async def __call__(self, answer: httpx.Response) -> None:
        name = handler_of(answer.request.method, answer.request.url.path)
        kind = answer.headers["content-type"]
        await answer.aread()
        if answer.status_code >= 400:
            assert kind == "application/problem+json"
            Problem.model_validate_json(answer.content)
        elif name in DESCRIBED:
            assert kind == ANSWERS[name][0]
            DESCRIBED[name].model_validate_json(answer.content)
            self.held.add(name)


async def every_kind_of_deployment(served: Served, caller: Caller) -> list[str]:
    """One that runs with everything, one that is being pulled, failed, stopped and crashed."""
    runtime = served.runtime
    runtime.offer(PULLED, steps=(PullProgress(1, 3, 10, 30),), held=True)
    runtime.refuse(MISSING, ImageFailure("image_not_found", "no such image"))
    full = await caller.create(
        name="full", command=["sh"], env={"A": "1"}, secrets={"S": "x"}, hostname="full",
        ports=[{"port": 8080}], volumes=[{"name": "v", "path": "/v"}], access="private",
        resources={"cpus": 1.5, "memoryMb": 64, "shmMb": 64}, restartPolicy="always",
    )  # fmt: skip
    pulled = await caller.create(customImage=PULLED)
    missing = await caller.create(customImage=MISSING)
    stopped = await caller.create()
    await caller.until(stopped["id"], "running")
    await caller.http.post(f"/deployments/{stopped['id']}/stop")
    ended = await caller.create(restartPolicy="never")
    await caller.until(ended["id"], "running")
    hyphened = ended["id"].replace("_", "-")
    [name] = [n for n in runtime.names() if hyphened in n]
    runtime.finish(name, 137, out_of_memory=True)
    for made, status in (
        (full, "running"), (pulled, "pulling"), (missing, "failed"), (stopped, "stopped"),
        (ended, "failed"),
    ):  # fmt: skip
        await caller.until(made["id"], status)
    return [made["id"] for made in (full, pulled, missing, stopped, ended)]


CALLS: tuple[tuple[str, str], ...] = (
    ("GET", "/deployments"), ("GET", "/deployments?limit=2&page=2"), ("GET", "/deployments/{id}"),
    ("GET", "/deployments/{id}/logs"), ("GET", "/deployments/{id}/events"),
    ("GET", "/deployments/{id}/stats"), ("GET", "/nodes"), ("GET", "/usage"), ("GET", "/doctor"),
    ("GET", "/templates"),
    ("GET", "/templates/ollama"), ("GET", "/healthz"), ("POST", "/deployments/{id}/restart"),
    ("POST", "/deployments/{id}/stop"), ("POST", "/deployments/{id}/start"),
    ("DELETE", "/deployments/{id}"),
)  # fmt: skip


async def test_everything_described_is_served_as_described(served: Served, ada: Caller) -> None:
    recorder = Recorder()
    ada.http.event_hooks["response"] = [recorder]
    ids = await every_kind_of_deployment(served, ada)
    await ada.get(f"/nodes/{ada.node_id}")
    for method, path in CALLS:
        for deployment_id in ids if "{id}" in path else ids[:1]:
            await ada.http.request(method, path.replace("{id}", deployment_id))
    assert set(DESCRIBED) & {r.handler.__name__ for r in ROUTES} == recorder.held


@pytest.mark.parametrize("route", [r for r in ROUTES if r.body is not None], ids=str)
async def test_a_body_that_is_wrong_is_told_in_the_one_shape(ada: Caller, route: Route) -> None:
    ada.http.event_hooks["response"] = [Recorder()]
    path = route.path.replace("{id}", ada.user_id)
    answer = await ada.http.request(route.method, path, json={"nonsense": 1})
    assert answer.status_code == 422
    assert "nonsense" in [e["field"] for e in answer.json()["errors"]]
