"""One-time tickets: how a browser that is logged in at the console gets into a deployment."""

import hashlib
import secrets
from dataclasses import dataclass

from appliance.clock import Clock
from appliance.domain.permissions import Principal

LIFE_S = 30
OPEN_MAX = 1000
TICKET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who it was made for: a user, and the token they came with (None: the machine's owner)."""

    deployment_id: str
    user_id: str
    token_id: str | None
    expires_boot_us: int


class Tickets:
    """Those that have not been used yet, by their digests; none outlives the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[bytes, Ticket] = {}

    def issue(self, caller: Principal, deployment_id: str) -> str:
        """A ticket for ``caller``, good once, for ``LIFE_S`` seconds, for that deployment."""
        text = secrets.token_urlsafe(TICKET_BYTES)
        expires_us = self._clock.now().boot_us + LIFE_S * 1_000_000
        if len(self._open) >= OPEN_MAX:
            del self._open[next(iter(self._open))]
        self._open[_digest(text)] = Ticket(
            deployment_id, caller.user_id, caller.token_id, expires_us
        )
        return text

    def redeem(self, text: str, deployment_id: str) -> Ticket | None:
        """Takes the ticket; None if it is none, used, too old, or another deployment's."""
        ticket = self._open.pop(_digest(text), None)
        if ticket is None or ticket.deployment_id != deployment_id:
            return None
        return ticket if self._clock.now().boot_us < ticket.expires_boot_us else None


def _digest(text: str) -> bytes:
    """The key of the table: finding it takes no longer for a better guess at the text."""
    return hashlib.sha256(text.encode()).digest()
