"""Access tokens: what opens a private deployment without an account."""

import hashlib
import hmac
from dataclasses import dataclass

from appliance.clock import Clock
from appliance.domain.deployment import Access, Deployment
from appliance.domain.errors import Conflict, StartRefused
from appliance.domain.instant import Instant
from appliance.domain.permissions import Principal
from appliance.domain.token_text import is_access_token, new_access_token
from appliance.engine.vault import Vault
from appliance.engine.views import AccessView
from appliance.store import access_tokens as store
from appliance.store import events
from appliance.store.access_tokens import AccessToken
from appliance.store.database import Database, Transaction
from appliance.store.events import NewEvent


@dataclass(frozen=True, slots=True)
class Key:
    """That somebody has shown a deployment's token, of which this is the digest."""

    deployment_id: str
    sha256: bytes


class AccessTokens:
    """One a private deployment; this is the only writer, so digests can be remembered."""

    def __init__(self, db: Database, clock: Clock, vault: Vault) -> None:
        self._db = db
        self._clock = clock
        self._vault = vault
        self._digests: dict[str, bytes] = {}
        self._changes = 0

    async def settle(self, tx: Transaction, d: Deployment, now: Instant) -> None:
        """Sees to it that a private deployment has a token, and a public one none."""
        if d.spec.access is not Access.PRIVATE:
            await self.forget(tx, d.id)
        elif not await store.exists(tx, d.id):
            await self._write(tx, d.id, now)

    async def forget(self, tx: Transaction, deployment_id: str) -> None:
        """The deployment is deleted, or open to everybody."""
        await store.delete(tx, deployment_id)
        self._changed(deployment_id)

    async def show(self, d: Deployment) -> AccessView:
        """Who may reach it, and with which token.

        Raises:
            Conflict: the token can't be read any more.
        """
        kept = await store.find(self._db, d.id)
        return AccessView(d.spec.access, None, None) if kept is None else self._view(d, kept)

    async def rotate(self, d: Deployment, caller: Principal) -> AccessView:
        """Makes a new token; the one before opens nothing from now on.

        Raises:
            Conflict: the deployment is public.
        """
        if d.spec.access is not Access.PRIVATE:
            raise Conflict(f"{d.id} is public: it has no access token")
        now = self._clock.now()
        rotated = NewEvent("access", "The access token was replaced", actor_id=caller.user_id)
        async with self._db.transaction() as tx:
            kept = await self._write(tx, d.id, now)
            await events.record(tx, d.id, d.owner_id, rotated, now)
        self._changed(d.id)
        return self._view(d, kept)

    async def key(self, text: str, deployment_id: str) -> Key | None:
        """What ``text`` opens the deployment with, None: it does not; compared in constant time."""
        if not is_access_token(text, deployment_id):
            return None
        key = Key(deployment_id, _sha256(text))
        return key if await self.fits(key) else None

    async def fits(self, key: Key) -> bool:
        """Whether the token that ``key`` is of is still the deployment's."""
        digest = await self._digest(key.deployment_id)
        return digest is not None and hmac.compare_digest(digest, key.sha256)

    async def _write(self, tx: Transaction, deployment_id: str, now: Instant) -> AccessToken:
        text = new_access_token(deployment_id)
        sealed = self._vault.seal(_place(deployment_id), {"token": text}) or b""
        return await store.put(tx, deployment_id, sealed, _sha256(text), now)

    def _view(self, d: Deployment, kept: AccessToken) -> AccessView:
        try:
            text = self._vault.open(_place(d.id), kept.sealed)["token"]
        except StartRefused as error:
            raise Conflict(
                "the token can't be opened with this machine's key (secret.key): rotate it"
            ) from error
        return AccessView(d.spec.access, text, kept.created_at)

    async def _digest(self, deployment_id: str) -> bytes | None:
        digest = self._digests.get(deployment_id)
        if digest is None:
            changes = self._changes
            kept = await store.find(self._db, deployment_id)
            # What was read before a rotation must not be remembered after it.
            if kept is not None and changes == self._changes:
                self._digests[deployment_id] = kept.sha256
            digest = None if kept is None else kept.sha256
        return digest

    def _changed(self, deployment_id: str) -> None:
        self._changes += 1
        self._digests.pop(deployment_id, None)


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _place(deployment_id: str) -> str:
    """What the sealed token is bound to: it can't be taken for the deployment's secrets."""
    return f"{deployment_id}/access"
