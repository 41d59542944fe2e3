"""``POST /deployments``: what may be asked for, and every word said about what may not."""

from typing import Any

import pytest

from tests.api.served import IMAGE, RATE_CENTS, Caller, Served, field_errors, problem

pytestmark = pytest.mark.anyio

SEED_KEYS = {
    "id", "userId", "nodeId", "templateId", "name", "status", "endpoints", "env", "totalCost",
    "createdAt",
}  # fmt: skip
ADDED_KEYS = {
    "image", "statusReason", "health", "restartCount", "exitCode", "resources", "volumes",
    "command", "access", "actions", "hourlyRateCents", "updatedAt", "pull",
    "ports", "healthCheck", "leakedVramMb",
}  # fmt: skip


async def test_the_seeds_example_is_answered_in_the_seeds_shape(bob: Caller) -> None:
    body = {
        "nodeId": bob.node_id,
        "templateId": "ollama",
        "customImage": None,
        "name": "my-ollama-server",
        "env": {"OLLAMA_MODELS": "llama2,mistral"},
    }
    answer = await bob.http.post("/deployments", json=body)
    made = answer.json()["deployment"]
    assert answer.status_code == 201
    assert answer.json()["estimatedHourlyCost"] == RATE_CENTS
    assert answer.headers["location"] == f"/deployments/{made['id']}"
    assert made.keys() >= SEED_KEYS | ADDED_KEYS
    assert "startedAt" not in made
    assert "stoppedAt" not in made
    assert {k: made[k] for k in ("name", "status", "endpoints", "totalCost", "env", "userId")} == {
        "name": "my-ollama-server", "status": "pending", "endpoints": [], "totalCost": 0,
        "env": {"OLLAMA_MODELS": "llama2,mistral"}, "userId": bob.user_id,
    }  # fmt: skip


async def test_every_optional_field_is_taken(bob: Caller) -> None:
    made = await bob.create(
        customImage="app", name="Full", env={"A": "1"}, secrets={"TOKEN": "canary"},
        command=["serve", "--all"], ports=[{"port": 8080}, {"port": 5432, "protocol": "tcp"}],
        volumes=[{"name": "data", "path": "/var/lib/data"}], access="private", hostname="full",
        resources={"cpus": 0.5, "memoryMb": 64, "shmMb": 8, "gpus": 0},
        health={"path": "/healthz", "port": 8080}, restartPolicy="never", idleTimeoutMinutes=7.5,
        evictable=True,
    )  # fmt: skip
    assert made["image"] == IMAGE
    assert made["command"] == ["serve", "--all"]
    assert made["volumes"] == [{"name": "data", "path": "/var/lib/data"}]
    limits = {"cpus": 0.5, "memoryMb": 64, "shmMb": 8}
    no_gpu = {"gpus": 0, "minVramMb": None, "vramMb": None, "exclusive": True}
    assert made["resources"] == limits | no_gpu
    assert (made["access"], made["hostname"]) == ("private", "full")
    assert (made["idleTimeoutMinutes"], made["evictable"]) == (7.5, True)
    assert made["ports"] == [
        {"port": 8080, "protocol": "http", "name": None},
        {"port": 5432, "protocol": "tcp", "name": None},
    ]
    assert made["healthCheck"] == {"path": "/healthz", "port": 8080}


async def test_null_means_not_said(bob: Caller) -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("templateId", "name", "env", "secrets", "command", "ports", "volumes", "resources",
         "access", "hostname", "health", "restartPolicy", "evictable")
    )  # fmt: skip
    made = await bob.create(**nothing)
    assert (made["name"], made["env"], made["evictable"]) == ("app", {}, False)
    port = {"port": 80, "protocol": None, "name": None}
    assert (await bob.create(ports=[port]))["ports"] == [port | {"protocol": "http"}]


LIMITS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("vllm", {"memoryMb": 16_000}, {"gpus": 1, "shmMb": 8192, "minVramMb": 6144}),
    ("vllm", {"gpus": 2}, {"shmMb": 8192, "minVramMb": 6144}),
    ("vllm", {"vramMb": 9000, "exclusive": False}, {"gpus": 1, "shmMb": 8192}),
    ("vllm", {"shmMb": 64, "minVramMb": 80_000}, {"gpus": 1}),
    ("welcome", {"gpus": 1}, {"memoryMb": 128}),
    ("welcome", {"cpus": 1}, {"memoryMb": 128}),
    ("welcome", {"memoryMb": 64}, {"cpus": None}),
    ("welcome", {}, {"memoryMb": 128}),
]


