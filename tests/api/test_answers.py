"""Every answer that the OpenAPI document describes, held against what is served."""

import json
from pathlib import Path

import anyio
import pytest

from appliance import listeners
from appliance.api.routes import ROUTES, Route
from appliance.domain.errors import ImageFailure, RuntimeUnavailable
from appliance.domain.permissions import Role
from appliance.log import PROBLEMS
from appliance.runtime.port import PullProgress
from tests.api.served import DESCRIBED, PASSWORD, Caller, Served, problem

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


async def test_the_document_tells_of_itself_and_of_every_header(served: Served) -> None:
    document = (await served.nobody().get("/openapi.json")).json()
    shown = {(path, verb): op for path, verbs in document["paths"].items()
             for verb, op in verbs.items()}  # fmt: skip
    assert shown["/openapi.json", "get"]["security"] == []
    assert {
        (where, p["name"]) for where, op in shown.items() for p in op["parameters"]
        if p["in"] == "header"
    } == {
        (("/deployments", "post"), "Idempotency-Key"), (("/events", "get"), "Last-Event-ID"),
        (("/deployments/{id}/logs", "get"), "Last-Event-ID"),
    }  # fmt: skip
    made = shown["/deployments", "post"]["responses"]
    assert {status: list(answer["headers"]) for status, answer in made.items()
            if "headers" in answer} == {
        "201": ["Location"], "401": ["WWW-Authenticate"], "429": ["Retry-After"],
        "503": ["Retry-After"],
    }  # fmt: skip


async def test_the_document_tells_the_limits_of_a_parameter(served: Served) -> None:
    document = (await served.nobody().get("/openapi.json")).json()
    listing = document["paths"]["/deployments"]["get"]["parameters"]
    [limit] = [p["schema"] for p in listing if p["name"] == "limit"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 100, 20)
    text = json.dumps(document)
    assert '"ge":' not in text
    assert '"le":' not in text


@pytest.mark.parametrize("path", ["/openapi.json", "/healthz"])
async def test_a_verb_that_a_path_does_not_take_is_told_with_those_it_does(
    served: Served, path: str
) -> None:
    answer = await served.nobody().delete(path)
    assert problem(answer, 405)["detail"] == f"{path} takes GET, HEAD"
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("route", [r for r in ROUTES if r.body is not None], ids=str)
async def test_a_body_that_is_wrong_is_told_in_the_one_shape(ada: Caller, route: Route) -> None:
    path = route.path.replace("{id}", ada.user_id)
    answer = await ada.http.request(route.method, path, json={"nonsense": 1})
    assert answer.status_code == 422
    assert "nonsense" in [e["field"] for e in answer.json()["errors"]]


@pytest.mark.parametrize("route", [r for r in ROUTES if r.body is not None], ids=str)
@pytest.mark.parametrize("half", [r"\ud83d", r"\udc00"])
async def test_half_a_surrogate_pair_is_no_json_and_the_body_is_not_repeated(
    ada: Caller, route: Route, half: str
) -> None:
    path = route.path.replace("{id}", ada.user_id)
    body = f'{{"password": "hush-hush", "email": "{half}@x"}}'
    sent = {"Content-Type": "application/json"}
    answer = await ada.http.request(route.method, path, content=body, headers=sent)
    assert "the body is not JSON" in problem(answer, 400)["detail"]
    assert "hush" not in answer.text


@pytest.mark.parametrize("path", ["/auth/login", "/deployments", "/restore"])
async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_defect(
    served: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    ada = await served.caller("ada@example.org", Role.ADMIN)
    kind = "application/octet-stream" if path == "/restore" else "application/json"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: box\r\nContent-Type: {kind}\r\nContent-Length: 2\r\n"
        f"Authorization: {ada.http.headers['authorization']}\r\n\r\n{{"
    )
    server = listeners.server(served.app, grace_s=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listeners.unix(tmp_path / "api.sock")])
        async with await anyio.connect_unix(tmp_path / "api.sock") as client:
            await client.send(head.encode())
        server.stop()
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == []


async def test_every_error_is_in_the_log_by_its_id_and_no_word_of_what_was_sent(
    served: Served, bob: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    nobody, made = served.nobody(), (await bob.create())["id"]
    await bob.until(made, "running")
    served.runtime.faults.fail("stats", error=RuntimeUnavailable("Podman does not answer."))
    wrong = {"name": 5, "secrets": {"hush-hush": 5}, "env": {"hush-hush": 5}}
    answers = [
        await nobody.get("/deployments"),
        await nobody.post("/auth/login", json={"email": "hush-hush@x", "password": "hush-hush"}),
        await nobody.get("/hush-hush"),
        await bob.http.get("/users"),
        await bob.http.get("/deployments/hush-hush"),
        await bob.http.put("/deployments"),
        await bob.http.post("/deployments", content=b"hush-hush"),
        await bob.http.post("/deployments", json=wrong),
        await bob.http.get(f"/deployments/{made}/stats"),
    ]
    assert [a.status_code for a in answers] == [401, 401, 404, 403, 404, 405, 415, 422, 503]
    told = [vars(record) for record in caplog.records if record.name == PROBLEMS]
    assert [(t["errorId"], t["code"], t["status"]) for t in told] == [
        (a.json()["errorId"], a.json()["code"], a.status_code) for a in answers
    ]
    assert [t["levelname"] for t in told] == [*["INFO"] * 8, "WARNING"]
    assert "hush" not in str(told)
