"""Who did what: on record with its result, never changed, verified from end to end."""

import sqlite3
from typing import Any

import pytest

from appliance.domain.permissions import Role
from tests.api.served import PASSWORD, Caller, Served, problem

pytestmark = pytest.mark.anyio
BROKEN = "UPDATE audit SET actor = 'somebody else' WHERE seq = 2"


async def entries(ada: Caller) -> list[dict[str, Any]]:
    return list((await ada.get("/audit"))["entries"])


async def test_orders_are_on_record_with_who_and_what_and_reads_are_not(
    ada: Caller, bob: Caller
) -> None:
    made = (await bob.create())["id"]
    await bob.http.post(f"/deployments/{made}/stop")
    await bob.get("/deployments")
    stop, create = await entries(ada)
    assert (create["action"], create["object"]) == ("create_deployment", made)
    assert (stop["action"], stop["object"], stop["result"]) == ("stop_deployment", made, "ok")
    assert (stop["actorId"], stop["actor"]) == (bob.user_id, "bob@example.org")
    assert stop["tokenId"]
    assert stop["at"] >= create["at"]


async def test_logins_and_denials_are_on_record_with_the_address_that_was_tried(
    served: Served, ada: Caller, bob: Caller
) -> None:
    nobody = served.nobody()
    for password in ("guessed!", PASSWORD):
        await nobody.post("/auth/login", json={"email": "bob@example.org", "password": password})
    problem(await bob.http.get("/users"), 403)
    problem(await nobody.get("/deployments"), 401)
    problem(await nobody.delete("/deployments/dep_x"), 401)
    found = [(e["action"], e["result"], e["code"], e["actor"]) for e in await entries(ada)]
    assert found == [
        ("delete_deployment", "denied", "not_authenticated", None),
        ("list_deployments", "denied", "not_authenticated", None),
        ("list_users", "denied", "not_permitted", "bob@example.org"),
        ("login", "ok", None, "bob@example.org"),
        ("login", "denied", "not_authenticated", "bob@example.org"),
    ]
    assert (await entries(ada))[0]["object"] == "dep_x"


async def test_no_secret_and_no_control_character_gets_in(served: Served, ada: Caller) -> None:
    body = {"email": "eve\x1b[31m@x", "password": "hush-hush"}
    await served.nobody().post("/auth/login", json=body)
    await ada.http.put("/registries/a.example", json={"username": "u", "password": "hush-hush"})
    text = (await ada.http.get("/audit")).text
    assert "hush" not in text
    assert "\x1b" not in text
    assert "u001b" not in text


async def test_it_comes_in_pages(ada: Caller, bob: Caller) -> None:
    for _ in range(3):
        await bob.create()
    page = await ada.get("/audit?page=2&limit=2")
    assert page["pagination"] == {"page": 2, "limit": 2, "total": 3, "totalPages": 2}
    assert len(page["entries"]) == 1


async def test_nothing_is_changed_or_taken_out_and_a_change_behind_our_back_shows(
    served: Served, ada: Caller, bob: Caller
) -> None:
    for _ in range(3):
        await bob.create()
    assert await ada.get("/audit/verify") == {"entries": 3, "intact": True, "firstBroken": None}
    for sql in (BROKEN, "DELETE FROM audit"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            async with served.db.transaction() as tx:
                await tx.execute(sql)
    async with served.db.transaction() as tx:
        await tx.execute("DROP TRIGGER audit_is_never_changed")
        await tx.execute(BROKEN)
    assert await ada.get("/audit/verify") == {"entries": 3, "intact": False, "firstBroken": 2}


async def test_an_entry_taken_out_of_the_middle_shows(
    served: Served, ada: Caller, bob: Caller
) -> None:
    for _ in range(3):
        await bob.create()
    async with served.db.transaction() as tx:
        await tx.execute("DROP TRIGGER audit_is_never_shortened")
        await tx.execute("DELETE FROM audit WHERE seq = 1")
    assert (await ada.get("/audit/verify"))["firstBroken"] == 1


async def test_entries_cut_off_at_the_end_show_for_ever(
    served: Served, ada: Caller, bob: Caller
) -> None:
    for _ in range(3):
        await bob.create()
    async with served.db.transaction() as tx:
        await tx.execute("DROP TRIGGER audit_is_never_shortened")
        await tx.execute("DELETE FROM audit WHERE seq > 1")
    found = await ada.get("/audit/verify")
    assert found == {"entries": 1, "intact": False, "firstBroken": 2}
    for _ in range(3):
        await bob.create()
    assert (await ada.get("/audit/verify"))["firstBroken"] == 2


async def test_a_stranger_can_not_fill_the_disk_with_denials(served: Served, ada: Caller) -> None:
    for _ in range(60):
        await served.nobody().get("/deployments")
    assert (await ada.get("/audit"))["pagination"]["total"] == 20


async def test_only_admins_read_it(served: Served, bob: Caller) -> None:
    problem(await bob.http.get("/audit"), 403)
    problem(await bob.http.get("/audit/verify"), 403)
    eve = await served.caller("eve@example.org", Role.ADMIN)
    assert len(await entries(eve)) == 2
