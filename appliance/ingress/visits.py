"""The cookie of a browser that came in by a ticket: signed, for one deployment and one caller.

Nothing is kept of it here. It says who came, and whether they may still come is asked at every
request, so that it ends with their token (logout, revocation, a disabled user) at once.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from appliance.clock import Clock

COOKIE = "__Host-appliance"
"""The prefix has browsers refuse it from any other host and without TLS (RFC 6265bis, 4.1.3.2)."""

LIFE = timedelta(hours=12)
PURPOSE = b"appliance/ingress/visit/1"
KEY_BYTES = 32
PARTS = 5
SOCKET = "-"
"""Stands for the token of whoever came by the control socket, which has none."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Who came to which deployment, and by which token (None: the machine's owner).

    ``until_us`` (wall time) is when the cookie ends; None where nothing but the token does it.
    """

    deployment_id: str
    user_id: str
    token_id: str | None
    until_us: int | None = None


class Visits:
    """Signs visits and reads them back. The key is made from the installation's own (RFC 5869)."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        derived = HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=PURPOSE)
        self._key = derived.derive(secret)
        self._clock = clock

    def begin(self, visit: Visit) -> str:
        """The cookie's value."""
        expires_us = self._clock.now().wall_us + LIFE // timedelta(microseconds=1)
        token_id = visit.token_id or SOCKET
        text = f"{visit.deployment_id}.{visit.user_id}.{token_id}.{expires_us}"
        return f"{text}.{self._sign(text)}"

    def read(self, value: str) -> Visit | None:
        """The visit a cookie tells of; None if we did not write it, or it is too old."""
        parts = value.split(".")
        text, _, signature = value.rpartition(".")
        if len(parts) != PARTS or not hmac.compare_digest(signature, self._sign(text)):
            return None
        deployment_id, user_id, token_id, expires_us, _ = parts
        known = None if token_id == SOCKET else token_id
        visit = Visit(deployment_id, user_id, known, int(expires_us))
        return None if self.is_over(visit) else visit

    def is_over(self, visit: Visit) -> bool:
        """Whether its cookie is too old."""
        return visit.until_us is not None and visit.until_us <= self._clock.now().wall_us

    def _sign(self, text: str) -> str:
        digest = hmac.digest(self._key, text.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
