"""Who gets into a private deployment, and what the container sees of how they did."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.auth.tickets import LIFE_S, Tickets
from appliance.domain.permissions import Principal, Role, Scope
from appliance.domain.token_text import new_access_token, new_token
from appliance.engine.addresses import Address
from appliance.ingress.gate import ENTRANCE, AccessGate
from appliance.ingress.head import Head
from appliance.ingress.pages import FriendlyPages
from appliance.ingress.seams import Passed, Reply, Verdict
from appliance.ingress.visits import COOKIE, LIFE, Visit, Visits
from tests.api.served import Caller, Served, serving
from tests.ingress.tls import ShiftedClock
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

HOST = b"dep-a.box.local:8443"
BROWSER = b"text/html"


def bearer(text: str) -> tuple[bytes, bytes]:
    return b"Authorization", f"Bearer {text}".encode()


def cookie(value: str) -> tuple[bytes, bytes]:
    return b"Cookie", f"{COOKIE}={value}".encode()


def request(*fields: tuple[bytes, bytes], method: bytes = b"GET", target: bytes = b"/") -> Head:
    return Head(method, target, b"1.1", "dep-a.box.local", ((b"Host", HOST), *fields))


@dataclass
class Scene:
    """Bob has a private deployment, and another; the gate stands before both."""

    served: Served
    bob: Caller
    clock: ShiftedClock
    deployment_id: str
    other_id: str
    gate: AccessGate = field(init=False)
    tickets: Tickets = field(init=False)
    visits: Visits = field(init=False)

    def __post_init__(self) -> None:
        engine = self.served.engine
        self.tickets, self.visits = Tickets(self.clock), Visits(b"k" * 32, self.clock)
        pages = FriendlyPages("https://box.local:8443/", lambda _: None)
        self.gate = AccessGate(
            self.served.accounts,
            engine.addresses,
            engine.access_tokens,
            self.tickets,
            self.visits,
            pages,
        )

    def address(self, deployment_id: str | None = None) -> Address:
        found = self.served.engine.addresses.of(deployment_id or self.deployment_id)
        assert found is not None
        return found

    async def ask(self, head: Head, deployment_id: str | None = None) -> Verdict:
        address = self.address(deployment_id)
        return await self.gate.admit(head, address, "192.0.2.1", secure=True)

    async def passes(self, *fields: tuple[bytes, bytes], on: str | None = None) -> bool:
        verdict = await self.ask(request(*fields), on)
        assert isinstance(verdict, Passed) or verdict.status == 401
        return isinstance(verdict, Passed)

    async def access_token(self) -> str:
        where = f"/deployments/{self.deployment_id}/access"
        return str((await self.bob.get(where))["access"]["token"])

    async def token(self, email: str, role: Role) -> tuple[str, Principal]:
        """An API token of a new user's."""
        user = await self.served.accounts.create_user(email, role, "correct horse battery")
        return await self.token_of(user.id, email, role)

    async def token_of(
        self,
        user_id: str,
        email: str,
        role: Role = Role.USER,
        scope: Scope = Scope.WRITE,
        life: float = 3600,
    ) -> tuple[str, Principal]:
        principal = Principal(user_id, email, role, Scope.WRITE)
        expires = datetime.now(UTC) + timedelta(seconds=life)
        made = await self.served.accounts.create_token(principal, "t", scope, expires)
        return made.text, Principal(user_id, email, role, scope, made.token.id)

    async def bobs(self, life: float = 3600, scope: Scope = Scope.WRITE) -> tuple[str, Principal]:
        return await self.token_of(self.bob.user_id, "bob@example.org", scope=scope, life=life)

    async def entered(self, caller: Principal) -> str:
        """The cookie's value of a browser that came in by a ticket."""
        ticket = self.tickets.issue(caller, self.deployment_id)
        reply = await self.ask(request(target=ENTRANCE + b"?ticket=" + ticket.encode()))
        assert isinstance(reply, Reply)
        [value] = [v for n, v in reply.fields if n == b"Set-Cookie"]
        return value.decode().split(";")[0].removeprefix(f"{COOKIE}=")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with serving(tmp_path / "appliance.db") as served:
        bob = await served.caller("bob@example.org")
        made = [await bob.create(access="private", name=name) for name in ("one", "two")]
        yield Scene(served, bob, ShiftedClock(), made[0]["id"], made[1]["id"])


# Bearers.


async def test_nobody_passes_without_credentials(scene: Scene) -> None:
    assert not await scene.passes()


async def test_the_deployments_own_token_opens_it_and_no_other(scene: Scene) -> None:
    token = await scene.access_token()
    assert await scene.passes(bearer(token))
    assert not await scene.passes(bearer(token), on=scene.other_id)


