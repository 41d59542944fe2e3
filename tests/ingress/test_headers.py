"""What the upstream is told: who really asks, and nothing that was meant for the door alone."""

import pytest

from appliance.domain.deployment import Access
from appliance.domain.token_text import new_access_token, new_token
from appliance.ingress.visits import COOKIE
from tests.ingress.doorlab import DOMAIN, Backend, Lab, get

pytestmark = pytest.mark.anyio
HOST = f"dep-a.{DOMAIN}"


async def asked(lab: Lab, *fields: str, host: str = HOST) -> Backend:
    backend = await lab.deploy("a")
    client = await lab.client()
    await client.send(get(host, "/", *fields))
    assert (await client.answer())[0] == 200
    return backend


async def test_the_sender_is_told_in_every_usual_way(lab: Lab) -> None:
    names = (await asked(lab, host=f"{HOST}:8443")).names()
    assert names[b"x-forwarded-for"] == b"127.0.0.1"
    assert names[b"x-real-ip"] == b"127.0.0.1"
    assert names[b"x-forwarded-proto"] == b"http"
    assert names[b"x-forwarded-host"] == f"{HOST}:8443".encode()
    assert names[b"forwarded"] == f'for=127.0.0.1;host="{HOST}:8443";proto=http'.encode()
    assert names[b"host"] == f"{HOST}:8443".encode()


@pytest.mark.parametrize(
    "name",
    ["X-Forwarded-For", "x_forwarded_for", "X-FORWARDED_Host", "X-Forwarded-Prefix", "Forwarded",
     "X-Real-IP", "X_Real_IP", "X-Forwarded-Proto", "Proxy"],
)  # fmt: skip
async def test_what_a_client_says_of_the_sender_does_not_arrive(lab: Lab, name: str) -> None:
    backend = await asked(lab, f"{name}: evil")
    assert b"evil" not in backend.heads[0]


async def test_what_is_between_client_and_door_stays_there(lab: Lab) -> None:
    backend = await asked(
        lab, "Connection: keep-alive, X-Mine, Content-Length, Host", "X-Mine: 1", "X_Mine: 2",
        "Keep-Alive: timeout=5", "Proxy-Connection: close", "TE: gzip", "Upgrade: h2c",
        "HTTP2-Settings: AAAA", "X-Other: 3",
    )  # fmt: skip
    names = backend.names()
    ours = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip"}
    assert names.keys() == ours | {b"forwarded", b"host", b"x-other"}


async def test_trailers_may_be_asked_for(lab: Lab) -> None:
    names = (await asked(lab, "Connection: TE", "TE: trailers, gzip")).names()
    assert names[b"te"] == b"trailers"
    assert names[b"connection"] == b"TE"


async def test_other_fields_arrive_as_they_were_sent_and_in_order(lab: Lab) -> None:
    backend = await asked(lab, "Accept: a", "accept: b", "X-Latin: \xe4", "Cookie: a=b; c=d")
    assert (
        b"Accept: a\r\naccept: b\r\nX-Latin: \xc3\xa4\r\nCookie: a=b; c=d\r\n" in backend.heads[0]
    )


OURS = new_token().text
OURS_TOO = new_access_token("dep_0123456789ab")


@pytest.mark.parametrize("access", Access)
@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        (f"Authorization: Bearer {OURS}", None),
        (f"AUTHORIZATION:  bEARER   {OURS_TOO} ", None),
        ("Authorization: Bearer sk-of-the-app", b"Authorization: Bearer sk-of-the-app\r\n"),
        (f"Authorization: Bearer {OURS[:-1]}", f"Authorization: Bearer {OURS[:-1]}\r\n".encode()),
        ("Authorization: Basic YTpi", b"Authorization: Basic YTpi\r\n"),
        (f"Cookie: {COOKIE}=v", None),
        (f"COOKIE: a=1; {COOKIE}=v;b=2", b"COOKIE: a=1; b=2\r\n"),
        (f"Cookie: a={COOKIE}", f"Cookie: a={COOKIE}\r\n".encode()),
    ],
    ids=["user", "access", "app", "mistyped", "basic", "cookie", "cookies", "value"],
)
async def test_what_opens_more_than_a_container_does_not_arrive_there(
    lab: Lab, access: Access, sent: str, arrives: bytes | None
) -> None:
    backend = await lab.backend()
    lab.write("dep_a", {80: backend.port}, access=access)
    client = await lab.client()
    for _ in range(2):  # the second comes on a connection that is open already
        await client.send(get(HOST, "/", sent, "X-App: 1"))
        assert (await client.answer())[0] == 200
    for head in backend.heads:
        assert b"X-App: 1\r\n" in head
        assert (b"authorization" in head.lower() or b"cookie" in head.lower()) == bool(arrives)
        assert arrives is None or arrives in head


async def test_the_api_gets_the_token_that_is_for_it(lab: Lab) -> None:
    client = await lab.client()
    await client.send(get("localhost", "/", f"Authorization: Bearer {OURS}"))
    assert (await client.answer())[0] == 200
    assert lab.api.names()[b"authorization"] == f"Bearer {OURS}".encode()


async def test_an_absolute_target_becomes_a_path(lab: Lab) -> None:
    backend = await lab.deploy("a")
    client = await lab.client()
    await client.send(get(HOST, f"http://{HOST.upper()}?q=1"))
    assert (await client.answer())[0] == 200
    assert backend.heads[0].startswith(b"GET /?q=1 HTTP/1.1\r\n")
