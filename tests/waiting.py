"""Waiting for a fact, with a deadline: the one way a test waits."""

from collections.abc import Awaitable, Callable

import anyio

BETWEEN_LOOKS_S = 0.02


async def eventually(
    fact: Callable[[], bool] | Callable[[], Awaitable[bool]], *, within_s: float = 10
) -> None:
    """Returns once ``fact`` holds.

    Raises:
        TimeoutError: it does not within ``within_s``.
    """
    with anyio.fail_after(within_s):
        while not await _holds(fact):  # noqa: ASYNC110 - the fact is another process's
            await anyio.sleep(BETWEEN_LOOKS_S)


async def _holds(fact: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> bool:
    answer = fact()
    return answer if isinstance(answer, bool) else await answer
