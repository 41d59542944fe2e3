"""Who may see and replace the access token of a private deployment, and open it by a ticket."""

from urllib.parse import parse_qs, urlsplit

import pytest

from appliance.domain.token_text import is_access_token
from appliance.log import redact
from tests.api.served import Caller, Served, field_errors, problem

pytestmark = pytest.mark.anyio


async def private(caller: Caller) -> str:
    made = await caller.create(access="private")
    await caller.until(made["id"], "running")
    return str(made["id"])


async def test_a_private_deployment_is_made_with_a_token_of_its_own(bob: Caller) -> None:
    deployment_id = await private(bob)
    shown = (await bob.get(f"/deployments/{deployment_id}/access"))["access"]
    assert shown["mode"] == "private"
    assert is_access_token(shown["token"], deployment_id)
    assert shown["createdAt"].endswith("Z")


async def test_a_public_one_has_none_and_cannot_get_one(bob: Caller) -> None:
    made = await bob.create()
    where = f"/deployments/{made['id']}"
    shown = (await bob.get(f"{where}/access"))["access"]
    assert shown == {"mode": "public", "token": None, "createdAt": None}
    assert problem(await bob.http.post(f"{where}/access"), 409)["code"] == "conflict"
    assert problem(await bob.http.post(f"{where}/ticket"), 409)["code"] == "conflict"


async def test_a_new_token_takes_the_place_of_the_one_before(bob: Caller) -> None:
    where = f"/deployments/{await private(bob)}/access"
    before = (await bob.get(where))["access"]["token"]
    answer = await bob.http.post(where)
    assert answer.status_code == 200
    after = answer.json()["access"]["token"]
    assert after != before
    assert (await bob.get(where))["access"]["token"] == after


async def test_the_token_stands_nowhere_else(bob: Caller, served: Served) -> None:
    deployment_id = await private(bob)
    token = (await bob.get(f"/deployments/{deployment_id}/access"))["access"]["token"]
    for path in ("", f"/{deployment_id}", f"/{deployment_id}/events"):
        assert token not in (await bob.http.get(f"/deployments{path}")).text
    assert token not in redact(f"token {token}")
    [row] = await served.db.read("SELECT sealed, sha256 FROM access_token")
    assert token.encode() not in bytes(row["sealed"]) + bytes(row["sha256"])


async def test_a_deleted_deployment_leaves_no_token(bob: Caller, served: Served) -> None:
    deployment_id = await private(bob)
    await bob.http.delete(f"/deployments/{deployment_id}")
    assert await served.db.read("SELECT * FROM access_token") == []


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "access"), ("POST", "access"), ("POST", "ticket")]
)
async def test_anothers_deployment_is_not_found_and_an_admin_sees_all(
    ada: Caller, bob: Caller, carol: Caller, served: Served, method: str, path: str
) -> None:
    where = f"/deployments/{await private(bob)}/{path}"
    assert problem(await carol.http.request(method, where), 404)["code"] == "not_found"
    assert problem(await served.nobody().request(method, where), 401)
    assert (await ada.http.request(method, where)).status_code in (200, 201)


async def test_a_read_token_may_open_it_but_not_see_its_token(
    reader: Caller, bob: Caller, served: Served
) -> None:
    deployment_id = await private(bob)
    for method in ("GET", "POST"):
        answer = await reader.http.request(method, f"/deployments/{deployment_id}/access")
        assert problem(answer, 403)["code"] == "not_permitted"


async def test_a_ticket_is_a_link_to_the_deployments_own_host(bob: Caller, served: Served) -> None:
    deployment_id = await private(bob)
    answer = await bob.http.post(f"/deployments/{deployment_id}/ticket")
    assert answer.status_code == 201
    made = answer.json()
    assert made["expiresInSeconds"] == 30
    link = urlsplit(made["url"])
    assert link.hostname == f"{deployment_id.replace('_', '-')}.localhost"
    [text] = parse_qs(link.query)["ticket"]
    ticket = served.services.tickets.redeem(text, deployment_id)
    assert ticket is not None
    assert ticket.user_id == bob.user_id
    assert served.services.tickets.redeem(text, deployment_id) is None


async def test_a_ticket_for_a_further_port_leads_to_its_host(bob: Caller) -> None:
    made = await bob.create(access="private", ports=[{"port": 8080}, {"port": 9000}])
    await bob.until(made["id"], "running")
    where = f"/deployments/{made['id']}/ticket"
    answer = await bob.http.post(where, params={"port": 9000})
    assert "-9000.localhost" in answer.json()["url"]
    assert "9001" in problem(await bob.http.post(where, params={"port": 9001}), 409)["detail"]
    assert "port" in field_errors(await bob.http.post(where, params={"port": 0}))


async def test_one_that_does_not_run_gives_no_ticket(bob: Caller) -> None:
    deployment_id = await private(bob)
    await bob.http.post(f"/deployments/{deployment_id}/stop")
    await bob.until(deployment_id, "stopped")
    refused = problem(await bob.http.post(f"/deployments/{deployment_id}/ticket"), 409)
    assert "stopped" in refused["detail"]


async def test_the_authority_can_be_downloaded_by_anybody(served: Served) -> None:
    answer = await served.nobody().get("/ca.crt")
    assert answer.content == served.services.trust.pem
    assert answer.headers["content-type"] == "application/x-x509-ca-cert"
    assert "attachment" in answer.headers["content-disposition"]


async def test_a_page_explains_how_to_trust_it_without_any_script(served: Served) -> None:
    answer = await served.nobody().get("/trust")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src")
    assert answer.headers["x-content-type-options"] == "nosniff"
    for words in ("Windows", "macOS", "iPhone", "Android", "Firefox", "Debian", "Fedora", "AB:CD"):
        assert words in answer.text
    assert "<script" not in answer.text
    assert 'href="/ca.crt"' in answer.text


async def test_made_private_it_gets_a_token_and_made_public_it_loses_it(bob: Caller) -> None:
    made = await bob.create()
    where = f"/deployments/{made['id']}"
    await bob.http.patch(where, json={"access": "private"})
    shown = (await bob.get(f"{where}/access"))["access"]
    assert shown["mode"] == "private"
    assert is_access_token(shown["token"], made["id"])
    await bob.http.patch(where, json={"access": "public"})
    assert (await bob.get(f"{where}/access"))["access"]["token"] is None


async def test_a_new_host_name_takes_the_place_of_the_one_before(
    bob: Caller, served: Served
) -> None:
    made = await bob.create(hostname="before")
    await bob.http.patch(f"/deployments/{made['id']}", json={"hostname": "after"})
    named = served.engine.addresses.named
    assert named("before") is None
    assert named("after") is not None


async def test_a_raw_port_that_is_asked_for_later_gets_one_of_this_machine(
    bob: Caller, served: Served
) -> None:
    made = await bob.create()
    raw = {"ports": [{"port": 8080}, {"port": 5432, "protocol": "tcp"}]}
    answer = await bob.http.patch(f"/deployments/{made['id']}", json=raw)
    assert answer.is_success, answer.text
    assert list(served.engine.raw_ports.of(made["id"])) == [5432]