@pytest.mark.parametrize(("template", "said", "kept"), LIMITS)
async def test_a_limit_that_is_not_said_is_the_templates(
    bob: Caller, template: str, said: dict[str, Any], kept: dict[str, Any]
) -> None:
    made = await bob.create(customImage=None, templateId=template, resources=said)
    assert made["resources"].items() >= (said | kept).items()


async def test_null_among_the_limits_means_not_said_too(bob: Caller) -> None:
    usual = await bob.create(customImage=None, templateId="vllm")
    nothing = dict.fromkeys(usual["resources"])
    made = await bob.create(customImage=None, templateId="vllm", resources=nothing)
    assert made["resources"] == usual["resources"]


@pytest.mark.parametrize("said", [{"gpus": 0}, {"gpus": 0, "vramMb": 5000}])
async def test_a_template_that_requires_a_gpu_is_not_deployed_without(
    bob: Caller, said: dict[str, Any]
) -> None:
    told = await bob.refused(templateId="vllm", resources=said)
    assert told == {"resources.gpus": "at least 1 is required by the template vllm"}


async def test_a_secret_is_never_seen_again(bob: Caller, served: Served) -> None:
    made = await bob.create(secrets={"TOKEN": "canary-4711"})
    await bob.until(made["id"], "running")
    for path in ("", "/events", "/logs"):
        answer = await bob.http.get(f"/deployments/{made['id']}{path}")
        assert "canary" not in answer.text
    rows = await served.db.read("SELECT * FROM deployment")
    assert "canary" not in str([tuple(row) for row in rows])


async def test_the_secret_reaches_the_container(bob: Caller, served: Served) -> None:
    made = await bob.create(secrets={"TOKEN": "canary-4711"})
    await bob.until(made["id"], "running")
    [name] = served.runtime.names()
    assert served.runtime.created_from(name).env["TOKEN"] == "canary-4711"