@pytest.mark.parametrize("scope", Scope)
async def test_its_owners_api_token_opens_it(scene: Scene, scope: Scope) -> None:
    text, _ = await scene.bobs(scope=scope)
    assert await scene.passes(bearer(text))


@pytest.mark.parametrize(("role", "passes"), [(Role.USER, False), (Role.ADMIN, True)])
async def test_of_others_only_an_admin_gets_in(scene: Scene, role: Role, passes: bool) -> None:
    text, _ = await scene.token("else@example.org", role)
    assert await scene.passes(bearer(text)) is passes


@pytest.mark.parametrize(
    "wrong",
    [
        lambda _: "the-apps-own",
        lambda _: new_token().text,
        new_access_token,
        lambda _: "",
        lambda _: "nd_" + "0" * 12,
    ],
    ids=["not ours", "made-up user", "made-up deployment", "empty", "cut short"],
)
async def test_a_wrong_token_opens_nothing(scene: Scene, wrong: Callable[[str], str]) -> None:
    assert not await scene.passes(bearer(wrong(scene.deployment_id)))


async def test_an_access_token_that_was_replaced_opens_nothing(scene: Scene) -> None:
    before = await scene.access_token()
    assert await scene.passes(bearer(before))
    answer = await scene.bob.http.post(f"/deployments/{scene.deployment_id}/access")
    assert not await scene.passes(bearer(before))
    assert await scene.passes(bearer(answer.json()["access"]["token"]))


async def test_a_revoked_token_opens_nothing(scene: Scene) -> None:
    text, principal = await scene.bobs()
    assert await scene.passes(bearer(text))
    await scene.served.accounts.revoke_token(principal, principal.token_id or "")
    assert not await scene.passes(bearer(text))


async def test_an_expired_token_opens_nothing(scene: Scene) -> None:
    text, principal = await scene.bobs(life=0.5)
    value = await scene.entered(principal)
    assert await scene.passes(bearer(text))

    async def refused() -> bool:
        return not await scene.passes(bearer(text)) and not await scene.passes(cookie(value))

    await eventually(refused)


async def test_a_disabled_user_gets_in_by_nothing_of_theirs(scene: Scene) -> None:
    text, principal = await scene.bobs()
    value = await scene.entered(principal)
    await scene.served.accounts.update_user(
        scene.bob.user_id, role=None, disabled=True, password=None
    )
    assert not await scene.passes(bearer(text))
    assert not await scene.passes(cookie(value))


# Tickets and cookies.


async def test_a_ticket_gives_a_cookie_for_this_host_alone(scene: Scene) -> None:
    _, principal = await scene.bobs()
    ticket = scene.tickets.issue(principal, scene.deployment_id)
    reply = await scene.ask(request(target=ENTRANCE + b"?ticket=" + ticket.encode()))
    assert isinstance(reply, Reply)
    fields = dict(reply.fields)
    assert reply.status == 303
    assert fields[b"Location"] == b"/"
    assert fields[b"Cache-Control"] == b"no-store"
    assert fields[b"Referrer-Policy"] == b"no-referrer"
    name, _, attributes = fields[b"Set-Cookie"].decode().partition("=")
    assert name == "__Host-appliance"
    assert attributes.split("; ")[1:] == ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]


async def test_the_cookie_lets_its_browser_in(scene: Scene) -> None:
    _, principal = await scene.bobs()
    assert await scene.passes(cookie(await scene.entered(principal)))


async def test_the_machines_owner_comes_in_by_ticket_too(scene: Scene) -> None:
    owner = await scene.served.accounts.machine_owner()
    assert await scene.passes(cookie(await scene.entered(owner)))


@pytest.mark.parametrize("spoil", ["used", "late", "of another", "made up", "by HEAD", "missing"])
async def test_a_ticket_is_good_once_for_half_a_minute_for_one_deployment(
    scene: Scene, spoil: str
) -> None:
    _, principal = await scene.bobs()
    where = scene.other_id if spoil == "of another" else scene.deployment_id
    text = "x" if spoil == "made up" else scene.tickets.issue(principal, where)
    query = b"" if spoil == "missing" else b"?ticket=" + text.encode()
    method = b"HEAD" if spoil == "by HEAD" else b"GET"
    if spoil == "used":
        await scene.ask(request(target=ENTRANCE + query))
    if spoil == "late":
        scene.clock.move(timedelta(seconds=LIFE_S))
    reply = await scene.ask(request((b"Accept", BROWSER), target=ENTRANCE + query, method=method))
    assert isinstance(reply, Reply)
    assert reply.status == 401
    assert b"Set-Cookie" not in dict(reply.fields)
    assert b"Open one from the console again" in reply.body


