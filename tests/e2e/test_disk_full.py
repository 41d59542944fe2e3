"""A disk without a byte left, with the database and Podman's storage on it."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.box import Api, Box, cared_for, wait_for

pytestmark = pytest.mark.podman
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    top = Path(tempfile.mkdtemp(prefix="nnfull-", dir="/tmp"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", top], check=True)
    made = Box(top)
    with cared_for(made):
        yield made


def fill(box: Box) -> Path:
    """To the last page: what is free is not asked before, for the appliance writes meanwhile."""
    file = box.top / "others"
    with file.open("wb", buffering=0) as target, suppress(OSError):
        while target.write(bytes(MIB)):  # less of it where no more fits, then no space left
            pass
    return file


def test_what_frees_space_can_be_asked_for_and_done_and_the_rest_is_refused(api: Api) -> None:
    box = api.box
    kept, goes = (api.create(restartPolicy="always")["id"] for _ in range(2))
    for made in (kept, goes):
        api.until(made, "running")
    wait_for((box.data / "ballast").exists)
    others = fill(box)
    order = {"nodeId": api.node_id(), "templateId": "welcome"}
    refused = api.http.post("/deployments", json=order)
    assert (refused.status_code, refused.json()["code"]) == (507, "store_full")
    assert api.get(kept)["status"] == "running"
    assert api.http.post(f"/deployments/{kept}/stop").status_code == 202
    assert api.http.delete(f"/deployments/{goes}").status_code == 200
    api.until(kept, "stopped")
    of_goes = f"name={goes.replace('_', '-')}"
    wait_for(lambda: box.podman("ps", "--all", "--quiet", "--filter", of_goes) == "")
    others.unlink()
    assert api.http.post(f"/deployments/{kept}/start").status_code == 202
    api.until(kept, "running")
    again = api.create()["id"]
    api.until(again, "running")
    assert api.http.delete(f"/deployments/{kept}").status_code == 200
    assert api.http.delete(f"/deployments/{again}").status_code == 200