async def test_a_name_is_kept_in_normal_form(bob: Caller) -> None:
    assert (await bob.create(name=" cafe\u0301"))["name"] == "caf\u00e9"
    assert (await bob.create(name="e\u0301" * 63))["name"] == "\u00e9" * 63


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"nodeId": None}, "nodeId", "string"),
    ({"nodeId": "node_other"}, "nodeId", "this machine is node_"),
    ({"customImage": None, "templateId": "nope"}, "templateId", "no template 'nope'"),
    ({"customImage": "docker://nginx"}, "customImage", "without a transport"),
    ({"customImage": "Nginx"}, "customImage", "lower case"),
    ({"customImage": 5}, "customImage", "string"),
    ({"name": ""}, "name", "at least 1"),
    ({"name": " \u3000"}, "name", "at least 1"),
    ({"name": "x" * 64}, "name", "at most 63 characters"),
    ({"name": "a\u202eb"}, "name", "bidirectional"),
    ({"name": "a\u200bb"}, "name", "zero-width"),
    ({"name": "a\nb"}, "name", "control"),
    ({"env": []}, "env", "object"),
    ({"env": {"A": 1}}, "env.A", "string"),
    ({"env": {"1A": "x"}}, "env", "1A"),
    ({"env": {"A=B": "x"}}, "env", "A=B"),
    ({"env": {"LD_PRELOAD": "x"}}, "env", "LD_PRELOAD is reserved"),
    ({"env": {"NVIDIA_VISIBLE_DEVICES": "all"}}, "env", "is reserved"),
    ({"env": {"CUDA_VISIBLE_DEVICES": "1"}}, "env", "is reserved"),
    ({"env": {"A": "x\0y"}}, "env", "NUL"),
    ({"env": {"A": "x" * 32_769}}, "env", "32768 bytes"),
    ({"env": {f"V{n}": "" for n in range(257)}}, "env", "at most 256"),
    ({"secrets": {"LD_PRELOAD": "x"}}, "secrets", "is reserved"),
    ({"command": "serve"}, "command", "array"),
    ({"command": []}, "command", "at least 1"),
    ({"command": ["a\0b"]}, "command.0", "pattern"),
    ({"ports": [{"port": 0}]}, "ports.0.port", "greater than or equal to 1"),
    ({"ports": [{"port": 65536}]}, "ports.0.port", "less than or equal to 65535"),
    ({"ports": [{"port": "80"}]}, "ports.0.port", "integer"),
    ({"ports": [{"port": 80, "protocol": "udp"}]}, "ports.0.protocol", "'http' or 'tcp'"),
    ({"ports": [{"port": 80}, {"port": 80}]}, "ports", "once"),
    ({"ports": [{"port": n} for n in range(1, 34)]}, "ports", "at most 32"),
    ({"volumes": [{"name": "Data", "path": "/a"}]}, "volumes.0.name", "pattern"),
    ({"volumes": [{"name": "../x", "path": "/a"}]}, "volumes.0.name", "pattern"),
    ({"volumes": [{"name": "a", "path": "a"}]}, "volumes.0.path", "absolute"),
    ({"volumes": [{"name": "a", "path": "/a/../b"}]}, "volumes.0.path", "absolute"),
    ({"volumes": [{"name": "a", "path": "/a:ro"}]}, "volumes.0.path", "absolute"),
    ({"volumes": [{"name": "a", "path": "/"}]}, "volumes.0.path", "/proc"),
    ({"volumes": [{"name": "a", "path": "/proc"}]}, "volumes.0.path", "/proc"),
    ({"volumes": [{"name": "a", "path": "/sys/fs"}]}, "volumes.0.path", "/sys"),
    ({"volumes": [{"name": "a", "path": "/dev/pts"}]}, "volumes.0.path", "/dev"),
    ({"volumes": [{"name": "a", "path": "/a"}, {"name": "a", "path": "/b"}]}, "volumes", "once"),
    ({"volumes": [{"name": "a", "path": "/a"}, {"name": "b", "path": "/a"}]}, "volumes", "once"),
    ({"volumes": [{"name": "a", "path": "/a", "host": "/"}]}, "volumes.0.host", "unknown"),
    ({"resources": {"cpus": 0}}, "resources.cpus", "greater than"),
    ({"resources": {"cpus": 9}}, "resources.cpus", "this machine has 8"),
    ({"resources": {"cpus": "1"}}, "resources.cpus", "number"),
    ({"resources": {"memoryMb": 15}}, "resources.memoryMb", "16"),
    ({"resources": {"memoryMb": 16_001}}, "resources.memoryMb", "this machine has 16000"),
    ({"resources": {"memoryMb": 64.5}}, "resources.memoryMb", "integer"),
    ({"resources": {"gpus": -1}}, "resources.gpus", "0"),
    ({"resources": {"gpus": []}}, "resources.gpus", "a list of uuids and indices"),
    ({"resources": {"gpus": True}}, "resources.gpus", "a number from 0 to 64"),
    ({"resources": {"gpus": ["../x"]}}, "resources.gpus", "no uuid or index"),
    ({"resources": {"gpus": [0, "0"]}}, "resources.gpus", "may stand once"),
    ({"resources": {"gpus": 1, "exclusive": False}}, "resources.vramMb", "vramMb is required"),
    ({"resources": {"vramMb": 5}}, "resources.gpus", "gpus is required"),
    ({"resources": {"memory": 64}}, "resources.memory", "unknown"),
    ({"hostname": "Api"}, "hostname", "a-z, 0-9"),
    ({"hostname": "api"}, "hostname", "reserved"),
    ({"hostname": "dep-x"}, "hostname", "reserved"),
    ({"hostname": "xn--x"}, "hostname", "reserved"),
    ({"hostname": "a.b"}, "hostname", "a-z, 0-9"),
    ({"hostname": "-a"}, "hostname", "a-z, 0-9"),
    ({"access": "secret"}, "access", "'public' or 'private'"),
    ({"health": {"path": "healthz"}}, "health.path", "pattern"),
    ({"health": {"path": "/a b"}}, "health.path", "pattern"),
    ({"health": {}}, "health.path", "required"),
    ({"restartPolicy": "no"}, "restartPolicy", "'always', 'on-failure' or 'never'"),
    ({"privileged": True}, "privileged", "unknown field"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "where", "words"), WRONG)
async def test_a_wrong_field_is_named_and_nothing_is_written(
    bob: Caller, fields: dict[str, Any], where: str, words: str
) -> None:
    told = await bob.refused(**{"customImage": IMAGE, **fields})
    assert list(told) == [where]
    assert words in told[where]
    assert (await bob.get("/deployments"))["pagination"]["total"] == 0


@pytest.mark.parametrize("source", [{}, {"templateId": "welcome", "customImage": IMAGE}])
async def test_exactly_one_source_is_needed(bob: Caller, source: dict[str, Any]) -> None:
    assert "exactly one of templateId and customImage" in str(await bob.refused(**source))


async def test_a_variable_is_either_open_or_secret(bob: Caller) -> None:
    told = await bob.refused(customImage=IMAGE, env={"A": "1"}, secrets={"A": "2"})
    assert "env and secrets both hold A" in str(told)


