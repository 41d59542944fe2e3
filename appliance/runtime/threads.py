"""Blocking calls in threads that never hold up the end of the process.

The interpreter waits for ordinary worker threads before it ends, and one that waits for a frozen
Podman would keep it for a minute; a daemon thread is simply left behind.
"""

import _thread
import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def run_in_daemon(work: Callable[[], T]) -> T:
    """The result of ``work``. Cancelling abandons it: it goes on by itself, to its own end."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    # threading.Thread would have the loop wait until the new thread runs (measured: 1 ms).
    _thread.start_new_thread(_run, (work, future))
    return await asyncio.wrap_future(future)


def _run(work: Callable[[], T], future: "Future[T]") -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - not swallowed: it is raised where it is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
