"""The text of a token: ``nn_<id>_<secret>``, with a check sum that tells garbage apart.

The secret is 30 random base 62 characters (178 bit) and the CRC-32 of all before it in 6 more, so
that a mistyped or made-up token is refused before the database is asked, and scanners for leaked
secrets need no database at all (the idea is GitHub's).
"""

import re
import secrets
import zlib
from dataclasses import dataclass

from appliance.domain import ids

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_LENGTH = 30
CHECK_LENGTH = 6

SHAPE = re.compile(
    rf"nn_(?P<id>[{ids.ALPHABET}]{{{ids.LENGTH}}})_"
    rf"[0-9A-Za-z]{{{RANDOM_LENGTH}}}(?P<check>[0-9A-Za-z]{{{CHECK_LENGTH}}})"
)


@dataclass(frozen=True, slots=True)
class TokenText:
    """A fresh token: ``text`` is shown once, ``id`` may be shown always."""

    id: str
    text: str

    def __repr__(self) -> str:
        return f"TokenText(id={self.id!r}, text='***')"


def new_token() -> TokenText:
    """A token nobody has had before."""
    token_id = ids.new_id("nn").removeprefix("nn_")
    head = f"nn_{token_id}_" + "".join(secrets.choice(BASE62) for _ in range(RANDOM_LENGTH))
    return TokenText(token_id, head + _check(head))


def token_id(text: str) -> str | None:
    """The id inside ``text``, None where it can't be a token of anybody's."""
    match = SHAPE.fullmatch(text)
    if match is None or match["check"] != _check(text[:-CHECK_LENGTH]):
        return None
    return match["id"]


def _check(head: str) -> str:
    rest = zlib.crc32(head.encode())
    digits = ""
    for _ in range(CHECK_LENGTH):
        rest, digit = divmod(rest, len(BASE62))
        digits = BASE62[digit] + digits
    return digits
