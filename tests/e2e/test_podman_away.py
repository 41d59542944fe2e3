"""Podman's service killed, or stopped dead, under load: reads answer, writes wait."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.box import NO_TLS, Api, Box, wait_for
from tests.podman_harness import freeze, thaw
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.podman
STALL_S = 10.0
"""A read that waited for the Podman that is away would take longer than this."""

DEPLOYMENTS = 3
Blow = Callable[[Box], None]


def service_pid(box: Box) -> int:
    """The Podman service that is this appliance's own child."""
    assert box.process is not None
    children = Path(f"/proc/{box.process.pid}/task/{box.process.pid}/children").read_text().split()
    [pid] = [c for c in children if b"service" in Path(f"/proc/{c}/cmdline").read_bytes()]
    return int(pid)


@contextmanager
def load(api: Api, paths: list[str]) -> Iterator[list[tuple[int, float]]]:
    """Reads all the while; the status and the seconds of each answer."""
    answers: list[tuple[int, float]] = []
    over = threading.Event()

    def read() -> None:
        with httpx.Client(
            base_url=api.box.url, headers=api.http.headers, timeout=PATIENCE_S, verify=NO_TLS
        ) as http:
            while not over.is_set():
                for path in paths:
                    began = time.monotonic()
                    status = http.get(path).status_code
                    answers.append((status, time.monotonic() - began))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        yield answers
    finally:
        over.set()
        for reader in readers:
            reader.join()


def kill(box: Box) -> None:
    os.kill(service_pid(box), signal.SIGKILL)


def hang(box: Box) -> None:
    freeze(service_pid(box))


def go_on(box: Box) -> None:
    thaw(service_pid(box))


def nothing(box: Box) -> None:
    """A killed service is started again by the appliance."""


@pytest.mark.parametrize(("go", "come"), [(kill, nothing), (hang, go_on)], ids=["killed", "hung"])
def test_reads_answer_writes_wait_and_all_converges_after_its_return(
    api: Api, go: Blow, come: Blow
) -> None:
    ids = [api.create()["id"] for _ in range(DEPLOYMENTS)]
    for i in ids:
        api.until(i, "running")
    paths = ["/deployments", f"/deployments/{ids[0]}", "/nodes", f"/deployments/{ids[0]}/logs"]
    with load(api, paths) as answers:
        go(api.box)
        wait_for(lambda: len(answers) > 50)
        late = api.create()["id"]
        assert api.http.post(f"/deployments/{ids[0]}/stop").status_code == 202
        assert api.http.delete(f"/deployments/{ids[1]}").status_code == 200
        wait_for(lambda: len(answers) > 200)
        come(api.box)
        api.until(ids[0], "stopped")
        api.until(late, "running")
        gone = str(ids[1]).replace("_", "-")
        wait_for(lambda: gone not in api.box.podman("ps", "-a"))
    assert {status for status, _ in answers} == {200}
    assert max(seconds for _, seconds in answers) < STALL_S
    for i in (ids[0], ids[2], late):
        api.http.delete(f"/deployments/{i}")


def test_a_hung_podman_is_told_by_healthz_and_by_who_waits_for_it(api: Api) -> None:
    hang(api.box)
    try:
        waits = api.create()["id"]
        wait_for(lambda: _runtime(api) == "unreachable")
        assert api.http.get("/deployments").status_code == 200
        wait_for(
            lambda: (api.get(waits)["statusReason"] or {}).get("code") == "runtime_unavailable"
        )
        assert api.get(waits)["status"] == "pending"
    finally:
        go_on(api.box)
    wait_for(lambda: _runtime(api) == "ok")
    assert api.until(waits, "running")["statusReason"] is None
    api.http.delete(f"/deployments/{waits}")


def _runtime(api: Api) -> str:
    return str(api.http.get("/healthz").json()["runtime"])
