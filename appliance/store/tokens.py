"""Tokens: login sessions and API tokens, as digests."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from appliance.domain.instant import Instant, from_us, to_us
from appliance.domain.permissions import Principal, Role, Scope
from appliance.store.database import Database, Row, Transaction


class Kind(StrEnum):
    """How a token came to be."""

    SESSION = "session"
    API = "api"


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a row is born with; ``sha256`` is of the whole text."""

    id: str
    user_id: str
    kind: Kind
    name: str
    scope: Scope
    sha256: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A token on record, without its digest."""

    id: str
    kind: Kind
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Credential:
    """What a presented token is checked against, and who it makes the caller."""

    sha256: bytes
    principal: Principal
    expires_us: int
    last_used_us: int


INSERT = """
INSERT INTO token (id, user_id, kind, name, scope, sha256, created_us, expires_us)
VALUES (:id, :user_id, :kind, :name, :scope, :sha256, :created_us, :expires_us)
RETURNING *
"""

SELECT_CREDENTIAL = """
SELECT t.*, u.email, u.role FROM token t JOIN user u ON u.id = t.user_id
WHERE t.id = :id AND NOT u.disabled
"""

SELECT_OF_USER = """
SELECT * FROM token WHERE user_id = :user_id AND expires_us > :now_us ORDER BY created_us, id
"""

COUNT = "SELECT count(*) FROM token WHERE user_id = :user_id AND kind = :kind"

DELETE_EXPIRED = "DELETE FROM token WHERE user_id = :user_id AND expires_us <= :now_us"

DELETE_OLDEST = """
DELETE FROM token WHERE id IN (SELECT id FROM token WHERE user_id = :user_id AND kind = :kind
                               ORDER BY created_us, id LIMIT 1)
RETURNING id
"""

DELETE = "DELETE FROM token WHERE id = :id AND user_id = :user_id RETURNING id"

DELETE_OTHER_SESSIONS = """
DELETE FROM token WHERE user_id = :user_id AND kind = 'session' AND id IS NOT :token_id
"""

DELETE_OF_USER = "DELETE FROM token WHERE user_id = :user_id"

TOUCH = "UPDATE token SET last_used_us = :now_us WHERE id = :id"


async def insert(tx: Transaction, new: NewToken, now: Instant) -> Token:
    """Writes a new token."""
    parameters = {
        "id": new.id,
        "user_id": new.user_id,
        "kind": new.kind,
        "name": new.name,
        "scope": new.scope,
        "sha256": new.sha256,
        "created_us": now.wall_us,
        "expires_us": to_us(new.expires_at),
    }
    [row] = await tx.execute(INSERT, parameters)
    return _token(row)


async def find_credential(db: Database, token_id: str) -> Credential | None:
    """What to check a presented token of that id against; None if its user is disabled."""
    rows = await db.look_up(SELECT_CREDENTIAL, {"id": token_id})
    return _credential(rows[0]) if rows else None


async def of_user(db: Database, user_id: str, now: Instant) -> list[Token]:
    """Their tokens that have not expired, oldest first."""
    rows = await db.read(SELECT_OF_USER, {"user_id": user_id, "now_us": now.wall_us})
    return [_token(row) for row in rows]


async def count(tx: Transaction, user_id: str, kind: Kind, now: Instant) -> int:
    """How many of a kind they have, once the expired ones are deleted."""
    await tx.execute(DELETE_EXPIRED, {"user_id": user_id, "now_us": now.wall_us})
    [row] = await tx.execute(COUNT, {"user_id": user_id, "kind": kind})
    return int(row[0])


async def delete_oldest(tx: Transaction, user_id: str, kind: Kind) -> str:
    """Deletes their oldest of a kind and answers its id."""
    [row] = await tx.execute(DELETE_OLDEST, {"user_id": user_id, "kind": kind})
    return str(row["id"])


async def delete(tx: Transaction, user_id: str, token_id: str) -> bool:
    """Deletes one of theirs; False if they have none of that id."""
    return bool(await tx.execute(DELETE, {"id": token_id, "user_id": user_id}))


async def delete_of_user(tx: Transaction, user_id: str) -> None:
    """Deletes all of theirs."""
    await tx.execute(DELETE_OF_USER, {"user_id": user_id})


async def delete_other_sessions(tx: Transaction, user_id: str, token_id: str | None) -> None:
    """Deletes their sessions but for the one of that id."""
    await tx.execute(DELETE_OTHER_SESSIONS, {"user_id": user_id, "token_id": token_id})


async def touch(tx: Transaction, token_id: str, now: Instant) -> None:
    """Writes that it was used just now."""
    await tx.execute(TOUCH, {"id": token_id, "now_us": now.wall_us})


def _token(row: Row) -> Token:
    used_us = row["last_used_us"]
    return Token(
        id=row["id"],
        kind=Kind(row["kind"]),
        name=row["name"],
        scope=Scope(row["scope"]),
        created_at=from_us(row["created_us"]),
        expires_at=from_us(row["expires_us"]),
        last_used_at=None if used_us is None else from_us(used_us),
    )


def _credential(row: Row) -> Credential:
    principal = Principal(
        user_id=row["user_id"],
        email=row["email"],
        role=Role(row["role"]),
        scope=Scope(row["scope"]),
        token_id=row["id"],
    )
    return Credential(row["sha256"], principal, row["expires_us"], row["last_used_us"] or 0)
