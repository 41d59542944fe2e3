"""POST /auth/password: one's own password; the other sessions end."""

import httpx
import pytest

from tests.api.served import PASSWORD, Caller, Served, field_errors, problem

pytestmark = pytest.mark.anyio
BOB = "bob@example.org"
NEW = "another horse entirely"


async def log_in(served: Served, password: str = PASSWORD) -> httpx.AsyncClient:
    body = {"email": BOB, "password": password}
    made = await served.nobody().post("/auth/login", json=body)
    assert made.status_code == 200, made.text
    return served.client(served.app, Authorization=f"Bearer {made.json()['token']}")


async def test_the_new_password_counts_and_other_sessions_end(served: Served, bob: Caller) -> None:
    here, elsewhere = await log_in(served), await log_in(served)
    done = await here.post("/auth/password", json={"current": PASSWORD, "new": NEW})
    assert done.json() == {"success": True}
    assert (await here.get("/auth/me")).status_code == 200
    problem(await elsewhere.get("/auth/me"), 401)
    assert (await bob.http.get("/auth/me")).status_code == 200  # an API token stays
    problem(
        await served.nobody().post("/auth/login", json={"email": BOB, "password": PASSWORD}), 401
    )
    await log_in(served, NEW)


async def test_a_wrong_or_short_one_is_told_beside_its_field(served: Served, bob: Caller) -> None:
    wrong = await bob.http.post("/auth/password", json={"current": "guessed!", "new": NEW})
    assert field_errors(wrong) == {"current": "is not your password"}
    short = await bob.http.post("/auth/password", json={"current": PASSWORD, "new": "shorty"})
    assert field_errors(short).keys() == {"new"}
    assert "guessed" not in wrong.text
    assert "shorty" not in short.text
    await log_in(served)


async def test_guessing_the_current_one_is_slowed_down(bob: Caller) -> None:
    body = {"current": "guessed!", "new": NEW}
    statuses = [(await bob.http.post("/auth/password", json=body)).status_code for _ in range(7)]
    assert statuses[-1] == 429


async def test_a_read_token_and_the_machines_owner_set_none(served: Served, reader: Caller) -> None:
    body = {"current": PASSWORD, "new": NEW}
    problem(await reader.http.post("/auth/password", json=body), 403)
    problem(await (await served.owner()).http.post("/auth/password", json=body), 409)
