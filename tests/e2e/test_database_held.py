"""Another process holds the database for longer than anybody waits."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.box import Api, Box, wait_for

pytestmark = pytest.mark.podman
HELD_S = 15.0
TOLD_S = 12.0
"""What a write may take to be refused: 5 s for its turn, 5 s for the lock, and some to spare."""


@contextmanager
def held(box: Box) -> Iterator[float]:
    """Nobody else can write meanwhile; since when."""
    with closing(sqlite3.connect(box.data / "appliance.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield time.monotonic()
        other.execute("ROLLBACK")


def test_reads_are_answered_writes_are_refused_and_all_goes_on_afterwards(api: Api) -> None:
    made, ends = (api.create(restartPolicy="always")["id"] for _ in range(2))
    before = [api.until(i, "running")["startedAt"] for i in (made, ends)]
    of_ends = f"name={ends.replace('_', '-')}"
    with api.box.client(api.box.token()) as unused, held(api.box) as since_s:
        api.box.podman("kill", api.box.podman("ps", "--quiet", "--filter", of_ends))
        refused = api.http.post(f"/deployments/{made}/stop")
        assert time.monotonic() - since_s < TOLD_S
        assert (refused.status_code, refused.json()["code"]) == (503, "store_busy")
        assert refused.headers["Retry-After"] == "5"
        assert unused.get(f"/deployments/{made}").status_code == 200  # its first use at all
        while time.monotonic() - since_s < HELD_S:
            assert api.get(made)["status"] == "running"
            assert api.box.answers()
            time.sleep(0.5)
    wait_for(lambda: api.box.podman("ps", "--quiet", "--filter", of_ends) != "")
    api.until(ends, "running")
    assert api.get(made)["startedAt"] == before[0]
    assert api.get(ends)["startedAt"] > before[1]
    assert api.http.post(f"/deployments/{made}/stop").status_code == 202
    api.until(made, "stopped")
    for i in (made, ends):
        assert api.http.delete(f"/deployments/{i}").status_code == 200
