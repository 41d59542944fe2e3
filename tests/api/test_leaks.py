"""Opened and closed again and again, the whole appliance keeps nothing."""

import asyncio
import gc
import threading
from pathlib import Path

import anyio
import pytest

from tests.api.served import serving

pytestmark = pytest.mark.anyio
WARM_UP, CYCLES = 3, 50
STREAM_S = 0.02


def held() -> tuple[int, int, int]:
    """File descriptors, threads and tasks of this process."""
    gc.collect()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return descriptors, threading.active_count(), len(asyncio.all_tasks())


async def live(path: Path) -> None:
    """A short life with a deployment, an answer, an error and a stream that is broken off."""
    async with serving(path) as served:
        owner = await served.owner()
        made = await owner.create()
        await owner.until(made["id"], "running")
        assert (await owner.http.get("/deployments/dep_none")).status_code == 404
        with anyio.move_on_after(STREAM_S):
            await owner.http.get("/events")


async def test_fifty_lives_leave_nothing_behind(tmp_path: Path) -> None:
    for number in range(WARM_UP):
        await live(tmp_path / f"warm{number}.db")
    before = held()
    for number in range(CYCLES):
        await live(tmp_path / f"{number}.db")
    assert held() == before
