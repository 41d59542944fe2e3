"""Nothing to relay to, or it breaks: the client always gets an answer or an end, never a hang."""

import asyncio
from pathlib import Path

import anyio
import pytest

from appliance.domain.deployment import Access, Desired, Status
from appliance.engine.addresses import Address
from appliance.ingress.head import Head
from appliance.ingress.seams import Grant, Passed, Reply, Verdict
from tests.ingress.doorlab import DOMAIN, HELLO, Client, Lab, Talk, door, get
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def silence(talk: Talk) -> None:
    """Takes a request and never answers."""
    await talk.head()
    await talk.reader.read()


async def waiting(lab: Lab) -> Client:
    """A client whose request is with the backend."""
    client = await lab.client()
    await client.send(get())
    await eventually(lambda: bool(lab.backends[-1].heads))
    return client


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.RUNNING])
async def test_one_that_does_not_run_is_a_503_and_the_connection_stays(
    lab: Lab, status: Status
) -> None:
    lab.write("dep_a", {}, status=status)
    client = await lab.client()
    for _ in range(2):
        await client.send(get())
        code, body = await client.answer()
        assert (code, body.split(b":")[0]) == (503, b"not_running")


async def test_one_that_runs_and_does_not_listen_is_a_502(lab: Lab) -> None:
    backend = await lab.deploy("a")
    await backend.close()
    client = await lab.client()
    await client.send(get())
    assert (await client.answer())[0] == 502


async def test_a_port_it_does_not_have_is_a_404(lab: Lab) -> None:
    await lab.deploy("a")
    client = await lab.client()
    await client.send(get(f"dep-a-81.{DOMAIN}"))
    assert await client.answer() == (404, b"no_such_port: app has no such HTTP port\n")


async def test_further_ports_and_the_chosen_name_have_addresses_of_their_own(lab: Lab) -> None:
    first, second = await lab.backend(), await lab.backend()
    lab.write("dep_a", {80: first.port, 81: second.port}, hostname="mine")
    for host, backend in (("dep-a-81", second), ("MINE", first), ("dep-a-80", first)):
        client = await lab.client()
        await client.send(get(f"{host}.{DOMAIN}"))
        assert (await client.answer())[0] == 200
        assert len(backend.heads) > 0
    client = await lab.client()
    await client.send(get(f"mine-81.{DOMAIN}"))
    assert (await client.answer())[0] == 404


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-"])
async def test_hanging_up_before_the_head_is_whole_is_a_502(lab: Lab, said: bytes) -> None:
    async def hang_up(talk: Talk) -> None:
        await talk.head()
        await talk.say(said)

    await lab.deploy("a", hang_up)
    client = await lab.client()
    await client.send(get())
    assert (await client.answer())[0] == 502


@pytest.mark.parametrize(
    "said",
    [b"nonsense\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
     b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"x" * 70_000],
)  # fmt: skip
async def test_an_answer_that_is_none_is_a_502(lab: Lab, said: bytes) -> None:
    async def babble(talk: Talk) -> None:
        await talk.head()
        await talk.say(said)
        await talk.reader.read()

    await lab.deploy("a", babble)
    client = await lab.client()
    await client.send(get())
    code, body = await client.answer()
    assert (code, body.split(b":")[0]) == (502, b"bad_answer")


async def test_an_answer_cut_short_ends_the_connection(lab: Lab) -> None:
    async def cut(talk: Talk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")

    await lab.deploy("a", cut)
    answer = await lab.talk(get())
    assert answer.endswith(b"\r\n\r\nhello")


async def test_a_connection_closed_while_idle_is_opened_anew_unnoticed(lab: Lab) -> None:
    async def once(talk: Talk) -> None:
        await talk.head()
        await talk.say(HELLO)

    backend = await lab.deploy("a", once)
    client = await lab.client()
    for _ in range(5):
        await client.send(get())
        assert (await client.answer())[0] == 200
    assert backend.connections == 5


async def test_a_get_that_meets_a_closing_connection_is_asked_again_and_a_post_is_not(
    lab: Lab,
) -> None:
    async def two(talk: Talk) -> None:
        await talk.head()
        await talk.say(HELLO)
        await talk.head()

    backend = await lab.deploy("a", two)
    client = await lab.client()
    await client.send(get())
    assert (await client.answer())[0] == 200
    await client.send(get())
    assert (await client.answer())[0] == 200
    await client.send(get().replace(b"GET", b"POST"))
    assert (await client.answer())[0] == 502
    assert len(backend.heads) == 4


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED])
async def test_who_waits_for_one_that_has_ended_gets_a_502_at_once(
    lab: Lab, status: Status
) -> None:
    await lab.deploy("a", silence)
    client = await waiting(lab)
    lab.write("dep_a", {}, status=status)
    with anyio.fail_after(1):
        assert (await client.answer())[0] == 502


