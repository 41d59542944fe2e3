"""Who may do what: roles, scopes and policies as a table."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a user is on this machine."""

    ADMIN = "admin"
    USER = "user"


class Scope(StrEnum):
    """What a token may do of what its user may."""

    READ = "read"
    WRITE = "write"


class Policy(StrEnum):
    """What a route demands. Every route names one; there is no default."""

    PUBLIC = "public"
    READ = "read"
    WRITE = "write"
    ADMIN_READ = "admin_read"
    ADMIN_WRITE = "admin_write"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: a user through a token (``token_id``), or the machine's owner by the socket."""

    user_id: str
    email: str
    role: Role
    scope: Scope
    token_id: str | None = None

    @property
    def sees(self) -> str | None:
        """The owner whose objects the caller sees; None is everybody's."""
        return None if self.role is Role.ADMIN else self.user_id


ALLOWED: dict[Policy, frozenset[tuple[Role, Scope]]] = {
    Policy.PUBLIC: frozenset((r, s) for r in Role for s in Scope),
    Policy.READ: frozenset((r, s) for r in Role for s in Scope),
    Policy.WRITE: frozenset((r, Scope.WRITE) for r in Role),
    Policy.ADMIN_READ: frozenset((Role.ADMIN, s) for s in Scope),
    Policy.ADMIN_WRITE: frozenset({(Role.ADMIN, Scope.WRITE)}),
}
"""The (role, scope) pairs each policy lets in."""


def may(caller: Principal, policy: Policy) -> bool:
    """Whether ``caller`` passes a route's ``policy``; whose object it is, the SQL decides."""
    return (caller.role, caller.scope) in ALLOWED[policy]
