"""Containers die, freeze and restart under load: every client gets an answer, and soon."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from tests.box import NO_TLS, Api, wait_for

pytestmark = pytest.mark.podman

CLIENTS = 12
SOON_S = 2.0
"""What a client may wait for a 502 or 503, on a machine that does nothing else."""

LATE_S = 3 * SOON_S if "PYTEST_XDIST_WORKER" in os.environ else SOON_S
"""Three times that where other tests run beside; a hang is far beyond both."""


@dataclass
class Load:
    """What a few clients met with."""

    url: str
    host: str
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0
    broken: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with httpx.Client(headers={"Host": self.host}, timeout=20, verify=NO_TLS) as http:
            while not self.over.is_set():
                began = time.monotonic()
                try:
                    self.statuses[http.get(self.url).status_code] += 1
                except httpx.RemoteProtocolError:  # an answer that had begun was cut short
                    self.broken += 1
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)


@contextmanager
def load_on(api: Api, deployment_id: str) -> Iterator[Load]:
    load = Load(f"{api.box.url}/hostname", f"{deployment_id.replace('_', '-')}.localhost")
    threads = [threading.Thread(target=load.run) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: load.statuses[200] > 50, what=lambda: str(load.statuses))
        yield load
    finally:
        load.over.set()
        for thread in threads:
            thread.join()
    print(f"\n  {dict(load.statuses)}, cut short {load.broken}, slowest {load.slowest_s:.2f} s")


def deploy(api: Api) -> str:
    made = api.create(
        templateId=None, customImage="localhost/test/busybox", restartPolicy="always",
        command=["httpd", "-f", "-p", "8080", "-h", "/etc"], ports=[{"port": 8080}],
    )  # fmt: skip
    api.until(made["id"], "running")
    url = f"http://127.0.0.1:{api.box.loopback_port(made['id'])}/"
    wait_for(lambda: answers(url))
    return str(made["id"])


def answers(url: str) -> bool:
    try:
        return httpx.get(url, verify=NO_TLS).status_code > 0
    except httpx.TransportError:
        return False


def container(api: Api, deployment_id: str) -> str:
    name = f"name={deployment_id.replace('_', '-')}"
    return api.box.podman("ps", "-a", "--filter", name, "--format", "{{.Names}}")


def check(load: Load) -> None:
    assert set(load.statuses) <= {200, 502, 503}
    assert load.slowest_s < LATE_S


@pytest.mark.parametrize("how", ["kill", "restart", "pause", "stop"])
def test_whatever_happens_to_the_container_nobody_hangs(api: Api, how: str) -> None:
    made = deploy(api)
    with load_on(api, made) as load:
        refused = sum(load.statuses[s] for s in (502, 503))
        if how in ("kill", "pause"):
            api.box.podman(how, container(api, made))
        else:
            api.http.post(f"/deployments/{made}/{how}")
        if how == "kill":  # after the first it is back at once, after the second in 10 s
            wait_for(lambda: api.get(made)["restartCount"] > 0)
            api.until(made, "running")
            api.box.podman(how, container(api, made))
        wait_for(lambda: sum(load.statuses[s] for s in (502, 503)) > refused + CLIENTS)
        if how == "pause":
            api.box.podman("unpause", container(api, made))
        if how == "stop":
            api.http.post(f"/deployments/{made}/start")
        before = load.statuses[200]
        wait_for(lambda: load.statuses[200] > before + CLIENTS)
    check(load)
    assert api.http.get("/healthz").status_code == 200
    api.http.delete(f"/deployments/{made}")
