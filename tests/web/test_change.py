"""A change is a form: only what differs is sent, and what serves goes on until the new one does."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.box import Api, wait_for
from tests.web.browser import Visit

pytestmark = pytest.mark.podman
SMALL = {"cpus": 0.5, "memoryMb": 64}


@pytest.fixture
def api(ada: Visit) -> Iterator[Api]:
    with ada.box.client(ada.box.token()) as http:
        yield Api(ada.box, http)


def running(api: Api, **fields: Any) -> dict[str, Any]:
    made = api.create(env={"GREETING": "before"}, resources=SMALL, **fields)
    return api.until(made["id"], "running")


def enter(api: Api, deployment: dict[str, Any], *command: str) -> str:
    """What a command in its container says."""
    part = deployment["id"].replace("_", "-")
    name = api.box.podman("ps", "--filter", f"name={part}", "--format", "{{.Names}}")
    return api.box.podman("exec", name, "busybox", *command)


def apply(page: Page) -> dict[str, Any]:
    """The body that went out; it was answered."""
    with page.expect_response(lambda answer: answer.request.method == "PATCH") as answered:
        page.get_by_role("button", name="Apply the change").click()
    return dict(answered.value.request.post_data_json or {})


def test_only_what_differs_is_sent_and_the_new_container_takes_over(ada: Visit, api: Api) -> None:
    made = running(api)
    page = ada.go(f"/ui/deployments/{made['id']}/change")
    page.get_by_label("Value").fill("after")
    page.get_by_label("CPUs").fill("0.25")
    page.get_by_label("Health check").fill("/?up")
    page.get_by_role("radio", name="Private").check()
    assert apply(page) == {
        "env": {"GREETING": "after"}, "access": "private",
        "resources": {**SMALL, "cpus": 0.25, "shmMb": None, "gpus": 0, "minVramMb": None,
                      "vramMb": None, "exclusive": True},
        "health": {"path": "/?up", "port": 8080},
    }  # fmt: skip
    expect(page.get_by_role("heading", name=made["name"])).to_be_visible()
    wait_for(lambda: api.get(made["id"])["update"] is None)
    assert api.get(made["id"])["statusReason"] is None
    page.get_by_role("link", name="Configuration").click()
    expect(page.get_by_text("0.25 CPU, 64 MiB memory")).to_be_visible()
    expect(page.get_by_text("GET /?up on 8080")).to_be_visible()
    page.get_by_role("link", name="Events").click()
    expect(page.get_by_text("Changed", exact=True)).to_be_visible()


def test_one_that_fails_leaves_what_was_there_and_says_so(ada: Visit, api: Api) -> None:
    made = running(api)
    page = ada.go(f"/ui/deployments/{made['id']}/change")
    page.get_by_label("Image").fill("localhost/not/there")
    assert apply(page) == {"image": "localhost/not/there"}
    told = page.get_by_text("The update failed and the deployment stays as it was")
    expect(told.first).to_be_visible()
    expect(page.get_by_text("Running", exact=True)).to_be_visible()
    assert "before" in ada.box.visit(made["endpoints"][0]["url"]).text


def test_a_volume_that_is_taken_out_and_put_back_has_kept_its_data(ada: Visit, api: Api) -> None:
    made = running(api, volumes=[{"name": "data", "path": "/data"}])
    enter(api, made, "touch", "/data/kept")
    page = ada.go(f"/ui/deployments/{made['id']}/change")
    page.locator(".rows-volume").get_by_role("button", name="Remove").click()
    assert apply(page) == {"volumes": []}
    wait_for(lambda: api.get(made["id"])["update"] is None)
    assert api.get(made["id"])["volumes"] == []
    page = ada.go(f"/ui/deployments/{made['id']}/change")
    page.get_by_role("button", name="Add volume").click()
    page.get_by_label("Name", exact=True).last.fill("data")
    page.get_by_label("Path in the container").fill("/again")
    assert apply(page) == {"volumes": [{"name": "data", "path": "/again"}]}
    wait_for(lambda: api.get(made["id"])["update"] is None)
    assert enter(api, made, "ls", "/again") == "kept"


def test_errors_stand_beside_their_fields_and_nothing_is_changed(ada: Visit, api: Api) -> None:
    ada.refusals = {422}
    made = running(api)
    page = ada.go(f"/ui/deployments/{made['id']}/change")
    page.get_by_label("Memory, MiB", exact=True).fill("lots")
    page.get_by_label("Host name").fill("NOT A NAME")
    page.get_by_placeholder("8080").fill("70000")
    page.get_by_role("button", name="Apply the change").click()
    for name in ("Memory, MiB", "Host name", "Port"):
        field = page.get_by_role("textbox", name=name).first
        expect(field).to_have_attribute("aria-invalid", "true")
    assert page.url.endswith("/change")
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("heading", name=made["name"])).to_be_visible()
    assert api.get(made["id"])["updatedAt"] == made["updatedAt"]


def test_what_the_machine_has_left_stands_beside_each_limit(ada: Visit, api: Api) -> None:
    page = ada.go("/ui/new/image")
    left = api.http.get("/nodes").json()["nodes"][0]
    threads = left["specs"]["cpuThreads"]
    expect(page.get_by_text(f" of {threads} idle now")).to_be_visible()
    expect(page.get_by_text(f" of {left['specs']['ramMb']:,} left now")).to_be_visible()
    expect(page.get_by_text(f" of {left['specs']['diskGb']} GiB")).to_be_visible()
    expect(page.get_by_text("It has none")).to_be_visible()
