"""Issues, checks and revokes tokens; verified ones are remembered until somebody changes them."""

import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from appliance.clock import Clock
from appliance.domain.errors import FieldError, InvalidRequest, LimitReached, NotAuthenticated
from appliance.domain.instant import Instant
from appliance.domain.permissions import Principal, Scope
from appliance.domain.token_text import new_token, token_id
from appliance.store import tokens as store
from appliance.store.database import Database
from appliance.store.patience import Patience
from appliance.store.tokens import Credential, Kind, NewToken, Token
from appliance.store.users import User

SESSION = timedelta(hours=12)
USUAL_LIFE = timedelta(days=90)
LONGEST_LIFE = timedelta(days=366)
TOKENS_A_USER = 50
SESSIONS_A_USER = 50
REMEMBERED = 1024
TOUCH_EVERY_US = 60_000_000


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A fresh token; ``text`` is shown this once."""

    text: str
    token: Token

    def __repr__(self) -> str:
        return f"IssuedToken({self.token!r})"


class Tokens:
    """All tokens of this appliance, which is the only one that writes them."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._remembered: dict[str, Credential] = {}
        self._changes = 0
        self._noting = Patience("the last use of tokens")

    async def authenticate(self, text: str) -> Principal:
        """Who shows this token.

        Raises:
            NotAuthenticated: it is none, or not any more.
        """
        known = token_id(text)
        credential = None if known is None else await self._credential(known)
        digest = hashlib.sha256(text.encode()).digest()
        now = self._clock.now()
        if credential is None or not hmac.compare_digest(credential.sha256, digest):
            raise NotAuthenticated("the token is not valid")
        if credential.expires_us <= now.wall_us:
            raise NotAuthenticated("the token has expired")
        if now.wall_us - credential.last_used_us > TOUCH_EVERY_US:
            await self._touch(credential, now)
        return credential.principal

    async def standing(self, known: str) -> Principal | None:
        """Whom the token of that id makes the caller, unseen; None: nobody any more.

        For what was given out on the strength of a token and has to end with it.
        """
        credential = await self._credential(known)
        if credential is None or credential.expires_us <= self._clock.now().wall_us:
            return None
        return credential.principal

    async def issue_session(self, user: User) -> IssuedToken:
        """A token for a login; the oldest session gives way where there are too many."""
        now = self._clock.now()
        new, text = _draft(user.id, Kind.SESSION, "login", Scope.WRITE, now.wall + SESSION)
        async with self._db.transaction() as tx:
            if await store.count(tx, user.id, Kind.SESSION, now) >= SESSIONS_A_USER:
                self.forget(await store.delete_oldest(tx, user.id, Kind.SESSION))
            return IssuedToken(text, await store.insert(tx, new, now))

    async def issue(
        self, user_id: str, name: str, scope: Scope, expires_at: datetime | None
    ) -> IssuedToken:
        """An API token.

        Raises:
            InvalidRequest: it would expire in the past, or in more than 366 days.
            LimitReached: the user has 50 already.
        """
        now = self._clock.now()
        expires = expires_at or now.wall + USUAL_LIFE
        if not now.wall < expires <= now.wall + LONGEST_LIFE:
            words = f"should be within {LONGEST_LIFE.days} days from now; was {expires.isoformat()}"
            raise InvalidRequest(FieldError("expiresAt", words))
        new, text = _draft(user_id, Kind.API, name, scope, expires)
        async with self._db.transaction() as tx:
            if await store.count(tx, user_id, Kind.API, now) >= TOKENS_A_USER:
                raise LimitReached(f"a user may have {TOKENS_A_USER} tokens; revoke one first")
            return IssuedToken(text, await store.insert(tx, new, now))

    async def revoke(self, user_id: str, known: str) -> bool:
        """Ends a token of that user's at once; False if they have none of that id."""
        async with self._db.transaction() as tx:
            found = await store.delete(tx, user_id, known)
        self.forget(known)
        return found

    def forget(self, known: str) -> None:
        """That token has to be looked up again."""
        self._changes += 1
        self._remembered.pop(known, None)

    def forget_user(self, user_id: str) -> None:
        """All tokens of that user have to be looked up again."""
        self._changes += 1
        for known, credential in list(self._remembered.items()):
            if credential.principal.user_id == user_id:
                del self._remembered[known]

    async def _credential(self, known: str) -> Credential | None:
        credential = self._remembered.get(known)
        if credential is None:
            changes = self._changes
            credential = await store.find_credential(self._db, known)
            # What was read before a revocation must not be remembered after it.
            if credential is not None and changes == self._changes:
                self._remember(known, credential)
        return credential

    def _remember(self, known: str, credential: Credential) -> None:
        self._remembered[known] = credential
        if len(self._remembered) > REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    async def _touch(self, credential: Credential, now: Instant) -> None:
        """Notes its use; who shows it is let in also where that can't be written."""
        known = credential.principal.token_id or ""
        if self._remembered.get(known) is credential:  # once is enough, also if it fails
            self._remembered[known] = replace(credential, last_used_us=now.wall_us)
        with self._noting:
            async with self._db.transaction() as tx:
                await store.touch(tx, known, now)


def _draft(
    user_id: str, kind: Kind, name: str, scope: Scope, expires_at: datetime
) -> tuple[NewToken, str]:
    fresh = new_token()
    digest = hashlib.sha256(fresh.text.encode()).digest()
    new = NewToken(
        id=fresh.id, user_id=user_id, kind=kind, name=name, scope=scope, sha256=digest,
        expires_at=expires_at,
    )  # fmt: skip
    return new, fresh.text
