"""``kill -9`` before and after every single request to Podman of every verb, then a start.

Within 10 s there is no orphan, no ghost, no lost acknowledged request, and a container that
should go on has the process it had.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from appliance.host.welcome import find_busybox
from appliance.runtime.home import PodmanHome
from appliance.runtime.trial import find_runtime
from tests.box import Api, Box, drop_firewall, wait_for
from tests.e2e.podman_shim import PodmanShim, When
from tests.podman_harness import apart, listening, remove_lab
from tests.waiting import PATIENCE_S

RECOVERED_S = 10  # what is promised of a restart
pytestmark = pytest.mark.podman
STATUS = {"create": "running", "start": "running", "restart": "running", "stop": "stopped"}
UPDATES = {
    "update": {"env": {"GREETING": "second"}},
    "handover": {"env": {"GREETING": "second"}, "volumes": [{"name": "v", "path": "/v"}]},
}
QUICK = {
    ("create", "after"), ("delete", "before"), ("start", "after"), ("stop", "after"),
    ("handover", "after"),
}  # fmt: skip
CASES = [
    pytest.param(verb, when, marks=() if (verb, when) in QUICK else pytest.mark.slow)
    for verb in (*STATUS, *UPDATES, "delete")
    for when in ("before", "after")
]


@dataclass
class ShimmedBox(Box):
    """An appliance whose Podman is behind a shim, and is nobody's child but the test's."""

    shim: PodmanShim = field(init=False)
    service: "subprocess.Popen[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.home = PodmanHome(self.top / "service", self.top / "root", self.pool)

    @property
    def environ(self) -> dict[str, str]:
        usual = {k: v for k, v in super().environ.items() if k != "APPLIANCE_PODMAN_ROOT"}
        return {**usual, "APPLIANCE_PODMAN_URL": f"unix://{self.top}/shim.sock"}

    def start_podman(self) -> None:
        self.home.prepare()
        trial = apart(find_runtime, self.home, find_busybox(), os.environ)
        assert trial.works, trial
        path = self.top / "podman.sock"
        command = ["podman", *self.home.arguments(), "system", "service", "--time=0"]
        self.service = subprocess.Popen(
            [*command, f"unix://{path}"], cwd=self.top, env=self.home.environment(os.environ),
            start_new_session=True,
        )  # fmt: skip
        apart(listening, path)
        self.shim = PodmanShim(self.top / "shim.sock", path)


@pytest.fixture(scope="module")
def shimmed() -> Iterator[ShimmedBox]:
    box = ShimmedBox(Path(tempfile.mkdtemp(prefix="nnshim-", dir="/tmp")))
    try:
        box.start_podman()
        box.start()
        yield box
        box.terminate()
        box.podman("rm", "--all", "--force", "--time=0", "--volumes")
        drop_firewall(box)
    finally:
        if box.process is not None and box.process.poll() is None:
            box.kill()
        box.shim.close()
        box.service.terminate()
        box.service.wait(15)
        remove_lab(box.top, box.pool)


@pytest.fixture(scope="module")
def api(shimmed: ShimmedBox) -> Iterator[Api]:
    with shimmed.client(shimmed.token()) as http:
        yield Api(shimmed, http)


def begin(api: Api, verb: str) -> str:
    if verb == "create":
        return ""
    deployment_id = str(api.create()["id"])
    api.until(deployment_id, "running")
    if verb == "start":
        api.http.post(f"/deployments/{deployment_id}/stop")
        api.until(deployment_id, "stopped")
    return deployment_id


def tell(api: Api, verb: str, deployment_id: str) -> str:
    """The verb, acknowledged."""
    path = f"/deployments/{deployment_id}"
    if verb == "create":
        return str(api.create()["id"])
    if verb == "delete":
        assert api.http.delete(path).status_code == 200
    elif verb in UPDATES:
        assert api.http.patch(path, json=UPDATES[verb]).status_code == 202
    else:
        assert api.http.post(f"{path}/{verb}").status_code == 202
    return deployment_id


def ended(api: Api, verb: str, deployment_id: str) -> bool:
    if verb == "delete":
        return traces(api.box, deployment_id) == ""
    shown = api.get(deployment_id)
    if verb in UPDATES:
        assert shown["env"] == {"GREETING": "second"}, shown["statusReason"]
        # Of the containers one is left, not the old one; its number tells how many were begun.
        left = re.findall(r"-g(\d+)$", traces(api.box, deployment_id), re.MULTILINE)
        alone = len(left) == 1 and left != ["1"]
        return bool(shown["status"] == "running" and shown["update"] is None and alone)
    return bool(shown["status"] == STATUS[verb])


def traces(box: Box, deployment_id: str) -> str:
    """The containers and networks that bear its name."""
    found = box.podman("ps", "-a", "--format={{.Names}}") + "\n"
    found += box.podman("network", "ls", "--format={{.Name}}")
    hyphened = deployment_id.replace("_", "-")
    return "\n".join(line for line in found.split() if hyphened in line)


def pids(box: Box) -> dict[str, str]:
    """Process by name of every container that runs."""
    lines = box.podman("ps", "--format={{.Names}} {{.Pid}}").splitlines()
    return dict(line.split() for line in lines)


def changes_of(api: Api, shim: PodmanShim, verb: str) -> list[str]:
    """What the verb asks of Podman if nobody dies."""
    deployment_id = begin(api, verb)
    shim.changes.clear()
    deployment_id = tell(api, verb, deployment_id)
    wait_for(lambda: ended(api, verb, deployment_id))
    changes = list(shim.changes)
    if verb != "delete":
        api.http.delete(f"/deployments/{deployment_id}")
        wait_for(lambda: traces(api.box, deployment_id) == "")
    return changes


@pytest.mark.parametrize(("verb", "when"), CASES)
def test_killed_at_each_step_nothing_is_lost_and_nothing_left(
    shimmed: ShimmedBox, api: Api, verb: str, when: When
) -> None:
    bystander = begin(api, "stop")
    changes = changes_of(api, shimmed.shim, verb)
    assert changes
    for nth in range(1, len(changes) + 1):
        deployment_id = begin(api, verb)
        before = pids(shimmed)
        shimmed.shim.strike(nth, when, shimmed.kill)
        deployment_id = tell(api, verb, deployment_id)
        assert shimmed.shim.struck.wait(PATIENCE_S), shimmed.shim.changes
        shimmed.start()
        wait_for(lambda i=deployment_id: ended(api, verb, i), within_s=RECOVERED_S)  # type: ignore[misc]
        after = pids(shimmed)
        kept = {name for name in before if bystander.replace("_", "-") in name}
        assert {after[name] for name in kept} == {before[name] for name in kept}
        if verb != "delete":
            assert len(traces(shimmed, deployment_id).split()) == 2  # a container and its network
            assert api.http.delete(f"/deployments/{deployment_id}").status_code == 200
            wait_for(lambda i=deployment_id: traces(shimmed, i) == "")  # type: ignore[misc]
    api.http.delete(f"/deployments/{bystander}")
    wait_for(lambda: traces(shimmed, bystander) == "")
    assert api.http.get("/deployments").json()["pagination"]["total"] == 0
