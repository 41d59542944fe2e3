"""Who gets into a private deployment: by its own token, by a user's, or by a browser's cookie."""

import logging
from urllib.parse import parse_qs, urlsplit

from appliance.auth.accounts import Accounts
from appliance.auth.tickets import Tickets
from appliance.domain.errors import NotAuthenticated, StoreFailure
from appliance.domain.permissions import Principal
from appliance.engine.access_tokens import AccessTokens, Key
from appliance.engine.addresses import Address, Addresses
from appliance.ingress.credentials import asked_by_itself, bearers, cookies
from appliance.ingress.head import Head
from appliance.ingress.seams import Grant, Pages, Passed, Reply, Trouble, Verdict
from appliance.ingress.visits import COOKIE, Visit, Visits

log = logging.getLogger(__name__)

ENTRANCE = b"/.appliance/enter"
PRIVATE = "is private: send its access token or an API token as Authorization: Bearer"
USED_UP = "this link was used already, or is older than 30 seconds: open it from the console again"


class AccessGate:
    """Lets in who may; what they showed is taken out on the way to the container."""

    def __init__(
        self,
        accounts: Accounts,
        addresses: Addresses,
        access_tokens: AccessTokens,
        tickets: Tickets,
        visits: Visits,
        pages: Pages,
    ) -> None:
        self._accounts = accounts
        self._addresses = addresses
        self._access_tokens = access_tokens
        self._tickets = tickets
        self._visits = visits
        self._pages = pages

    async def admit(self, head: Head, address: Address, client: str, *, secure: bool) -> Verdict:
        """Lets it through, or answers it."""
        try:
            if head.target.partition(b"?")[0] == ENTRANCE:
                return await self._enter(head, address, secure=secure)
            grant = await self._grant(head, address, secure=secure)
            if grant is not None:
                return Passed(grant)
        except StoreFailure as error:
            return self._away(head, address, error, client)
        return self._refused(head, address, "not_authenticated", f"{address.name} {PRIVATE}")

    async def stands(self, grant: Grant) -> bool:
        """Whether what it let in may go on; where that can't be told now, it may."""
        try:
            if isinstance(grant, Key):
                return await self._access_tokens.fits(grant)
            return isinstance(grant, Visit) and await self._may_stay(grant)
        except StoreFailure as error:
            log.warning("can't tell who may stay: %s", error)
            return True

    async def _grant(self, head: Head, address: Address, *, secure: bool) -> Key | Visit | None:
        for text in bearers(head):
            found = await self._of_bearer(text, address)
            if found is not None:
                return found
        return await self._visit(head, address, secure=secure)

    async def _of_bearer(self, text: str, address: Address) -> Key | Visit | None:
        key = await self._access_tokens.key(text, address.deployment_id)
        if key is not None:
            return key
        try:
            caller = await self._accounts.authenticate(text)
        except NotAuthenticated:
            return None
        visit = Visit(address.deployment_id, caller.user_id, caller.token_id)
        return visit if _sees(caller, address) else None

    async def _visit(self, head: Head, address: Address, *, secure: bool) -> Visit | None:
        """By cookie, if the request comes from the deployment's own pages and not a neighbour's."""
        values = cookies(head)
        if not values or not asked_by_itself(head, secure=secure):
            return None
        visit = self._visits.read(values[0])
        if visit is None or visit.deployment_id != address.deployment_id:
            return None
        return visit if await self._may_stay(visit) else None

    async def _may_stay(self, visit: Visit) -> bool:
        if self._visits.is_over(visit):
            return False
        address = self._addresses.of(visit.deployment_id)
        caller = await self._accounts.standing(visit.user_id, visit.token_id)
        return address is not None and caller is not None and _sees(caller, address)

    async def _enter(self, head: Head, address: Address, *, secure: bool) -> Verdict:
        """Takes the ticket, gives the cookie, and goes on to the deployment's first page."""
        text = _ticket(head.target)
        ticket = (
            self._tickets.redeem(text, address.deployment_id) if head.method == b"GET" else None
        )
        if ticket is not None:
            visit = Visit(address.deployment_id, ticket.user_id, ticket.token_id)
            return _first_page((b"Set-Cookie", _cookie(self._visits.begin(visit))))
        if await self._visit(head, address, secure=secure) is not None:
            return _first_page()
        return self._refused(head, address, "ticket_used", USED_UP)

    def _refused(self, head: Head, address: Address, code: str, message: str) -> Reply:
        return self._pages.tell(Trouble(401, code, message, address, head.host), head)

    def _away(self, head: Head, address: Address, error: StoreFailure, client: str) -> Reply:
        log.warning("can't tell who asks client=%s: %s", client, error)
        trouble = Trouble(503, error.code, str(error), address, head.host, retry_after_s=5)
        return self._pages.tell(trouble, head)


def _sees(caller: Principal, address: Address) -> bool:
    return caller.sees is None or caller.sees == address.owner_id


def _ticket(target: bytes) -> str:
    query = urlsplit(target.decode("latin-1")).query
    return parse_qs(query).get("ticket", [""])[0]


def _cookie(value: str) -> bytes:
    return f"{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax".encode()


def _first_page(*more: tuple[bytes, bytes]) -> Reply:
    """RFC 9110, 15.4.4. Neither the ticket nor the cookie is to be kept by a cache or passed on."""
    fields = ((b"Location", b"/"), (b"Cache-Control", b"no-store"),
              (b"Referrer-Policy", b"no-referrer"))  # fmt: skip
    return Reply(303, (*fields, *more))
