"""Users: who may log in, and the machine's owner, who never does."""

from dataclasses import dataclass
from datetime import datetime
from sqlite3 import IntegrityError

from appliance.domain.deployment import Desired
from appliance.domain.errors import NameTaken
from appliance.domain.instant import Instant, from_us
from appliance.domain.permissions import Role
from appliance.store.database import Database, Row, Transaction


@dataclass(frozen=True, slots=True)
class User:
    """A user on record. Without a ``password_hash`` nobody can log in as them."""

    id: str
    email: str
    role: Role
    password_hash: str | None
    disabled: bool
    created_at: datetime

    def __repr__(self) -> str:
        return f"User(id={self.id!r}, email={self.email!r}, role={self.role.value!r})"


INSERT = """
INSERT INTO user (id, email, role, password_hash, created_us)
VALUES (:id, :email, :role, :password_hash, :created_us)
RETURNING *
"""

SELECT_ONE = "SELECT * FROM user WHERE id = :id"
SELECT_BY_EMAIL = "SELECT * FROM user WHERE email = :email"
SELECT_ALL = "SELECT * FROM user ORDER BY created_us, id"

UPDATE = """
UPDATE user SET role = :role, password_hash = :password_hash, disabled = :disabled
WHERE id = :id
RETURNING *
"""

# Only if nothing else was set meanwhile: a login that finds an old hash must not undo a change.
REHASH = "UPDATE user SET password_hash = :after WHERE id = :id AND password_hash = :before"


COUNT_ADMINS = """
SELECT count(*) FROM user
WHERE role = 'admin' AND NOT disabled AND password_hash IS NOT NULL
"""

COUNT_OTHER_ADMINS = f"{COUNT_ADMINS} AND id <> :id"

SELECT_UNBURIED = """
SELECT DISTINCT desired FROM deployment WHERE owner_id = :id AND deleted_us IS NULL
"""

# What is buried stays on record (a name is never used twice); it passes to the machine's owner.
REASSIGN_BURIED = "UPDATE deployment SET owner_id = :heir_id WHERE owner_id = :id"

DELETE = "DELETE FROM user WHERE id = :id"


async def insert(
    tx: Transaction,
    user_id: str,
    email: str,
    role: Role,
    password_hash: str | None,
    now: Instant,
) -> User:
    """Writes a new user.

    Raises:
        NameTaken: somebody has that e-mail address, in whatever case.
    """
    parameters = {
        "id": user_id,
        "email": email,
        "role": role,
        "password_hash": password_hash,
        "created_us": now.wall_us,
    }
    try:
        [row] = await tx.execute(INSERT, parameters)
    except IntegrityError as error:
        raise NameTaken(f"there is a user {email} already") from error
    return _user(row)


async def find(db: Database, user_id: str) -> User | None:
    """The user of that id."""
    rows = await db.read(SELECT_ONE, {"id": user_id})
    return _user(rows[0]) if rows else None


async def find_by_email(db: Database, email: str) -> User | None:
    """The user of that e-mail address; ASCII letters match in either case."""
    rows = await db.read(SELECT_BY_EMAIL, {"email": email})
    return _user(rows[0]) if rows else None


async def find_for_change(tx: Transaction, user_id: str) -> User | None:
    """The user of that id, unchanged until the transaction ends."""
    rows = await tx.execute(SELECT_ONE, {"id": user_id})
    return _user(rows[0]) if rows else None


async def every(db: Database) -> list[User]:
    """All users, oldest first."""
    return [_user(row) for row in await db.read(SELECT_ALL)]


async def update(tx: Transaction, user: User) -> User:
    """Writes role, password and whether they are disabled."""
    parameters = {
        "id": user.id,
        "role": user.role,
        "password_hash": user.password_hash,
        "disabled": user.disabled,
    }
    [row] = await tx.execute(UPDATE, parameters)
    return _user(row)


async def rehash(tx: Transaction, user: User, password_hash: str) -> None:
    """Replaces the hash of the same password by a newer one."""
    parameters = {"id": user.id, "before": user.password_hash, "after": password_hash}
    await tx.execute(REHASH, parameters)


async def other_admins(tx: Transaction, user_id: str) -> int:
    """How many admins can log in besides ``user_id``."""
    [row] = await tx.execute(COUNT_OTHER_ADMINS, {"id": user_id})
    return int(row[0])


async def count_admins(db: Database) -> int:
    """How many admins can log in."""
    [row] = await db.read(COUNT_ADMINS)
    return int(row[0])


async def unburied_deployments(tx: Transaction, user_id: str) -> set[Desired]:
    """What is wanted of those deployments of theirs that have anything left in Podman."""
    return {Desired(row["desired"]) for row in await tx.execute(SELECT_UNBURIED, {"id": user_id})}


async def delete(tx: Transaction, user_id: str, heir_id: str) -> None:
    """Forgets a user and all their tokens; what is on record of theirs passes to ``heir_id``."""
    await tx.execute(REASSIGN_BURIED, {"id": user_id, "heir_id": heir_id})
    await tx.execute(DELETE, {"id": user_id})


def _user(row: Row) -> User:
    return User(
        id=row["id"],
        email=row["email"],
        role=Role(row["role"]),
        password_hash=row["password_hash"],
        disabled=bool(row["disabled"]),
        created_at=from_us(row["created_us"]),
    )
