"""The use cases about who calls: login, tokens, users."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from appliance.auth.limits import LoginLimits
from appliance.auth.passwords import Passwords, check_new_password
from appliance.auth.tokens import IssuedToken, Tokens
from appliance.clock import Clock
from appliance.domain.deployment import Desired
from appliance.domain.errors import (
    Conflict,
    FieldError,
    InvalidRequest,
    NameTaken,
    NotAuthenticated,
    NotFound,
    NotPermitted,
)
from appliance.domain.ids import new_id
from appliance.domain.permissions import Principal, Role, Scope
from appliance.store import tokens as token_store
from appliance.store import users
from appliance.store.database import Database, Transaction
from appliance.store.tokens import Kind, Token
from appliance.store.users import User

OWNER_EMAIL = "owner@localhost"
"""The machine's owner, who comes through the control socket and has no password."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a login answers."""

    token: str
    expires_at: datetime
    user: User

    def __repr__(self) -> str:
        return f"Login({self.user!r})"


class Accounts:
    """Users and their tokens."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._passwords = Passwords()
        self._limits = LoginLimits(clock)
        self._tokens = Tokens(db, clock)

    async def machine_owner(self) -> Principal:
        """Whoever can open the control socket; the row is made at the first start."""
        owner = await users.find_by_email(self._db, OWNER_EMAIL)
        if owner is None:
            async with self._db.transaction() as tx:
                now = self._clock.now()
                owner = await users.insert(tx, new_id("user"), OWNER_EMAIL, Role.ADMIN, None, now)
        return Principal(owner.id, owner.email, Role.ADMIN, Scope.WRITE)

    async def authenticate(self, text: str) -> Principal:
        """Who shows this token.

        Raises:
            NotAuthenticated: it is none, or not any more.
        """
        return await self._tokens.authenticate(text)

    async def standing(self, user_id: str, token_id: str | None) -> Principal | None:
        """The caller who once came with that token (None: by the control socket), if still known.

        None once the token has ended or expired, or the user is disabled or gone.
        """
        if token_id is not None:
            caller = await self._tokens.standing(token_id)
            return caller if caller is not None and caller.user_id == user_id else None
        user = await users.find(self._db, user_id)
        if user is None or user.disabled or user.email != OWNER_EMAIL:
            return None
        return Principal(user.id, user.email, user.role, Scope.WRITE)

    async def login(self, email: str, password: str, address: str | None) -> Login:
        """A token for e-mail and password.

        Raises:
            NotAuthenticated: one of the two is wrong; which one is not told, nor by the time taken.
            RateLimited: too many tries.
        """
        self._limits.take(email, address)
        user = await users.find_by_email(self._db, email)
        known = None if user is None or user.disabled else user.password_hash
        if not await self._passwords.verify(known, password) or user is None or known is None:
            raise NotAuthenticated("e-mail or password is wrong")
        self._limits.succeeded(email, address)
        if self._passwords.outdated(known):
            fresh = await self._passwords.hash(password)
            async with self._db.transaction() as tx:
                await users.rehash(tx, user, fresh)
        return await self._session(user)

    async def logout(self, caller: Principal) -> None:
        """Ends the token the caller came with, if it was one."""
        if caller.token_id is not None:
            await self._tokens.revoke(caller.user_id, caller.token_id)

    async def me(self, caller: Principal) -> User:
        """The caller."""
        return await self.user(caller.user_id)

    async def change_password(
        self, caller: Principal, current: str, new: str, address: str | None
    ) -> None:
        """Sets the caller's own password; every other session of theirs ends, API tokens stay.

        Raises:
            InvalidRequest: ``current`` is not their password, or ``new`` is too short or too long.
            Conflict: the machine's owner has no password.
            RateLimited: too many tries.
        """
        user = await self.me(caller)
        _check_not_the_owner(user)
        self._limits.take(user.email, address)
        if not await self._passwords.verify(user.password_hash, current):
            raise InvalidRequest(FieldError("current", "is not your password"))
        self._limits.succeeded(user.email, address)
        hashed = await self._new_hash(new, "new")
        async with self._db.transaction() as tx:
            before = _found(await users.find_for_change(tx, user.id), user.id)
            await users.update(tx, replace(before, password_hash=hashed))
            await token_store.delete_other_sessions(tx, user.id, caller.token_id)
        self._tokens.forget_user(user.id)

    async def create_token(
        self, caller: Principal, name: str, scope: Scope, expires_at: datetime | None
    ) -> IssuedToken:
        """An API token of the caller's.

        Raises:
            NotPermitted: it would be allowed more than the caller.
            InvalidRequest, LimitReached: as ``Tokens.issue``.
        """
        if scope is Scope.WRITE and caller.scope is not Scope.WRITE:
            raise NotPermitted("a read token makes only read tokens")
        return await self._tokens.issue(caller.user_id, name, scope, expires_at)

    async def tokens(self, caller: Principal) -> list[Token]:
        """The caller's API tokens."""
        found = await token_store.of_user(self._db, caller.user_id, self._clock.now())
        return [t for t in found if t.kind is Kind.API]

    async def revoke_token(self, caller: Principal, token_id: str) -> None:
        """Ends a token of the caller's at once.

        Raises:
            NotFound: they have none of that id.
        """
        if not await self._tokens.revoke(caller.user_id, token_id):
            raise NotFound(f"no token {token_id}")

    async def create_user(self, email: str, role: Role, password: str) -> User:
        """A new user.

        Raises:
            InvalidRequest: the password is too short or too long.
            NameTaken: somebody has that e-mail address.
        """
        hashed = await self._new_hash(password)
        async with self._db.transaction() as tx:
            return await self._insert(tx, email, role, hashed)

    async def has_admin(self) -> bool:
        """Whether any admin can log in by password."""
        return await users.count_admins(self._db) > 0

    async def create_first_admin(self, email: str, password: str) -> Login:
        """The first user who can log in, logged in.

        Raises:
            NotFound: there is an admin already.
            InvalidRequest, NameTaken: as ``create_user``.
        """
        hashed = await self._new_hash(password)
        async with self._db.transaction() as tx:
            if await users.other_admins(tx, ""):
                raise NotFound("this appliance is set up: there is an admin")
            user = await self._insert(tx, email, Role.ADMIN, hashed)
        return await self._session(user)

    async def users(self) -> list[User]:
        """Everybody but the machine's owner, oldest first."""
        return [u for u in await users.every(self._db) if u.email != OWNER_EMAIL]

    async def user(self, user_id: str) -> User:
        """One user.

        Raises:
            NotFound: there is none of that id.
        """
        return _found(await users.find(self._db, user_id), user_id)

    async def update_user(
        self, user_id: str, *, role: Role | None, disabled: bool | None, password: str | None
    ) -> User:
        """Changes what is given; whoever gets a new password or is barred loses every token.

        Raises:
            NotFound: there is none of that id.
            Conflict: no admin would be left, or it is the machine's owner.
        """
        hashed = None if password is None else await self._new_hash(password)
        async with self._db.transaction() as tx:
            before = _found(await users.find_for_change(tx, user_id), user_id)
            after = replace(
                before,
                role=role or before.role,
                disabled=before.disabled if disabled is None else disabled,
                password_hash=hashed or before.password_hash,
            )
            _check_not_the_owner(before)
            if after.role is not Role.ADMIN or after.disabled:
                await _check_not_the_last_admin(tx, before)
            if hashed is not None or after.disabled:
                await token_store.delete_of_user(tx, user_id)
            changed = await users.update(tx, after)
        self._tokens.forget_user(user_id)
        return changed

    async def delete_user(self, user_id: str) -> None:
        """Forgets a user.

        Raises:
            NotFound: there is none of that id.
            Conflict: they have deployments, or no admin would be left.
        """
        owner = await self.machine_owner()
        async with self._db.transaction() as tx:
            user = _found(await users.find_for_change(tx, user_id), user_id)
            _check_not_the_owner(user)
            await _check_not_the_last_admin(tx, user)
            _check_no_deployments(user, await users.unburied_deployments(tx, user_id))
            await users.delete(tx, user_id, owner.user_id)
        self._tokens.forget_user(user_id)

    async def _new_hash(self, password: str, field: str = "password") -> str:
        check_new_password(password, field)
        return await self._passwords.hash(password)

    async def _insert(self, tx: Transaction, email: str, role: Role, hashed: str) -> User:
        if email.lower() == OWNER_EMAIL:
            raise NameTaken(f"{OWNER_EMAIL} is the owner of this machine")
        return await users.insert(tx, new_id("user"), email, role, hashed, self._clock.now())

    async def _session(self, user: User) -> Login:
        made = await self._tokens.issue_session(user)
        return Login(made.text, made.token.expires_at, user)


def _check_not_the_owner(user: User) -> None:
    if user.email == OWNER_EMAIL:
        raise Conflict("the machine's owner comes by the control socket and stays as they are")


def _check_no_deployments(user: User, unburied: Collection[Desired]) -> None:
    """Of those that are deleted the containers may still be there, though no list shows them."""
    if set(unburied) == {Desired.DELETED}:
        raise Conflict(f"what {user.email} deployed is still being removed; try again in a moment")
    if unburied:
        raise Conflict(f"{user.email} has deployments; delete them first")


async def _check_not_the_last_admin(tx: Transaction, user: User) -> None:
    if user.role is Role.ADMIN and not await users.other_admins(tx, user.id):
        raise Conflict(f"{user.email} is the last admin")


def _found(user: User | None, user_id: str) -> User:
    if user is None:
        raise NotFound(f"no user {user_id}")
    return user
