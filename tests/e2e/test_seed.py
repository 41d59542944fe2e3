"""A client written from the seed's text alone works: each of its lines, on real Podman."""

import re

import httpx
import pytest

from tests.box import Api, Box, wait_for

pytestmark = pytest.mark.podman
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_all_deployment_endpoints_require_authentication(box: Box) -> None:
    for method, path in (("GET", "/deployments"), ("POST", "/deployments/x/start")):
        answer = httpx.request(method, box.url + path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_seeds_whole_story(api: Api) -> None:
    node = api.node_id()
    request = {
        "nodeId": node,
        "templateId": "welcome",
        "customImage": None,
        "name": "my-ollama-server",
        "env": {"OLLAMA_HOST": "0.0.0.0"},
    }
    created = api.http.post("/deployments", json=request)
    assert created.status_code == 201
    body = created.json()
    d = body["deployment"]
    assert created.headers["location"] == f"/deployments/{d['id']}"
    assert body["estimatedHourlyCost"] == 3600
    assert d["id"].startswith("dep_")
    assert d["userId"].startswith("user_")
    assert (d["nodeId"], d["templateId"]) == (node, "welcome")
    assert (d["name"], d["status"]) == ("my-ollama-server", "pending")
    assert (d["endpoints"], d["totalCost"]) == ([], 0)
    assert d["env"] == {"OLLAMA_HOST": "0.0.0.0"}
    assert TIME.fullmatch(d["createdAt"])
    assert "startedAt" not in d

    running = api.until(d["id"], "running")
    [endpoint] = running["endpoints"]
    assert endpoint["internalPort"] == 8080
    assert TIME.fullmatch(running["startedAt"])
    assert endpoint["type"] == "https"
    assert "OLLAMA_HOST=0.0.0.0" in api.box.visit(f"{endpoint['url']}/env").text
    wait_for(lambda: api.get(d["id"])["totalCost"] >= 1)

    listed = api.http.get("/deployments", params={"status": "running"}).json()
    assert d["id"] in [x["id"] for x in listed["deployments"]]
    assert listed["pagination"]["page"] == 1
    assert listed["pagination"]["limit"] == 20

    stop = api.http.post(f"/deployments/{d['id']}/stop")
    assert (stop.status_code, stop.json()["deployment"]["status"]) == (202, "stopping")
    assert "stoppedAt" in api.until(d["id"], "stopped")
    start = api.http.post(f"/deployments/{d['id']}/start")
    assert (start.status_code, start.json()["deployment"]["status"]) == (202, "starting")
    api.until(d["id"], "running")

    logs = api.http.get(f"/deployments/{d['id']}/logs", params={"tail": 2}).json()["logs"]
    assert 1 <= len(logs) <= 2
    assert set(logs[0]) == {"timestamp", "stream", "message"}
    assert logs[0]["stream"] in ("stdout", "stderr")
    since = logs[-1]["timestamp"]
    later = api.http.get(f"/deployments/{d['id']}/logs", params={"since": since}).json()["logs"]
    assert later[0]["timestamp"] >= since

    gone = api.http.delete(f"/deployments/{d['id']}")
    assert (gone.status_code, gone.json()) == (
        200, {"success": True, "message": "Deployment deleted"},
    )  # fmt: skip
    assert api.http.get(f"/deployments/{d['id']}").status_code == 404
    wait_for(lambda: d["id"].replace("_", "-") not in api.box.podman("ps", "-a"))


def test_a_page_counts_and_turns(api: Api) -> None:
    ids = [api.create(templateId=None, customImage="localhost/none")["id"] for _ in range(3)]
    for i in ids:
        api.until(i, "failed")
    query: dict[str, str | int] = {"status": "failed", "limit": 2, "page": 2}
    answer = api.http.get("/deployments", params=query).json()
    assert answer["pagination"] == {"page": 2, "limit": 2, "total": 3, "totalPages": 2}
    assert [d["id"] for d in answer["deployments"]] == ids[:1]
    assert answer["deployments"][0]["statusReason"]["code"] == "image_not_found"
    for i in ids:
        api.http.delete(f"/deployments/{i}")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=101", "limit"), ("limit=0", "limit"), ("page=0", "page"), ("page=x", "page"),
        ("status=nope", "status"), ("stauts=running", "stauts"), ("page=1&page=2", "page"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(api: Api, query: str, field: str) -> None:
    answer = api.http.get(f"/deployments?{query}")
    assert answer.status_code == 422
    assert [e["field"] for e in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("query", ["tail=0", "tail=10001", "since=yesterday", "since=12"])
def test_a_wrong_log_parameter_is_named(api: Api, query: str) -> None:
    answer = api.http.get(f"/deployments/dep_x/logs?{query}")
    assert answer.status_code == 422
    assert [e["field"] for e in answer.json()["errors"]] == [query.partition("=")[0]]


def test_the_same_key_and_body_answer_the_same_again_and_another_body_does_not(api: Api) -> None:
    body = {"nodeId": api.node_id(), "templateId": "welcome"}
    headers = {"Idempotency-Key": "k-1"}
    first = api.http.post("/deployments", json=body, headers=headers)
    again = api.http.post("/deployments", json=body, headers=headers)
    assert first.content == again.content
    other = api.http.post("/deployments", json={**body, "name": "x"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")
    api.http.delete(f"/deployments/{first.json()['deployment']['id']}")


def test_models_are_fetched_inside_the_container_which_never_sees_the_variable(api: Api) -> None:
    templates = api.box.data / "templates"
    templates.mkdir(exist_ok=True)
    (templates / "ollama.toml").write_text(OLLAMA)
    containerfile = api.box.top / "Containerfile"
    containerfile.write_text(RECORDER)
    api.box.podman("build", "-q", "-t", "localhost/test/ollama", "-f", str(containerfile), ".")
    api.box.terminate()
    api.box.start()
    d = api.create(templateId="ollama", env={"OLLAMA_MODELS": "llama2,mistral"})
    assert d["env"] == {"OLLAMA_MODELS": "llama2,mistral"}
    api.until(d["id"], "running")

    def messages() -> list[str]:
        events = api.http.get(f"/deployments/{d['id']}/events").json()["events"]
        return [e["message"] for e in events if e["type"] == "parameter"]

    wait_for(
        lambda: {"llama2: done", "mistral: done"} <= set(messages()), what=lambda: str(messages())
    )
    name = api.box.podman("ps", "--format", "{{.Names}}", "--filter", "name=" + d["id"][4:])
    assert api.box.podman("exec", name, "cat", "/calls").split("\n") == [
        "pull llama2", "pull mistral",
    ]  # fmt: skip
    assert "OLLAMA_MODELS" not in api.box.podman("exec", name, "env")
    api.http.delete(f"/deployments/{d['id']}")


OLLAMA = """
id = "ollama"
name = "Ollama"
description = "A stand-in that records its calls"
category = "test"
image = "localhost/test/ollama:latest"
access = "private"

[[parameters]]
name = "OLLAMA_MODELS"
description = "Models to fetch"
command = ["ollama", "pull", "{value}"]
"""

RECORDER = """
FROM localhost/test/busybox
RUN printf '#!/bin/sh\\necho "$@" >> /calls\\necho pulling $2\\n' > /bin/ollama
RUN chmod 755 /bin/ollama
CMD ["sleep", "1000"]
"""
