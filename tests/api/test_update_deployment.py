"""PATCH /deployments/:id: what may be sent, what is answered."""

import pytest

from tests.api.served import GPU_RATE_CENTS, Caller, field_errors, problem
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def patch(caller: Caller, deployment_id: str, **fields: object) -> dict[str, object]:
    answer = await caller.http.patch(f"/deployments/{deployment_id}", json=fields)
    assert answer.status_code == 202, answer.text
    return dict(answer.json()["deployment"])


async def test_the_answer_shows_what_is_wanted_and_what_serves_meanwhile(bob: Caller) -> None:
    made = await bob.create(env={"A": "1"}, volumes=[{"name": "data", "path": "/data"}])
    await bob.until(made["id"], "running")
    shown = await patch(bob, made["id"], image="registry.example/app:2", env={"B": "2"})
    assert shown["status"] == "running"
    assert (shown["image"], shown["env"]) == ("registry.example/app:2", {"B": "2"})
    assert shown["update"] == {"servingImage": made["image"], "interrupted": False}
    assert shown["volumes"] == made["volumes"]


async def test_an_update_that_fails_is_told_and_the_old_fields_are_back(bob: Caller) -> None:
    made = await bob.create()
    await bob.until(made["id"], "running")
    await patch(bob, made["id"], image="registry.example/none:1")

    async def failed() -> bool:
        shown = (await bob.get(f"/deployments/{made['id']}"))["deployment"]
        return shown["update"] is None

    await eventually(failed)
    shown = await bob.until(made["id"], "running")
    assert shown["image"] == made["image"]
    assert shown["statusReason"]["code"] == "update_failed"
    assert "registry.example/none:1" in shown["statusReason"]["message"]


async def test_every_field_may_be_sent_and_null_takes_some_away(bob: Caller) -> None:
    made = await bob.create(hostname="blog", command=["sleep", "1"])
    shown = await patch(
        bob, made["id"], name="new", image="localhost/app", env={"A": "1"}, secrets={"S": "x"},
        command=["run"], ports=[{"port": 81}], volumes=[{"name": "v", "path": "/v"}],
        resources={"cpus": 1, "memoryMb": 64}, access="private", hostname="shop",
        health={"path": "/"}, restartPolicy="never", idleTimeoutMinutes=5, evictable=True,
    )  # fmt: skip
    assert (shown["idleTimeoutMinutes"], shown["evictable"]) == (5.0, True)
    assert (shown["name"], shown["hostname"], shown["secretNames"]) == ("new", "shop", ["S"])
    assert (shown["command"], shown["access"]) == (["run"], "private")
    limits = {"cpus": 1.0, "memoryMb": 64, "shmMb": None}
    assert shown["resources"] == limits | {
        "gpus": 0, "minVramMb": None, "vramMb": None, "exclusive": True
    }  # fmt: skip
    assert "x" not in str(shown["env"])
    shown = await patch(
        bob, made["id"], command=None, hostname=None, health=None, secrets={"S": None},
        idleTimeoutMinutes=None,
    )  # fmt: skip
    assert shown["idleTimeoutMinutes"] is None
    assert (shown["command"], shown["hostname"], shown["secretNames"]) == (None, None, [])
    assert shown["env"] == {"A": "1"}


async def test_nothing_to_change_changes_nothing(bob: Caller) -> None:
    made = await bob.create()
    await bob.until(made["id"], "running")
    before = await bob.get(f"/deployments/{made['id']}/events")
    shown = await patch(bob, made["id"])
    assert (await patch(bob, made["id"], name=made["name"])) == shown
    assert await bob.get(f"/deployments/{made['id']}/events") == before


async def test_every_wrong_field_is_named(bob: Caller) -> None:
    made = await bob.create()
    wrong = {"image": "No Image", "env": None, "ports": [{"port": 0}], "templateId": "x",
             "secrets": {"0": "hush"}, "restartPolicy": "maybe", "name": ""}  # fmt: skip
    answer = await bob.http.patch(f"/deployments/{made['id']}", json=wrong)
    assert field_errors(answer).keys() == {
        "image", "env", "ports.0.port", "templateId", "secrets", "restartPolicy", "name",
    }  # fmt: skip
    assert "hush" not in answer.text
    answer = await bob.http.patch(f"/deployments/{made['id']}", json={"name": "  "})
    assert field_errors(answer).keys() == {"name"}
    answer = await bob.http.patch(f"/deployments/{made['id']}", json={"resources": {"cpus": 64}})
    assert field_errors(answer) == {"resources.cpus": "this machine has 8"}
    made = await bob.create(customImage=None, templateId="vllm")
    raw = [{"port": 1, "protocol": "tcp"}]
    answer = await bob.http.patch(
        f"/deployments/{made['id']}", json={"resources": {"cpus": 64, "gpus": 0}, "ports": raw}
    )
    assert field_errors(answer).keys() == {"resources.cpus", "resources.gpus", "ports"}


