"""Whoever was let in is out within seconds once what they were let in on counts no more."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.auth.tickets import Tickets
from appliance.clock import SystemClock
from appliance.domain.deployment import Access, Desired
from appliance.domain.permissions import Principal, Role, Scope
from appliance.ingress.gate import AccessGate
from appliance.ingress.pages import FriendlyPages
from appliance.ingress.visits import COOKIE, Visit, Visits
from tests.api.served import Caller, Served, serving
from tests.ingress.doorlab import DOMAIN, Backend, Client, Lab, Talk, door, get

pytestmark = pytest.mark.anyio
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
STREAMS: dict[str, list[str]] = {
    "sse": [],
    "websocket": ["Connection: Upgrade", "Upgrade: websocket"],
}


async def for_ever(talk: Talk) -> None:
    """Begins a stream or a WebSocket, and leaves it open."""
    head = await talk.head()
    await talk.say(SWITCH if b"Upgrade" in head else SSE)
    await talk.reader.read()


@dataclass
class Scene:
    """Bob has a private deployment behind a door with the real gate."""

    served: Served
    bob: Caller
    lab: Lab
    visits: Visits
    deployment_id: str
    backend: Backend

    @property
    def host(self) -> str:
        return f"{self.deployment_id.replace('_', '-')}.{DOMAIN}"

    def write(self, access: Access, desired: Desired = Desired.RUNNING) -> None:
        self.lab.write(
            self.deployment_id, {80: self.backend.port}, access=access, desired=desired,
            owner_id=self.bob.user_id,
        )  # fmt: skip

    async def stream(self, kind: str, *fields: str) -> Client:
        """A client in the middle of one."""
        client = await self.lab.client()
        await client.send(get(self.host, "/", *STREAMS[kind], *fields))
        assert (await client.head()).startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 101 "))
        return client

    async def api_token(self) -> tuple[str, Principal]:
        principal = Principal(self.bob.user_id, "bob@example.org", Role.USER, Scope.WRITE)
        made = await self.served.accounts.create_token(principal, "t", Scope.WRITE, None)
        return made.text, Principal(
            principal.user_id, principal.email, Role.USER, Scope.WRITE, made.token.id
        )


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with serving(tmp_path / "appliance.db") as served:
        bob = await served.caller("bob@example.org")
        made = await bob.create(access="private")
        visits, clock = Visits(b"k" * 32, SystemClock()), SystemClock()
        pages = FriendlyPages("https://box.test/", lambda _: None)
        gate = AccessGate(
            served.accounts, served.engine.addresses, served.engine.access_tokens,
            Tickets(clock), visits, pages,
        )  # fmt: skip
        async with door(tmp_path, gate=gate) as lab:
            backend = await lab.backend(for_ever)
            scene = Scene(served, bob, lab, visits, made["id"], backend)
            scene.write(Access.PRIVATE)
            yield scene


Way = Callable[[Scene], Awaitable[tuple[str, Callable[[], Awaitable[object]]]]]
"""How somebody gets in, and what ends that."""


async def by_api_token(scene: Scene) -> tuple[str, Callable[[], Awaitable[object]]]:
    text, caller = await scene.api_token()
    assert caller.token_id is not None
    token_id = caller.token_id
    return f"Authorization: Bearer {text}", lambda: scene.served.accounts.revoke_token(
        caller, token_id
    )


async def by_access_token(scene: Scene) -> tuple[str, Callable[[], Awaitable[object]]]:
    where = f"/deployments/{scene.deployment_id}/access"
    text = (await scene.bob.get(where))["access"]["token"]
    return f"Authorization: Bearer {text}", lambda: scene.bob.http.post(where)


async def by_cookie(scene: Scene) -> tuple[str, Callable[[], Awaitable[object]]]:
    _, caller = await scene.api_token()
    value = scene.visits.begin(Visit(scene.deployment_id, caller.user_id, caller.token_id))
    return f"Cookie: {COOKIE}={value}", lambda: scene.served.accounts.logout(caller)


async def by_a_user_who_is_barred(scene: Scene) -> tuple[str, Callable[[], Awaitable[object]]]:
    text, caller = await scene.api_token()
    return f"Authorization: Bearer {text}", lambda: scene.served.accounts.update_user(
        caller.user_id, role=None, disabled=True, password=None
    )


async def by_an_admin_who_is_none_any_more(
    scene: Scene,
) -> tuple[str, Callable[[], Awaitable[object]]]:
    accounts = scene.served.accounts
    await accounts.create_user("root@example.org", Role.ADMIN, "correct horse battery")
    ada = await accounts.create_user("ada@example.org", Role.ADMIN, "correct horse battery")
    principal = Principal(ada.id, ada.email, Role.ADMIN, Scope.WRITE)
    made = await accounts.create_token(principal, "t", Scope.WRITE, None)
    return f"Authorization: Bearer {made.text}", lambda: accounts.update_user(
        ada.id, role=Role.USER, disabled=None, password=None
    )


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize(
    "way",
    [by_api_token, by_access_token, by_cookie, by_a_user_who_is_barred,
     by_an_admin_who_is_none_any_more],
)  # fmt: skip
async def test_a_stream_ends_with_what_it_was_let_in_on_and_no_other(
    scene: Scene, kind: str, way: Way
) -> None:
    owner = await scene.served.accounts.machine_owner()
    value = scene.visits.begin(Visit(scene.deployment_id, owner.user_id, None))
    other = await scene.stream(kind, f"Cookie: {COOKIE}={value}")
    field, end = await way(scene)
    client = await scene.stream(kind, field)
    await end()
    await gone(client)
    await scene.lab.client()  # the door is well
    assert not other.reader.at_eof()
    assert scene.lab.activity.of(scene.deployment_id).open_requests == 1


@pytest.mark.parametrize("kind", STREAMS)
async def test_turning_private_ends_who_was_not_asked(scene: Scene, kind: str) -> None:
    scene.write(Access.PUBLIC)
    client = await scene.stream(kind)
    scene.write(Access.PRIVATE)
    await gone(client)


@pytest.mark.parametrize("kind", STREAMS)
async def test_turning_public_ends_nobody(scene: Scene, kind: str) -> None:
    field, _ = await by_access_token(scene)
    await scene.stream(kind, field)
    scene.write(Access.PUBLIC)
    assert scene.lab.activity.of(scene.deployment_id).open_requests == 1


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("access", Access)
async def test_deleting_ends_everybody(scene: Scene, kind: str, access: Access) -> None:
    field, _ = await by_access_token(scene)
    scene.write(access)
    client = await scene.stream(kind, field)
    scene.write(access, Desired.DELETED)
    await gone(client)


async def gone(client: Client) -> None:
    """The door ends the connection, cleanly or not."""
    try:
        await client.rest()
    except ConnectionError:
        return
