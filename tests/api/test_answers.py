"""Every answer that the OpenAPI document describes, held against what is served."""

import pytest

from appliance.api.routes import ROUTES, Route
from appliance.domain.errors import ImageFailure
from appliance.domain.permissions import Role
from appliance.runtime.port import PullProgress
from tests.api.served import DESCRIBED, PASSWORD, Caller, Served

pytestmark = pytest.mark.anyio
PULLED, MISSING = "docker.io/library/pulled:latest", "docker.io/library/missing:latest"


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
    ("GET", "/deployments/{id}/stats"), ("GET", "/deployments/{id}/stats/history"),
    ("GET", "/deployments/{id}/access"), ("POST", "/deployments/{id}/access"),
    ("POST", "/deployments/{id}/ticket"),
    ("POST", "/deployments/{id}/terminal"), ("PATCH", "/deployments/{id}"),
    ("GET", "/deployments/{id}"), ("POST", "/deployments/{id}/restart"),
    ("POST", "/deployments/{id}/stop"), ("POST", "/deployments/{id}/start"),
    ("DELETE", "/deployments/{id}"), ("GET", "/nodes"), ("GET", "/templates"),
    ("GET", "/usage"), ("GET", "/doctor"),
    ("GET", "/templates/ollama"), ("GET", "/healthz"), ("GET", "/settings"), ("GET", "/audit"),
    ("GET", "/audit/verify"), ("PUT", "/registries/a.example"), ("GET", "/registries"),
    ("DELETE", "/registries/a.example"), ("POST", "/auth/password"),
)  # fmt: skip
BODIES: dict[tuple[str, str], dict[str, object]] = {
    ("PATCH", "/deployments/{id}"): {"image": PULLED, "env": {"B": "2"}},
    ("PUT", "/registries/a.example"): {"username": "robot", "password": "hush"},
    ("POST", "/auth/password"): {"current": PASSWORD, "new": "another horse entirely"},
}


async def set_up(served: Served) -> None:
    """The first admin, by the link; then a login."""
    nobody, owner = served.nobody(), await served.owner()
    link = (await owner.http.post("/setup/link")).json()["link"]
    await owner.get("/doctor/observed")
    await nobody.get("/setup")
    first = {"email": "first@example.com", "password": PASSWORD}
    await nobody.post("/setup", json={"code": link.partition("#code=")[2], **first})
    await nobody.post("/auth/login", json=first)


async def test_everything_described_is_served_as_described(served: Served) -> None:
    await set_up(served)
    ada = await served.caller("ada@example.com", Role.ADMIN)
    ids = await every_kind_of_deployment(served, ada)
    await ada.get(f"/nodes/{ada.node_id}")
    for _ in range(2):
        await served.engine.samples.take()
    for method, path in CALLS:
        for deployment_id in ids if "{id}" in path else ids[:1]:
            url = path.replace("{id}", deployment_id)
            body = BODIES.get((method, path))
            await ada.http.request(method, url, json=body)
    await put_a_backup_in_place(ada)
    assert set(DESCRIBED) == served.held


async def put_a_backup_in_place(ada: Caller) -> None:
    copy = (await ada.http.post("/backup")).content
    sqlite = {"content-type": "application/octet-stream"}
    for method in ("DELETE", "POST"):
        made = (await ada.http.post("/restore", content=copy, headers=sqlite)).json()["restore"]
        await ada.http.request(method, f"/restore/{made['id']}")


@pytest.mark.parametrize("route", [r for r in ROUTES if r.body is not None], ids=str)
async def test_a_body_that_is_wrong_is_told_in_the_one_shape(ada: Caller, route: Route) -> None:
    path = route.path.replace("{id}", ada.user_id)
    answer = await ada.http.request(route.method, path, json={"nonsense": 1})
    assert answer.status_code == 422
    assert "nonsense" in [e["field"] for e in answer.json()["errors"]]
