"""Waiting for a fact, with a deadline: the one way a test waits."""

from collections.abc import Awaitable, Callable

import anyio

PATIENCE_S = 60.0
"""How long a fact may take on a machine where four test files run at a time."""


def pause_s(waited_s: float) -> float:
    """Until the next look: a tenth of what was waited, as a look takes time that others need."""
    return min(0.25, max(0.02, waited_s / 10))


async def eventually(fact: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Returns once ``fact`` holds.

    Raises:
        TimeoutError: it does not within ``PATIENCE_S``.
    """
    began_s = anyio.current_time()
    with anyio.fail_after(PATIENCE_S):
        while not await _holds(fact):  # noqa: ASYNC110 - the fact is another process's
            await anyio.sleep(pause_s(anyio.current_time() - began_s))


async def _holds(fact: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> bool:
    answer = fact()
    return answer if isinstance(answer, bool) else await answer
