"""A stream of the API's ends with what its caller came with."""

from collections.abc import Awaitable, Callable

import anyio
import httpx
import pytest

from appliance.domain.permissions import Role
from tests.api.served import Caller, Served
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
Ending = Callable[[Served, Caller], Awaitable[object]]


async def revoked(_served: Served, bob: Caller) -> None:
    [token] = (await bob.get("/auth/tokens"))["tokens"]
    await bob.http.delete(f"/auth/tokens/{token['id']}")


async def disabled(served: Served, bob: Caller) -> None:
    await served.accounts.update_user(bob.user_id, role=None, disabled=True, password=None)


async def promoted(served: Served, bob: Caller) -> None:
    await served.accounts.update_user(bob.user_id, role=Role.ADMIN, disabled=None, password=None)


@pytest.mark.parametrize("stream", ["/events", "/deployments/{id}/logs?follow=true"])
@pytest.mark.parametrize("ending", [revoked, disabled, promoted])
async def test_a_stream_ends_with_the_rights_that_it_was_begun_with(
    served: Served, bob: Caller, stream: str, ending: Ending
) -> None:
    made = await bob.create()
    answers: list[httpx.Response] = []

    async def listen() -> None:
        answers.append(await bob.http.get(stream.replace("{id}", made["id"])))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await bob.until(made["id"], "running")
        assert not answers
        await ending(served, bob)
        await eventually(lambda: bool(answers))
    assert answers[0].status_code == 200


async def test_the_owner_of_the_machine_has_no_token_that_could_end(served: Served) -> None:
    owner = await served.owner()
    with anyio.move_on_after(3) as patience:
        await owner.http.get("/events")
    assert patience.cancelled_caught
