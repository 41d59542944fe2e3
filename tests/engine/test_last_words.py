"""A crash is told with what the program said last; read once, when the end is dealt with."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.domain.deployment import RestartPolicy, Status
from tests.engine.conftest import IMAGE, World, an_order
from tests.log_reference import Record, write_all

pytestmark = pytest.mark.anyio
LATER_NS = 60_000_000_000


@pytest.fixture
def log(world: World, tmp_path: Path) -> Path:
    """The log of the first container."""
    world.runtime.log_folder = str(tmp_path)
    world.runtime.behaviours[IMAGE].exits = 1
    path = tmp_path / "1" / "ctr.log"
    path.parent.mkdir()
    return path


def said(*lines: bytes, at_ns: int) -> bytes:
    return write_all(Record(at_ns, "stderr", True, line) for line in lines)


async def message(world: World) -> str:
    order = replace(an_order(), restart_policy=RestartPolicy.NEVER, secrets={"KEY": "hunter2"})
    view = await world.until(await world.deploy(order), Status.FAILED)
    assert view.deployment.reason is not None
    return view.deployment.reason.message


async def test_the_last_line_that_says_something_is_told_without_secrets(
    world: World, log: Path
) -> None:
    lines = said(b"starting", b"wrong key hunter2", b" ", at_ns=time.time_ns() + LATER_NS)
    log.write_bytes(lines)
    assert await message(world) == "Exited with code 1: wrong key ***"


async def test_what_an_earlier_run_said_is_not_told(world: World, log: Path) -> None:
    log.write_bytes(said(b"long ago", at_ns=time.time_ns() - LATER_NS))
    assert await message(world) == "Exited with code 1"


async def test_a_log_that_cannot_be_read_hides_no_end(world: World, log: Path) -> None:
    log.mkdir()
    assert await message(world) == "Exited with code 1"
