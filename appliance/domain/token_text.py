"""The text of a token: ``nn_<id>_<secret>``, with a check sum that tells garbage apart.

The secret is 30 random base 62 characters (178 bit) and the CRC-32 of all before it in 6 more, so
that a mistyped or made-up token is refused before the database is asked, and scanners for leaked
secrets need no database at all (the idea is GitHub's). A user's token begins with ``nn`` and holds
an id of its own; a deployment's access token begins with ``nd`` and holds the deployment's.
"""

import re
import secrets
import zlib
from dataclasses import dataclass

from appliance.domain import ids

USERS, DEPLOYMENTS = "nn", "nd"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_LENGTH = 30
CHECK_LENGTH = 6

SHAPE = re.compile(
    rf"(?P<kind>{USERS}|{DEPLOYMENTS})_(?P<id>[{ids.ALPHABET}]{{{ids.LENGTH}}})_"
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
    """A user's token nobody has had before."""
    token_id = ids.new_id(USERS).removeprefix(f"{USERS}_")
    return TokenText(token_id, _text(USERS, token_id))


def new_access_token(deployment_id: str) -> str:
    """A deployment's access token nobody has had before."""
    return _text(DEPLOYMENTS, _bare(deployment_id))


def token_id(text: str) -> str | None:
    """The id inside a user's token, None where ``text`` can't be one of anybody's."""
    return _id(text, USERS)


def is_access_token(text: str, deployment_id: str) -> bool:
    """Whether ``text`` has the shape of an access token of that deployment's."""
    return _id(text, DEPLOYMENTS) == _bare(deployment_id)


def is_ours(text: str) -> bool:
    """Whether ``text`` is a token this appliance, or another one like it, has made."""
    return any(_id(text, kind) is not None for kind in (USERS, DEPLOYMENTS))


def _id(text: str, kind: str) -> str | None:
    match = SHAPE.fullmatch(text)
    if match is None or match["kind"] != kind or match["check"] != _check(text[:-CHECK_LENGTH]):
        return None
    return match["id"]


def _text(kind: str, token_id: str) -> str:
    secret = "".join(secrets.choice(BASE62) for _ in range(RANDOM_LENGTH))
    head = f"{kind}_{token_id}_{secret}"
    return head + _check(head)


def _bare(deployment_id: str) -> str:
    return deployment_id.rpartition("_")[2]


def _check(head: str) -> str:
    rest = zlib.crc32(head.encode())
    digits = ""
    for _ in range(CHECK_LENGTH):
        rest, digit = divmod(rest, len(BASE62))
        digits = BASE62[digit] + digits
    return digits
