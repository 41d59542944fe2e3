"""A new spec on real Podman: no gap where it can be had, the old one back where it can't be."""

import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from tests.box import Api, Box, running_box, wait_for

pytestmark = pytest.mark.podman
DRAIN_S = 15
MOMENTS_S = (0.0, 0.05, 0.15, 0.3, 0.6)
DATA = [{"name": "data", "path": "/data"}]


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with running_box(APPLIANCE_DRAIN_S=str(DRAIN_S)) as made:
        yield made


def update(api: Api, deployment_id: str, **fields: object) -> None:
    answer = api.http.patch(f"/deployments/{deployment_id}", json=fields)
    assert answer.status_code == 202, answer.text


def containers(api: Api, deployment_id: str) -> list[str]:
    names = api.box.podman("ps", "-a", "--format", "{{.Names}}").split()
    return [n for n in names if deployment_id[4:] in n]


def settled(api: Api, deployment_id: str) -> dict[str, object]:
    wait_for(
        lambda: (
            api.get(deployment_id)["update"] is None
            and api.get(deployment_id)["status"] == "running"
            and len(containers(api, deployment_id)) == 1
        ),
        what=lambda: f"{api.get(deployment_id)} {containers(api, deployment_id)}",
    )
    return api.get(deployment_id)


def greeting(api: Api, deployment_id: str) -> str:
    [endpoint] = api.get(deployment_id)["endpoints"]
    answer = api.box.visit(f"{endpoint['url']}/env")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_whoever_comes_by_the_front_door_is_answered_by_the_old_one_and_then_the_new(
    api: Api,
) -> None:
    """One after the other without a pause, on fresh connections: no answer is missing or cut."""
    d = api.create()
    api.until(d["id"], "running")
    update(api, d["id"], env={"GREETING": "second"})
    answers = []
    while len(containers(api, d["id"])) > 1 or api.get(d["id"])["update"] is not None:
        answers += ["GREETING=second" in greeting(api, d["id"]) for _ in range(20)]
    assert answers == sorted(answers)
    assert "GREETING=second" in greeting(api, d["id"])
    assert settled(api, d["id"])["restartCount"] == 0
    api.http.delete(f"/deployments/{d['id']}")


def test_a_stream_outlives_the_switch_and_no_longer_than_it_may(api: Api) -> None:
    d = api.create()
    api.until(d["id"], "running")
    [endpoint] = api.get(d["id"])["endpoints"]
    with api.box.visiting(f"{endpoint['url']}/stream") as answer:
        lines = answer.iter_lines()
        next(lines)
        update(api, d["id"], env={"GREETING": "second"})
        wait_for(lambda: api.get(d["id"])["update"] is None)
        for _ in range(2):
            next(lines)
        assert len(containers(api, d["id"])) == 2
        assert "GREETING=second" in greeting(api, d["id"])
        with suppress(httpx.HTTPError):
            assert len(list(lines)) < 3 * DRAIN_S
    settled(api, d["id"])
    api.http.delete(f"/deployments/{d['id']}")


@pytest.mark.parametrize("volumes", [[], DATA], ids=["beside", "handover"])
def test_an_image_that_ends_leaves_the_old_one(api: Api, volumes: list[dict[str, str]]) -> None:
    d = api.create(volumes=volumes, env={"GREETING": "first"})
    api.until(d["id"], "running")
    update(api, d["id"], command=["sh", "-c", "exit 4"], health=None)
    shown = settled(api, d["id"])
    assert "Exited with code 4" in shown["statusReason"]["message"]  # type: ignore[index]
    assert shown["statusReason"]["code"] == "update_failed"  # type: ignore[index]
    assert "GREETING=first" in greeting(api, d["id"])
    api.http.delete(f"/deployments/{d['id']}")


def test_a_volume_goes_from_the_old_container_to_the_new_one(api: Api) -> None:
    d = api.create(volumes=DATA)
    api.until(d["id"], "running")
    [name] = containers(api, d["id"])
    api.box.podman("exec", name, "sh", "-c", "echo kept > /data/file")
    update(api, d["id"], env={"GREETING": "second"})
    settled(api, d["id"])
    [name] = containers(api, d["id"])
    assert name.endswith("-g2")
    assert api.box.podman("exec", name, "cat", "/data/file") == "kept"
    assert [e["type"] for e in events(api, d["id"])][-2:] == ["updating", "updated"]
    api.http.delete(f"/deployments/{d['id']}")


def events(api: Api, deployment_id: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = api.http.get(f"/deployments/{deployment_id}/events").json()[
        "events"
    ]
    return found


@pytest.mark.parametrize("moment_s", MOMENTS_S)
@pytest.mark.parametrize("volumes", [[], DATA], ids=["beside", "handover"])
def test_an_acknowledged_update_is_carried_out_after_a_crash(
    api: Api, moment_s: float, volumes: list[dict[str, str]]
) -> None:
    d = api.create(volumes=volumes)
    api.until(d["id"], "running")
    update(api, d["id"], env={"GREETING": "second"})
    time.sleep(moment_s)  # the moment of the crash is what is tested
    api.box.kill()
    api.box.start()
    settled(api, d["id"])
    assert "GREETING=second" in greeting(api, d["id"])
    [name] = containers(api, d["id"])
    assert not name.endswith("-g1")  # which number it has is the crash's doing
    api.http.delete(f"/deployments/{d['id']}")
