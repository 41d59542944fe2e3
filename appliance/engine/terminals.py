"""Shells in containers for whoever may write to them: a ticket first, then the session.

A browser can't send a token with a WebSocket, so the token buys a ticket: good for one session
on one deployment within half a minute, kept as a digest, gone with the process.
"""

import hashlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance.clock import Clock
from appliance.domain.deployment import Deployment, Status
from appliance.domain.errors import Conflict, LimitReached, NotAuthenticated, NotFound
from appliance.domain.observed import ContainerName
from appliance.domain.permissions import Principal
from appliance.engine.activity import Activity
from appliance.engine.ledger import Ledger
from appliance.runtime.port import ContainerRuntime, Terminal
from appliance.store import deployments
from appliance.store.database import Database
from appliance.store.events import NewEvent

SHELL = ("/bin/sh", "-c", "[ -x /bin/bash ] && exec /bin/bash || exec /bin/sh")
TICKET_S = 30
TICKET_BYTES = 32
TICKETS_MAX = 1000
SESSIONS_A_USER = 10
SESSIONS_MAX = 50


@dataclass(frozen=True, slots=True)
class Ticket:
    """Opens one session; ``text`` is shown this once."""

    text: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Ticket({self.expires_at!r})"


@dataclass(frozen=True, slots=True)
class Admission:
    """Who may open a session on which deployment, until when on the boot clock."""

    caller: Principal
    deployment_id: str
    until_boot_us: int


class Terminals:
    """Sells tickets and opens sessions. ``prefix`` begins every container name."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        runtime: ContainerRuntime,
        ledger: Ledger,
        activity: Activity,
        prefix: str,
    ) -> None:
        self._db = db
        self._clock = clock
        self._runtime = runtime
        self._ledger = ledger
        self._activity = activity
        self._prefix = prefix
        self._tickets: dict[bytes, Admission] = {}
        self._sessions: Counter[str] = Counter()

    async def ticket(self, caller: Principal, deployment_id: str) -> Ticket:
        """A ticket for a running deployment of the caller's.

        Raises:
            NotFound: there is none of that id that the caller may see.
            Conflict: it does not run.
        """
        await self._running(caller, deployment_id)
        now = self._clock.now()
        text = secrets.token_urlsafe(TICKET_BYTES)
        until_us = now.boot_us + TICKET_S * 1_000_000
        self._make_room(now.boot_us)
        self._tickets[_digest(text)] = Admission(caller, deployment_id, until_us)
        return Ticket(text, now.wall + timedelta(seconds=TICKET_S))

    def redeem(self, text: str, deployment_id: str) -> Admission:
        """Who bought the ticket; it is used up, whatever comes of it.

        Raises:
            NotAuthenticated: it is none of that deployment's, or not any more.
        """
        found = self._tickets.pop(_digest(text), None)
        in_time = found is not None and self._clock.now().boot_us < found.until_boot_us
        if found is None or not in_time or found.deployment_id != deployment_id:
            raise NotAuthenticated("the ticket is not valid, or not any more: get another one")
        return found

    @asynccontextmanager
    async def session(self, admission: Admission) -> AsyncIterator[Terminal]:
        """A shell, until the block is left; the deployment's history tells who had one.

        Raises:
            NotFound, Conflict: as ``ticket``.
            LimitReached: the caller, or all together, have too many.
            RuntimeFailure: Podman can't give one.
        """
        with self._activity.engaged(admission.deployment_id), self._counted(admission.caller):
            d = await self._running(admission.caller, admission.deployment_id)
            name = str(ContainerName(self._prefix, d.id, d.generation))
            async with self._runtime.open_terminal(name, SHELL) as terminal:
                user = admission.caller.user_id
                opened = NewEvent("terminal", "Terminal opened", status=d.shown, actor_id=user)
                await self._ledger.note(d, opened)
                yield terminal

    @contextmanager
    def _counted(self, caller: Principal) -> Iterator[None]:
        user = caller.user_id
        if self._sessions[user] >= SESSIONS_A_USER or self._sessions.total() >= SESSIONS_MAX:
            raise LimitReached(f"{SESSIONS_A_USER} terminals at once, {SESSIONS_MAX} for everybody")
        self._sessions[user] += 1
        try:
            yield
        finally:
            self._sessions[user] -= 1

    async def _running(self, caller: Principal, deployment_id: str) -> Deployment:
        found = await deployments.find(self._db, deployment_id, caller.sees, self._clock.now())
        if found is None:
            raise NotFound(f"no deployment {deployment_id}")
        d = found.deployment
        if d.status is not Status.RUNNING:
            raise Conflict(f"{d.id} is {d.shown}: only a running deployment has a terminal")
        return d

    def _make_room(self, now_us: int) -> None:
        self._tickets = {k: a for k, a in self._tickets.items() if a.until_boot_us > now_us}
        if len(self._tickets) >= TICKETS_MAX:
            raise LimitReached("too many tickets wait to be used")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