async def test_who_waits_for_one_that_is_deleted_gets_a_502_at_once(lab: Lab) -> None:
    await lab.deploy("a", silence)
    client = await waiting(lab)
    lab.write("dep_a", {}, desired=Desired.DELETED)
    with anyio.fail_after(1):
        assert (await client.answer())[0] == 502
    await client.send(get())
    assert (await client.answer())[0] == 404


async def test_who_waits_for_one_that_stops_may_still_be_answered(lab: Lab) -> None:
    go = anyio.Event()

    async def late(talk: Talk) -> None:
        await talk.head()
        await go.wait()
        await talk.say(HELLO)

    await lab.deploy("a", late)
    client = await waiting(lab)
    lab.write("dep_a", {}, status=Status.STOPPING)
    go.set()
    assert (await client.answer())[0] == 200
    await client.send(get())
    assert (await client.answer())[0] == 503


async def test_who_waits_for_one_that_is_paused_gets_a_503_at_once(lab: Lab) -> None:
    await lab.deploy("a", silence)
    client = await waiting(lab)
    lab.addresses.seen("dep_a", paused=True)
    with anyio.fail_after(1):
        assert (await client.answer())[0] == 503
    await client.send(get())
    assert (await client.answer())[1].startswith(b"paused")


async def test_after_a_restart_the_same_connection_reaches_the_new_container(lab: Lab) -> None:
    old = await lab.deploy("a")
    client = await lab.client()
    await client.send(get())
    await client.answer()
    new = await lab.deploy("a")
    await client.send(get())
    assert (await client.answer())[0] == 200
    assert (len(old.heads), len(new.heads)) == (1, 1)


async def test_a_client_that_leaves_is_noticed_upstream(lab: Lab) -> None:
    left = anyio.Event()

    async def notice(talk: Talk) -> None:
        await talk.head()
        await talk.reader.read()
        left.set()

    await lab.deploy("a", notice)
    client = await waiting(lab)
    client.close()
    with anyio.fail_after(2):
        await left.wait()


class Doorman:
    """Refuses who shows nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def admit(self, head: Head, address: Address, client: str, *, secure: bool) -> Verdict:
        assert not secure
        self.asked.append(f"{address.deployment_id} {client}")
        if head.get(b"authorization") is None:
            return Reply(401, ((b"WWW-Authenticate", b"Bearer"),), b"no")
        return Passed(grant="shown")

    async def stands(self, grant: Grant) -> bool:
        return bool(grant)


async def test_the_gate_is_asked_for_each_request_to_a_private_one(tmp_path: Path) -> None:
    gate = Doorman()
    async with door(tmp_path, gate=gate) as lab:
        backend = await lab.backend()
        lab.write("dep_a", {80: backend.port}, access=Access.PRIVATE)
        client = await lab.client()
        for fields, status in (((), 401), (("Authorization: x",), 200), ((), 401)):
            await client.send(get(f"dep-a.{DOMAIN}", "/", *fields))
            assert (await client.answer())[0] == status
        assert gate.asked == ["dep_a 127.0.0.1"] * 3
        assert len(backend.heads) == 1


class Alarm:
    """Wakes what sleeps."""

    def __init__(self) -> None:
        self.lab: Lab
        self.port = 0

    async def wake(self, address: Address) -> Address:
        await asyncio.sleep(0)
        self.lab.write(address.deployment_id, {80: self.port})
        return address


async def test_a_request_is_held_while_a_deployment_wakes(tmp_path: Path) -> None:
    waker = Alarm()
    async with door(tmp_path, waker=waker) as lab:
        backend = await lab.backend()
        waker.lab, waker.port = lab, backend.port
        lab.write("dep_a", {}, status=Status.STOPPED)
        client = await lab.client()
        await client.send(get())
        assert await client.answer() == (200, b"hello")


async def test_an_unknown_name_is_named_in_what_is_said(lab: Lab) -> None:
    place = f"gone.{DOMAIN}"
    assert lab.told == []
    client = await lab.client()
    await client.send(get(place))
    assert (await client.answer())[0] == 404
    assert [trouble.host for trouble in lab.told] == [place]
