"""Passwords: argon2id (OWASP ASVS 5.0, 11.4.2), never on the event loop, never without a bound.

19 MiB and two passes take about 20 ms; two at a time leave the machine to its containers, and
who would wait behind more than 32 others is told to come back.
"""

import secrets
from base64 import b64encode
from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from appliance.domain.errors import FieldError, InvalidRequest, RateLimited

PASSWORD_MIN_BYTES = 8
PASSWORD_MAX_BYTES = 512
AT_ONCE = 2
WAITING_MAX = 32

T = TypeVar("T")


def check_new_password(password: str, field: str = "password") -> None:
    """Length is the only rule: rules of composition make passwords worse, not better.

    Raises:
        InvalidRequest: it is too short or too long.
    """
    if not PASSWORD_MIN_BYTES <= len(password.encode()) <= PASSWORD_MAX_BYTES:
        words = f"must be {PASSWORD_MIN_BYTES} to {PASSWORD_MAX_BYTES} bytes long"
        raise InvalidRequest(FieldError(field, words))


class Passwords:
    """Hashes and verifies, a few at a time."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._limiter = CapacityLimiter(AT_ONCE)
        self._present = 0
        self._nobodys = _unmatched(self._hasher)

    async def hash(self, password: str) -> str:
        """The text to keep for ``password``.

        Raises:
            RateLimited: too many wait already.
        """
        return await self._in_turn(lambda: self._hasher.hash(password))

    async def verify(self, known: str | None, password: str) -> bool:
        """Whether ``password`` is the one ``known`` was made from; None takes as long and is False.

        Raises:
            RateLimited: too many wait already.
        """
        right = await self._in_turn(lambda: self._matches(known or self._nobodys, password))
        return right and known is not None

    def outdated(self, known: str) -> bool:
        """Whether ``known`` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(known)

    def _matches(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._present >= AT_ONCE + WAITING_MAX:
            raise RateLimited("too many logins at once, try again shortly", retry_after_s=1)
        self._present += 1
        try:
            return await to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._present -= 1


def _unmatched(hasher: PasswordHasher) -> str:
    """What looks like ``hasher``'s, takes as long to verify, and was made from no password."""
    salt, tag = (
        b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()
        for length in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${tag}"
