"""Waiting for a fact, with a deadline: the one way a test waits."""

from collections.abc import Awaitable, Callable

import anyio

BETWEEN_LOOKS_S = 0.02

PATIENCE_S = 60.0
"""How long a fact may take on a machine where three test files run at a time."""


async def eventually(fact: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Returns once ``fact`` holds.

    Raises:
        TimeoutError: it does not within ``PATIENCE_S``.
    """
    with anyio.fail_after(PATIENCE_S):
        while not await _holds(fact):  # noqa: ASYNC110 - the fact is another process's
            await anyio.sleep(BETWEEN_LOOKS_S)


async def _holds(fact: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> bool:
    answer = fact()
    return answer if isinstance(answer, bool) else await answer
