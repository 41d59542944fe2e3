"""Who gets into a private deployment: by its own token, by a user's, or by a browser's cookie."""

import logging
from urllib.parse import parse_qs, urlsplit

from appliance.auth.accounts import Accounts
from appliance.auth.tickets import Tickets
from appliance.domain.errors import NotAuthenticated, StoreFailure
from appliance.domain.ids import new_id
from appliance.domain.permissions import Principal
from appliance.engine.access_tokens import AccessTokens
from appliance.engine.addresses import Address
from appliance.ingress.credentials import asked_by_itself, bearers, cookies
from appliance.ingress.head import Head
from appliance.ingress.seams import Pages, Passed, Reply, Trouble, Verdict
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
        access_tokens: AccessTokens,
        tickets: Tickets,
        visits: Visits,
        pages: Pages,
    ) -> None:
        self._accounts = accounts
        self._access_tokens = access_tokens
        self._tickets = tickets
        self._visits = visits
        self._pages = pages

    async def admit(self, head: Head, address: Address, client: str, *, secure: bool) -> Verdict:
        """Lets it through, or answers it."""
        try:
            if head.target.partition(b"?")[0] == ENTRANCE:
                return await self._enter(head, address, secure=secure)
            if await self._may(head, address, secure=secure):
                return Passed()
        except StoreFailure as error:
            return self._away(head, address, error, client)
        return self._refused(head, address, "not_authenticated", f"{address.name} {PRIVATE}")

    async def _may(self, head: Head, address: Address, *, secure: bool) -> bool:
        for text in bearers(head):
            if await self._bearer_opens(text, address):
                return True
        return await self._visiting(head, address, secure=secure)

    async def _bearer_opens(self, text: str, address: Address) -> bool:
        if await self._access_tokens.opens(text, address.deployment_id):
            return True
        try:
            caller = await self._accounts.authenticate(text)
        except NotAuthenticated:
            return False
        return _sees(caller, address)

    async def _visiting(self, head: Head, address: Address, *, secure: bool) -> bool:
        """By cookie, if the request comes from the deployment's own pages and not a neighbour's."""
        values = cookies(head)
        if not values or not asked_by_itself(head, secure=secure):
            return False
        visit = self._visits.read(values[0])
        if visit is None or visit.deployment_id != address.deployment_id:
            return False
        caller = await self._accounts.standing(visit.user_id, visit.token_id)
        return caller is not None and _sees(caller, address)

    async def _enter(self, head: Head, address: Address, *, secure: bool) -> Verdict:
        """Takes the ticket, gives the cookie, and goes on to the deployment's first page."""
        text = _ticket(head.target)
        ticket = (
            self._tickets.redeem(text, address.deployment_id) if head.method == b"GET" else None
        )
        if ticket is not None:
            visit = Visit(address.deployment_id, ticket.user_id, ticket.token_id)
            return _first_page((b"Set-Cookie", _cookie(self._visits.begin(visit))))
        if await self._visiting(head, address, secure=secure):
            return _first_page()
        return self._refused(head, address, "ticket_used", USED_UP)

    def _refused(self, head: Head, address: Address, code: str, message: str) -> Reply:
        return self._pages.tell(Trouble(401, code, message, address, head.host), head)

    def _away(self, head: Head, address: Address, error: StoreFailure, client: str) -> Reply:
        log.warning("can't tell who asks client=%s errorId=%s: %s", client, new_id("err"), error)
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
