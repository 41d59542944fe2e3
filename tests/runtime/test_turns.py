"""Changes that wait for their turn while Podman answers none of those before them."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import pytest

from appliance.clock import SystemClock
from appliance.domain.errors import RuntimeTimeout
from appliance.runtime import podman
from appliance.runtime.podman import MUTATIONS_AT_ONCE, STOPS_AT_ONCE, PodmanRuntime, connect
from appliance.runtime.spec import MachineLimits

pytestmark = pytest.mark.anyio
DEADLINE_S = 0.2
ROUNDS = 3

Change = Callable[[PodmanRuntime, str], Awaitable[None]]


@pytest.fixture
async def silent(tmp_path: Path) -> AsyncIterator[PodmanRuntime]:
    """A Podman that takes every request and answers none."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "podman.sock"))
        bound.listen(ROUNDS * STOPS_AT_ONCE)
        url, limits = f"unix://{tmp_path / 'podman.sock'}", MachineLimits(1024, 1024, init=True)
        runtime = connect(url, prefix="nn", limits=limits, clock=SystemClock())
        yield runtime
        await runtime.aclose()


@pytest.mark.parametrize(
    ("change", "at_once"),
    [
        (PodmanRuntime.start, MUTATIONS_AT_ONCE),
        (PodmanRuntime.remove, MUTATIONS_AT_ONCE),
        (PodmanRuntime.purge, MUTATIONS_AT_ONCE),
        (partial(PodmanRuntime.stop, grace_s=0), STOPS_AT_ONCE),
    ],
    ids=["start", "remove", "purge", "stop"],
)
async def test_each_in_line_has_all_of_its_deadline(
    silent: PodmanRuntime, monkeypatch: pytest.MonkeyPatch, change: Change, at_once: int
) -> None:
    monkeypatch.setattr(podman, "CHANGE_S", DEADLINE_S)
    monkeypatch.setattr(podman, "STOP_EXTRA_S", DEADLINE_S)
    began_s = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for number in range(ROUNDS * at_once):
            tasks.start_soon(unanswered, change, silent, f"nn-dep-{number}-g1")
    assert anyio.current_time() - began_s >= ROUNDS * DEADLINE_S


async def unanswered(change: Change, runtime: PodmanRuntime, name: str) -> None:
    with pytest.raises(RuntimeTimeout):
        await change(runtime, name)
