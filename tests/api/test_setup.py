"""GET and POST /setup: the first admin, by the one-time link."""

import pytest

from appliance.domain.permissions import Role
from tests.api.served import PASSWORD, Served, field_errors, problem

pytestmark = pytest.mark.anyio
EMAIL = "ada@example.org"


async def test_the_link_leads_to_an_admin_with_a_token_and_then_to_nothing(served: Served) -> None:
    nobody = served.nobody()
    assert (await nobody.get("/setup")).json() == {"needed": True}
    code = (await served.services.setup.link()).partition("#code=")[2]
    body = {"code": code, "email": EMAIL, "password": PASSWORD}
    made = await nobody.post("/setup", json=body)
    assert made.status_code == 201
    assert made.json()["user"]["role"] == "admin"
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    assert (await nobody.get("/users", headers=headers)).status_code == 200
    assert (await nobody.get("/setup")).json() == {"needed": False}
    problem(await nobody.post("/setup", json=body), 404)


async def test_a_wrong_code_is_forbidden_and_never_repeated(served: Served) -> None:
    body = {"code": "guessed-guessed-guess", "email": EMAIL, "password": PASSWORD}
    refused = await served.nobody().post("/setup", json=body)
    assert problem(refused, 403)["code"] == "not_permitted"
    long = await served.nobody().post("/setup", json={**body, "code": "guessed" * 20})
    problem(long, 422)
    assert "guessed" not in refused.text + long.text


async def test_only_the_control_socket_makes_a_fresh_link(served: Served) -> None:
    problem(await served.nobody().post("/setup/link"), 404)
    owner = await served.owner()
    first = (await owner.http.post("/setup/link")).json()["link"]
    second = (await owner.http.post("/setup/link")).json()["link"]
    assert first != second
    await served.caller(EMAIL, Role.ADMIN)
    problem(await owner.http.post("/setup/link"), 404)


async def test_a_stranger_is_told_of_each_wrong_parameter_but_not_of_thousands(
    served: Served,
) -> None:
    few = await served.nobody().get("/setup?a=1&b=1&b=2")
    assert field_errors(few) == {"b": "may be given once"}
    many = await served.nobody().get("/setup?" + "&".join(f"p{n}=1" for n in range(2000)))
    assert field_errors(many) == {"query": "has more than 64 parameters"}