async def test_a_used_link_opened_again_by_who_is_in_leads_on(scene: Scene) -> None:
    _, principal = await scene.bobs()
    value = await scene.entered(principal)
    reply = await scene.ask(request(cookie(value), target=ENTRANCE + b"?ticket=used"))
    assert isinstance(reply, Reply)
    assert (reply.status, dict(reply.fields)[b"Location"]) == (303, b"/")


async def test_the_cookie_opens_no_other_deployment(scene: Scene) -> None:
    _, principal = await scene.bobs()
    assert not await scene.passes(cookie(await scene.entered(principal)), on=scene.other_id)


async def test_the_cookie_ends_with_the_login(scene: Scene) -> None:
    _, principal = await scene.bobs()
    value = await scene.entered(principal)
    await scene.served.accounts.logout(principal)
    assert not await scene.passes(cookie(value))


async def test_the_cookie_ends_after_half_a_day(scene: Scene) -> None:
    _, principal = await scene.bobs()
    value = await scene.entered(principal)
    scene.clock.move(LIFE)
    assert not await scene.passes(cookie(value))


async def test_who_may_not_see_it_any_more_is_not_let_in_by_an_old_cookie(scene: Scene) -> None:
    _, admin = await scene.token("ada@example.org", Role.ADMIN)
    await scene.token("second@example.org", Role.ADMIN)
    value = await scene.entered(admin)
    assert await scene.passes(cookie(value))
    await scene.served.accounts.update_user(
        admin.user_id, role=Role.USER, disabled=None, password=None
    )
    assert not await scene.passes(cookie(value))


@pytest.mark.parametrize("spoil", ["signature", "deployment", "user", "longer", "empty", "dots"])
async def test_a_cookie_we_did_not_write_is_nothing(scene: Scene, spoil: str) -> None:
    _, principal = await scene.bobs()
    value = await scene.entered(principal)
    parts = value.split(".")
    forged = {
        "signature": value[:-1] + ("A" if value[-1] != "A" else "B"),
        "deployment": ".".join([scene.other_id, *parts[1:]]),
        "user": ".".join([parts[0], "user_000000000000", *parts[2:]]),
        "longer": ".".join([*parts[:3], "9" * 18, parts[4]]),
        "empty": "",
        "dots": "....",
    }[spoil]
    on = scene.other_id if spoil == "deployment" else None
    assert not await scene.passes(cookie(forged), on=on)


async def test_another_installations_cookie_is_nothing(scene: Scene) -> None:
    _, principal = await scene.bobs()
    visit = Visit(scene.deployment_id, principal.user_id, principal.token_id)
    assert not await scene.passes(cookie(Visits(b"x" * 32, scene.clock).begin(visit)))


@pytest.mark.parametrize(
    ("fields", "passes"),
    [
        ([], True),
        ([(b"Sec-Fetch-Site", b"same-origin")], True),
        ([(b"Sec-Fetch-Site", b"none")], True),
        ([(b"Origin", b"https://" + HOST)], True),
        ([(b"Origin", b"https://dep-b.box.local:8443")], False),
        ([(b"Origin", b"https://dep-a.box.local")], False),
        ([(b"Origin", b"http://" + HOST)], False),
        ([(b"Origin", b"null")], False),
        ([(b"Sec-Fetch-Site", b"same-site"), (b"Sec-Fetch-Mode", b"cors")], False),
        ([(b"Sec-Fetch-Site", b"cross-site"), (b"Sec-Fetch-Mode", b"no-cors")], False),
        (
            [(b"Sec-Fetch-Site", b"same-site"), (b"Sec-Fetch-Mode", b"navigate"),
             (b"Sec-Fetch-Dest", b"document")],
            True,
        ),
        (
            [(b"Sec-Fetch-Site", b"same-site"), (b"Sec-Fetch-Mode", b"navigate"),
             (b"Sec-Fetch-Dest", b"iframe")],
            False,
        ),
    ],
)  # fmt: skip
async def test_a_cookie_counts_only_for_requests_of_the_deployments_own_pages(
    scene: Scene, fields: list[tuple[bytes, bytes]], passes: bool
) -> None:
    _, principal = await scene.bobs()
    value = await scene.entered(principal)
    assert await scene.passes(cookie(value), *fields) is passes


async def test_a_person_reads_that_it_is_private_and_a_program_gets_a_problem(
    scene: Scene,
) -> None:
    page = await scene.ask(request((b"Accept", BROWSER)))
    problem = await scene.ask(request())
    assert isinstance(page, Reply)
    assert isinstance(problem, Reply)
    assert b"one is private" in page.body
    assert b'"code": "not_authenticated"' in problem.body
    assert all(dict(r.fields)[b"WWW-Authenticate"] == b"Bearer" for r in (page, problem))
