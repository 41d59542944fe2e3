"""A shell in a real container, by a real WebSocket."""

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.box import Api, wait_for
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.podman


def open_terminal(api: Api, deployment_id: str, origin: str | None = None) -> ClientConnection:
    ticket = api.http.post(f"/deployments/{deployment_id}/terminal").json()["ticket"]
    where = api.box.url.replace("http://", "ws://")
    url = f"{where}/deployments/{deployment_id}/terminal?ticket={ticket}"
    return connect(url, origin=origin, proxy=None)  # type: ignore[arg-type]


def read_until(ws: ClientConnection, words: bytes) -> bytes:
    seen = b""
    while words not in seen:
        piece = ws.recv(timeout=PATIENCE_S)
        assert isinstance(piece, bytes)
        seen += piece
    return seen


def shells(api: Api, name: str) -> int:
    return api.box.podman("top", name, "args").count("/bin/sh")


def test_it_types_resizes_and_ends(api: Api) -> None:
    d = api.create()
    api.until(d["id"], "running")
    with open_terminal(api, d["id"], api.box.url) as ws:
        ws.send(b"echo $((40 + 2)) $TERM\n")
        read_until(ws, b"42 xterm-256color")
        ws.send('{"resize": [132, 40]}')
        ws.send(b"stty size\n")
        read_until(ws, b"40 132")
        ws.send(b"exit\n")
        assert list(ws)  # until it is closed as it should be; else this raises
        assert ws.close_code == 1000
    api.http.delete(f"/deployments/{d['id']}")


def test_who_goes_leaves_no_process_behind(api: Api) -> None:
    d = api.create()
    api.until(d["id"], "running")
    name = f"name={d['id'].replace('_', '-')}"
    container = api.box.podman("ps", "--format", "{{.Names}}", "--filter", name)
    before = shells(api, container)
    with open_terminal(api, d["id"]) as ws:
        ws.send(b"tail -n 9876 -f /dev/null & tail -n 6789 -f /dev/null\n")
        wait_for(lambda: "6789" in api.box.podman("top", container, "args"))
        assert shells(api, container) > before
    wait_for(lambda: shells(api, container) == before)
    assert "6789" not in api.box.podman("top", container, "args")
    api.http.delete(f"/deployments/{d['id']}")


def test_a_foreign_page_and_a_used_ticket_are_refused_before_the_upgrade(api: Api) -> None:
    d = api.create()
    api.until(d["id"], "running")
    with pytest.raises(InvalidStatus) as refused:
        open_terminal(api, d["id"], "http://evil.example")
    assert refused.value.response.status_code == 403
    assert b"not_permitted" in (refused.value.response.body or b"")
    api.http.delete(f"/deployments/{d['id']}")


def test_a_stop_of_the_appliance_ends_sessions_in_time(api: Api) -> None:
    d = api.create()
    api.until(d["id"], "running")
    with open_terminal(api, d["id"]) as ws:
        ws.send(b"echo ready-$((1 + 1))\n")
        read_until(ws, b"ready-2")
        assert api.box.terminate() == 0
    api.box.start()
    api.http.delete(f"/deployments/{d['id']}")
