"""What a request is told when nobody answers it, over both kinds of socket."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.domain.errors import RuntimeTimeout, RuntimeUnavailable
from appliance.runtime.session import Request, Session
from tests.podman_harness import free_ports

pytestmark = pytest.mark.anyio
PING = Request("GET", "/_ping", timeout_s=0.2)


@pytest.fixture(params=["unix", "tcp"])
def silent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """An address, and who has it but does not listen yet."""
    if request.param == "unix":
        path = tmp_path / "podman.sock"
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
            yield f"unix://{path}", bound
        return
    [port] = free_ports(1)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", port))
        yield f"tcp://127.0.0.1:{port}", bound


async def test_where_nobody_listens_nothing_was_asked(silent: tuple[str, socket.socket]) -> None:
    session = Session(silent[0])
    with pytest.raises(RuntimeUnavailable):
        await session.ask(PING)
    await session.aclose()


async def test_of_who_listens_and_does_not_answer_nobody_knows_what_he_did(
    silent: tuple[str, socket.socket],
) -> None:
    url, bound = silent
    bound.listen()
    session = Session(url)
    with pytest.raises(RuntimeTimeout):
        await session.ask(PING)
    await session.aclose()
