"""How long a sleeping deployment takes to answer, against `podman start` by hand and a request."""

import statistics
import time
from collections.abc import Callable

import httpx
import pytest

from tests.box import NO_TLS, Api

pytestmark = [pytest.mark.bench, pytest.mark.podman]

ROUNDS = 12
SERVER = ("httpd", "-f", "-p", "8080", "-h", "/etc")
BY_HAND = "by-hand"


def first_answer(url: str, host: str) -> None:
    """Asks until somebody answers; the door holds the request, Podman alone refuses it at first."""
    while True:
        try:
            assert (
                httpx.get(url, headers={"Host": host}, timeout=60, verify=NO_TLS).status_code == 200
            )
        except httpx.TransportError:
            continue
        return


def timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def test_wake_against_podman_start(api: Api) -> None:
    made = api.create(
        templateId=None, customImage="localhost/test/busybox", command=list(SERVER),
        ports=[{"port": 8080}], idleTimeoutMinutes=0.1,
    )  # fmt: skip
    i, host = made["id"], f"{made['id'].replace('_', '-')}.localhost"
    api.box.podman(
        "create", "--name", BY_HAND, "-p", "127.0.0.1::8080", "localhost/test/busybox", *SERVER
    )

    api.box.podman("start", BY_HAND)
    port = api.box.podman("port", BY_HAND, "8080").rpartition(":")[2]  # it keeps that one

    def by_hand() -> None:
        api.box.podman("start", BY_HAND)
        first_answer(f"http://127.0.0.1:{port}/passwd", "by-hand")

    ours, theirs = [], []
    for _ in range(ROUNDS):
        api.box.podman("stop", "--time", "0", BY_HAND)
        api.until(i, "sleeping")
        ours.append(timed(lambda: first_answer(f"{api.box.url}/passwd", host)))
        theirs.append(timed(by_hand))
    mine, plain = statistics.median(ours), statistics.median(theirs)
    print(f"\n  request to first byte {mine * 1000:.0f} ms, podman start and one request "
          f"{plain * 1000:.0f} ms ({ROUNDS} rounds, median)")  # fmt: skip
    print(f"\nwake / podman start: {mine / plain:.3g} (must reach <= 1.3)")
    assert api.box.podman("rm", "--force", "--time", "0", BY_HAND)
