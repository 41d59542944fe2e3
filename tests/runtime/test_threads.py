"""Threads that bring results, errors, and no delay at the end."""

import subprocess
import sys
import threading

import anyio
import pytest

from appliance.runtime.threads import run_in_daemon

pytestmark = pytest.mark.anyio

LEAVES_A_CALL_BEHIND = """
import time, anyio
from appliance.runtime.threads import run_in_daemon

async def main():
    with anyio.move_on_after(0.05):
        await run_in_daemon(lambda: time.sleep(60))

anyio.run(main)
"""


async def test_a_result_and_an_error_come_back() -> None:
    assert await run_in_daemon(lambda: 1 + 1) == 2
    with pytest.raises(ZeroDivisionError):
        await run_in_daemon(lambda: 1 // 0)


async def test_a_cancelled_wait_leaves_the_call_to_itself() -> None:
    let_go, ended = threading.Event(), threading.Event()

    def work() -> None:
        let_go.wait(10)
        ended.set()

    with anyio.move_on_after(0.05) as scope:
        await run_in_daemon(work)
    assert scope.cancelled_caught
    let_go.set()
    assert ended.wait(10)


def test_the_process_ends_without_waiting_for_it() -> None:
    subprocess.run([sys.executable, "-c", LEAVES_A_CALL_BEHIND], check=True, timeout=20, cwd=".")
