"""GPUs on the page: who holds them, what is left, and memory that did not come back."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.box import Api, Box, running_box, wait_for
from tests.fake_nvml import FakeNvml, gpus_of
from tests.web.browser import Visit

pytestmark = pytest.mark.podman


@pytest.fixture(scope="module")
def nvml(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeNvml]:
    with gpus_of(tmp_path_factory.mktemp("nvml"), 2) as made:
        yield made


@pytest.fixture(scope="module")
def box(nvml: FakeNvml) -> Iterator[Box]:
    with running_box(**nvml.environ, APPLIANCE_GPU_HOURLY_RATE_CENTS="100") as made:
        yield made


@pytest.fixture
def api(ada: Visit) -> Iterator[Api]:
    with ada.box.client(ada.box.token()) as http:
        yield Api(ada.box, http)


def with_gpu(api: Api) -> dict[str, Any]:
    made = api.create(
        templateId=None, customImage="localhost/test/busybox", command=["sleep", "1000"],
        name="trainer", resources={"gpus": 1},
    )  # fmt: skip
    return api.until(made["id"], "running")


def test_memory_that_does_not_come_back_is_shown_with_what_to_do(
    ada: Visit, api: Api, nvml: FakeNvml
) -> None:
    made = with_gpu(api)
    [pid] = map(int, api.box.podman("ps", "--format", "{{.Pid}}").split())
    [index] = [
        n for n, gpu in enumerate(api.http.get("/nodes").json()["nodes"][0]["gpus"])
        if gpu["holders"]
    ]  # fmt: skip
    nvml.processes = [(nvml.gpus[index].uuid, pid, 3072)]
    nvml.change(index, used_mb=3072)
    wait_for(lambda: used_mb(api, index) == 3072)
    page = ada.go(f"/ui/deployments/{made['id']}")
    expect(page.get_by_text("Running", exact=True)).to_be_visible()
    nvml.processes = []
    nvml.save()
    page.get_by_role("button", name="Stop").click()
    told = page.get_by_text("3.0 GiB of GPU memory that it held did not come back")
    expect(told).to_be_visible()
    expect(page.get_by_text("nvidia-smi --gpu-reset")).to_be_visible()

    ada.go("/ui/machine")
    expect(page.get_by_text(f"3.0 GiB on GPU {index}, from {made['id']}")).to_be_visible()
    page.get_by_role("link", name=made["id"]).click()
    nvml.change(index, used_mb=0)
    expect(told).to_be_hidden()
    page.get_by_role("link", name="Events").click()
    expect(page.get_by_text("GPU memory given back")).to_be_visible()
    api.http.delete(f"/deployments/{made['id']}")


def used_mb(api: Api, index: int) -> int | None:
    holders = api.http.get("/nodes").json()["nodes"][0]["gpus"][index]["holders"]
    return holders[0]["vramMb"] if holders else None


def test_an_order_says_how_many_are_left_and_sends_what_was_said_of_them(
    ada: Visit, api: Api
) -> None:
    made = with_gpu(api)
    page = ada.go("/ui/new/image")
    expect(page.get_by_text("1 of 2 free now")).to_be_visible()
    page.get_by_label("Image").fill("localhost/none")
    cost = page.get_by_role("status").filter(has_text="/ h")
    expect(cost).to_have_text("36.00 / h")
    page.get_by_label("GPUs", exact=True).fill("0, 1")
    expect(cost).to_have_text("38.00 / h")
    page.get_by_label("Use of GPUs").select_option("With others")
    ada.refusals = {422}
    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_text("vramMb is required where exclusive is false")).to_be_visible()
    page.get_by_label("GPU memory, MiB").fill("2048")
    with page.expect_request(lambda request: request.method == "POST") as sent:
        page.get_by_role("button", name="Deploy").click()
    resources = {"gpus": ["0", "1"], "vramMb": 2048, "exclusive": False}
    assert (sent.value.post_data_json or {})["resources"] == resources
    page.get_by_role("link", name="Configuration").click()
    expect(page.get_by_text("GPU 0 and 1, with 2.0 GiB free, shared with others")).to_be_visible()
    api.http.delete(f"/deployments/{made['id']}")