async def test_what_a_template_needs_is_asked_for_by_name(bob: Caller) -> None:
    told = await bob.refused(templateId="postgres")
    assert "is required by the template postgres" in told["secrets.POSTGRES_PASSWORD"]


async def test_what_is_wrong_with_fields_and_between_them_is_told_at_once(bob: Caller) -> None:
    one_source = "exactly one of templateId and customImage is required"
    told = await bob.refused(nodeId=None, env={"A": "1"}, secrets={"A": "2"}, hostname="API")
    assert told.keys() == {"nodeId", "hostname", "body"}
    answer = await bob.http.post("/deployments", json={"env": {"A": "1"}, "secrets": {"A": "2"}})
    messages = [(e["field"], e["message"]) for e in problem(answer, 422)["errors"]]
    assert messages == [
        ("body", one_source), ("body", "env and secrets both hold A"), ("nodeId", "is required"),
    ]  # fmt: skip


async def test_what_the_machine_and_the_template_miss_is_told_at_once(bob: Caller) -> None:
    too_large = {"cpus": 9, "exclusive": False}
    told = await bob.refused(nodeId="x", templateId="postgres", resources=too_large)
    assert told.keys() == {
        "nodeId", "resources.cpus", "resources.vramMb", "resources.gpus",
        "secrets.POSTGRES_PASSWORD",
    }  # fmt: skip
    told = await bob.refused(nodeId="x", templateId="none", resources={"memoryMb": 16_001})
    assert told.keys() == {"nodeId", "resources.memoryMb", "templateId"}


async def test_a_wrong_secret_is_not_repeated(bob: Caller) -> None:
    answer = await bob.http.post(
        "/deployments",
        json={"nodeId": bob.node_id, "customImage": IMAGE, "secrets": {"TOKEN": 4711}},
    )
    assert field_errors(answer).keys() == {"secrets.TOKEN"}
    assert "4711" not in answer.text


async def test_a_taken_host_name_is_a_conflict_until_it_is_free(bob: Caller) -> None:
    first = await bob.create(hostname="blog")
    body = {"nodeId": bob.node_id, "customImage": IMAGE, "hostname": "blog"}
    assert problem(await bob.http.post("/deployments", json=body), 409)["code"] == "name_taken"
    await bob.http.delete(f"/deployments/{first['id']}")
    assert (await bob.http.post("/deployments", json=body)).status_code == 201


async def test_the_limit_of_the_machine_is_a_conflict(bob: Caller) -> None:
    for _ in range(100):
        await bob.create()
    body = {"nodeId": bob.node_id, "customImage": IMAGE}
    assert problem(await bob.http.post("/deployments", json=body), 409)["code"] == "limit_reached"


async def test_a_key_makes_one_deployment_however_often_it_comes(bob: Caller) -> None:
    body = {"nodeId": bob.node_id, "customImage": IMAGE}
    answers = [
        await bob.http.post("/deployments", json=body, headers={"Idempotency-Key": "k-1"})
        for _ in range(3)
    ]
    assert [a.status_code for a in answers] == [201] * 3
    assert len({a.content for a in answers}) == 1
    assert {a.headers["location"] for a in answers} == {
        f"/deployments/{answers[0].json()['deployment']['id']}"
    }
    assert (await bob.get("/deployments"))["pagination"]["total"] == 1


async def test_a_key_is_its_users_own(bob: Caller, carol: Caller) -> None:
    for caller in (bob, carol):
        body = {"nodeId": bob.node_id, "customImage": IMAGE}
        headers = {"Idempotency-Key": "k-1"}
        made = (await caller.http.post("/deployments", json=body, headers=headers)).json()
        assert made["deployment"]["userId"] == caller.user_id


async def test_a_refused_request_leaves_its_key_unused(bob: Caller) -> None:
    headers = {"Idempotency-Key": "k-1"}
    wrong = {"nodeId": bob.node_id, "customImage": "Nginx"}
    assert (await bob.http.post("/deployments", json=wrong, headers=headers)).status_code == 422
    right = {"nodeId": bob.node_id, "customImage": IMAGE}
    assert (await bob.http.post("/deployments", json=right, headers=headers)).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_a_key_is_1_to_255_visible_characters(bob: Caller, key: str) -> None:
    body = {"nodeId": bob.node_id, "customImage": IMAGE}
    answer = await bob.http.post("/deployments", json=body, headers={"Idempotency-Key": key})
    assert field_errors(answer).keys() == {"Idempotency-Key"}