async def test_the_document_promises_no_defaults(bob: Caller) -> None:
    document = (await bob.get("/openapi.json"))["components"]["schemas"]
    shapes = document["DeploymentChangeBody"]["properties"]
    assert shapes.keys() >= {"image", "env", "secrets", "restartPolicy"}
    shapes |= document["ResourcesChangeBody"]["properties"]
    assert not [name for name, shape in shapes.items() if "default" in shape]


async def test_a_taken_host_name_is_a_conflict(bob: Caller) -> None:
    await bob.create(hostname="blog")
    made = await bob.create()
    answer = await bob.http.patch(f"/deployments/{made['id']}", json={"hostname": "blog"})
    assert problem(answer, 409)["code"] == "name_taken"


async def test_only_its_owner_and_admins_change_it(
    ada: Caller, bob: Caller, carol: Caller, reader: Caller
) -> None:
    made = await bob.create()
    path = f"/deployments/{made['id']}"
    problem(await carol.http.patch(path, json={"name": "mine"}), 404)
    problem(await reader.http.patch(path, json={"name": "mine"}), 403)
    assert (await patch(ada, made["id"], name="adas"))["userId"] == bob.user_id


async def test_the_gpus_of_a_deployment_are_changed_only_while_it_rests(bob: Caller) -> None:
    d = await bob.create()
    await bob.until(d["id"], "running")
    path, change = f"/deployments/{d['id']}", {"resources": {"gpus": 2}}
    refused = await bob.http.patch(path, json=change)
    text = "can be changed only while the deployment is stopped; is 0"
    assert field_errors(refused) == {"resources.gpus": text}
    await bob.http.post(f"{path}/stop")
    await bob.until(d["id"], "stopped")
    assert (await bob.http.patch(path, json=change)).status_code == 202
    shown = (await bob.get(path))["deployment"]
    assert shown["resources"]["gpus"] == 2
    assert shown["hourlyRateCents"] == d["hourlyRateCents"] + 2 * GPU_RATE_CENTS


async def test_other_limits_are_changed_without_naming_the_gpus_size_anew(bob: Caller) -> None:
    """A template's least size of a GPU counts for who names none, at the create and here."""
    d = await bob.create(customImage=None, templateId="vllm", resources={"gpus": 1})
    path, limits = f"/deployments/{d['id']}", {"gpus": 1, "memoryMb": 4096}
    answer = await bob.http.patch(path, json={"resources": limits})
    assert answer.status_code == 202, answer.text
    shown = answer.json()["deployment"]["resources"]
    assert shown == {**d["resources"], "memoryMb": 4096}
    assert shown["minVramMb"] is not None


async def test_limits_that_are_left_out_are_the_templates_again_and_null_takes_one_away(
    bob: Caller,
) -> None:
    d = await bob.create(customImage=None, templateId="vllm", resources={"memoryMb": 4096})
    usual = d["resources"] | {"memoryMb": None}
    assert (usual["shmMb"], usual["gpus"]) == (8192, 1)
    assert (await patch(bob, d["id"], resources={"cpus": 2}))["resources"] == usual | {"cpus": 2}
    shown = await patch(bob, d["id"], resources={"shmMb": None, "gpus": None})
    assert shown["resources"] == usual | {"shmMb": None}


async def test_the_gpu_that_the_template_requires_is_not_taken_away(bob: Caller) -> None:
    d = await bob.create(customImage=None, templateId="vllm")
    path, change = f"/deployments/{d['id']}", {"resources": {"gpus": 0}}
    refused = await bob.http.patch(path, json=change)
    words = "at least 1 is required by the template vllm"
    assert field_errors(refused) == {"resources.gpus": words}
    assert (await patch(bob, d["id"], name="other"))["resources"] == d["resources"]
