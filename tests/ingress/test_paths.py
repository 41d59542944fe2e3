"""Of some deployments only some paths are open, however a path is spelt."""

from pathlib import Path

import pytest

from appliance.domain.deployment import Access, Status
from appliance.ingress.paths import leads_to
from appliance.ingress.seams import Reply, Verdict
from tests.ingress.doorlab import Lab, door, get

OPEN = ("/v1/", "/health")


@pytest.mark.parametrize(
    "target",
    [b"/v1/models", b"/v1/", b"/v1/a/b?x=/../sleep", b"/v1/models/a%2Fb", b"/health",
     b"/health?deep=1", b"/h%65alth", b"/v1/...", b"/v1/.well-known"],
)  # fmt: skip
def test_what_is_open(target: bytes) -> None:
    assert leads_to(OPEN, target)


@pytest.mark.parametrize(
    "target",
    [b"/", b"*", b"/sleep", b"/%73leep", b"/v1", b"/v1sleep", b"/healthy", b"/health/",
     b"//v1/models", b"/v1/../sleep", b"/v1/%2e%2e/sleep", b"/v1%2F..%2Fsleep", b"/v1/..",
     b"/v1/./models", b"/v1/.", b"/v1//models", b"/v1/..%5Csleep", b"/v1/..;/sleep/../x",
     b"/V1/models", b"/sleep?/v1/", b"/sleep%3F/v1/"],
)  # fmt: skip
def test_what_is_shut(target: bytes) -> None:
    assert not leads_to(OPEN, target)


@pytest.mark.anyio
async def test_what_is_shut_never_gets_to_the_container(lab: Lab) -> None:
    """Also on a connection over which something open has been asked for."""
    backend = await lab.backend()
    lab.write("dep_a", {80: backend.port}, paths=OPEN)
    client = await lab.client()
    for path, answer in (
        ("/v1/models", (200, b"hello")),
        ("/sleep", (404, b"no_such_path: this path is not open\n")),
        ("/v1/models", (200, b"hello")),
        ("/%73leep", (404, b"no_such_path: this path is not open\n")),
    ):
        await client.send(get(path=path))
        assert await client.answer() == answer
    assert len(backend.heads) == 2


@pytest.mark.anyio
async def test_what_is_shut_wakes_nobody(lab: Lab) -> None:
    lab.write("dep_a", {}, status=Status.SLEEPING, paths=OPEN)
    client = await lab.client()
    await client.send(get(path="/sleep"))
    assert (await client.answer())[0] == 404


class Shut:
    """Lets nobody in."""

    async def admit(self, *_: object, **__: object) -> Verdict:
        return Reply(401)

    async def stands(self, grant: object) -> bool:
        return bool(grant)


@pytest.mark.anyio
async def test_a_stranger_does_not_learn_what_is_open(tmp_path: Path) -> None:
    async with door(tmp_path, gate=Shut()) as lab:
        backend = await lab.backend()
        lab.write("dep_a", {80: backend.port}, access=Access.PRIVATE, paths=OPEN)
        client = await lab.client()
        for path in ("/sleep", "/v1/models"):
            await client.send(get(path=path))
            assert (await client.answer())[0] == 401
        assert backend.heads == []
