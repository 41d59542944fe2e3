"""Sleep and wake on a real box: real Podman, the real door, browsers and programs before it."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.box import NO_TLS, Api, Box, running_box, wait_for
from tests.e2e.test_front_door import echoed
from tests.e2e.test_terminal import open_terminal
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.podman

Json = dict[str, Any]

SIX_SECONDS = 0.1
HOLD_S = 8
CLIENTS = 100
BUSYBOX: Json = {"templateId": None, "customImage": "localhost/test/busybox"}
SWITCHES = (
    "HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\\r\\n"
)
UPGRADE = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def served_by(port: int, *program: str) -> Json:
    """A server that runs ``program`` for each connection."""
    command = ["nc", "-ll", "-p", str(port), "-e", "/bin/busybox", *program]
    return {**BUSYBOX, "command": command}


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    wide = {"APPLIANCE_WAKE_HOLD_S": str(HOLD_S), "APPLIANCE_MAX_CONNECTIONS_PER_ADDRESS": "300"}
    with running_box(**wide) as made:
        yield made


def sleeper(api: Api, **fields: Any) -> str:
    made = api.create(**{"idleTimeoutMinutes": SIX_SECONDS, **fields})
    return str(api.until(made["id"], "running")["id"])


def asleep(api: Api, deployment_id: str) -> Json:
    return api.until(deployment_id, "sleeping")


def host_of(deployment_id: str) -> str:
    return f"{deployment_id.replace('_', '-')}.localhost"


def ask(api: Api, deployment_id: str, **fields: str) -> httpx.Response:
    """A request through the door, on a connection of its own."""
    headers = {"Host": host_of(deployment_id), **fields}
    return httpx.get(f"{api.box.url}/", headers=headers, timeout=60, verify=NO_TLS)


def told(api: Api, deployment_id: str) -> list[str]:
    events = api.http.get(f"/deployments/{deployment_id}/events?limit=500").json()["events"]
    return [event["type"] for event in events]


@pytest.fixture(scope="module")
def dormouse(box: Box) -> str:
    """One that sleeps whenever nobody asks for it, for most of the tests."""
    with box.client(box.token()) as http:
        return sleeper(Api(box, http), name="dormouse")


def test_idle_it_sleeps_and_is_charged_for_what_it_ran(api: Api, dormouse: str) -> None:
    d = asleep(api, dormouse)
    assert d["statusReason"] == {"code": "idle", "message": "Not used for 0.1 minutes"}
    assert api.box.podman("ps", "--format", "{{.Names}}") == ""
    began, ended = (datetime.fromisoformat(d[key]) for key in ("startedAt", "stoppedAt"))
    assert 5 <= (ended - began).total_seconds() < 30
    assert abs(d["totalCost"] - (ended - began).total_seconds()) <= 1  # a cent a second
    listed = api.http.get("/deployments?status=sleeping").json()["deployments"]
    assert [one["id"] for one in listed] == [dormouse]
    assert api.http.get("/nodes").json()["nodes"][0]["activeDeployments"] == 0
    assert d["actions"] == ["start", "stop", "delete"]


def test_its_address_stands_and_a_request_to_it_is_held_until_it_answers(
    api: Api, dormouse: str
) -> None:
    [endpoint] = asleep(api, dormouse)["endpoints"]
    answer = api.box.visit(endpoint["url"])
    assert (answer.status_code, "It works" in answer.text) == (200, True)
    assert api.get(dormouse)["status"] == "running"
    assert told(api, dormouse)[-4:] == ["sleeping", "wake", "started", "running"]


def test_a_hundred_at_once_wake_it_once(api: Api, dormouse: str) -> None:
    asleep(api, dormouse)
    before = told(api, dormouse)
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda _: ask(api, dormouse), range(CLIENTS)))
    assert [answer.text for answer in answers if answer.status_code != 200] == []
    news = told(api, dormouse)[len(before) :]
    assert (news.count("wake"), news.count("running")) == (1, 1)


def test_a_browser_gets_a_page_that_looks_again_by_itself(api: Api, dormouse: str) -> None:
    asleep(api, dormouse)
    answer = ask(api, dormouse, Accept="text/html")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "dormouse is waking up" in answer.text
    assert 'http-equiv="refresh"' in answer.text
    wait_for(lambda: ask(api, dormouse, Accept="text/html").status_code == 200)


def test_a_user_stops_it_for_good_and_starts_it_again(api: Api, dormouse: str) -> None:
    asleep(api, dormouse)
    assert api.http.post(f"/deployments/{dormouse}/stop").status_code == 202
    api.until(dormouse, "stopped")
    refused = ask(api, dormouse)
    assert (refused.status_code, refused.json()["code"]) == (503, "not_running")
    assert api.http.post(f"/deployments/{dormouse}/start").status_code == 202
    api.until(dormouse, "running")
    asleep(api, dormouse)
    assert api.http.post(f"/deployments/{dormouse}/start").json()["deployment"]["status"] in (
        "starting", "running",
    )  # fmt: skip
    api.until(dormouse, "running")


def test_it_sleeps_on_over_a_kill_of_the_appliance_and_wakes_then(api: Api, dormouse: str) -> None:
    asleep(api, dormouse)
    api.box.kill()
    api.box.start()
    assert api.get(dormouse)["status"] == "sleeping"
    assert ask(api, dormouse).status_code == 200


def test_strangers_do_not_wake_a_private_one(api: Api) -> None:
    i = sleeper(api, name="mine", access="private")
    asleep(api, i)
    for fields in ({}, {"Accept": "text/html"}, {"Authorization": "Bearer nn_wrong"}):
        assert ask(api, i, **fields).status_code == 401
    assert api.get(i)["status"] == "sleeping"
    token = api.http.get(f"/deployments/{i}/access").json()["access"]["token"]
    assert ask(api, i, Authorization=f"Bearer {token}").status_code == 200
    api.http.delete(f"/deployments/{i}")


def test_a_raw_connection_wakes_it_too(api: Api) -> None:
    i = sleeper(api, **served_by(7, "cat"), ports=[{"port": 7, "protocol": "tcp"}])
    [endpoint] = asleep(api, i)["endpoints"]
    data = b"hello" * 1000
    assert echoed(urlsplit(endpoint["url"]).port or 0, data) == data
    assert api.get(i)["status"] == "running"
    api.http.delete(f"/deployments/{i}")


def test_who_does_not_wake_up_in_time_is_told_of(api: Api) -> None:
    i = sleeper(api, **BUSYBOX, command=["sleep", "1000"], ports=[{"port": 8080}], name="mute")
    asleep(api, i)
    began = time.monotonic()
    answer = ask(api, i)
    assert time.monotonic() - began >= HOLD_S
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["detail"]) == ("waking", "mute is waking up")
    api.http.delete(f"/deployments/{i}")


def what_comes_back(connection: socket.socket) -> bytes:
    """What has come back until nothing more is to come."""
    connection.settimeout(PATIENCE_S)
    back = b""
    while not back.endswith(b"there") and (piece := connection.recv(4096)):
        back += piece
    return back


def test_whatever_is_open_keeps_it_awake(api: Api) -> None:
    """One that nobody is connected to falls asleep meanwhile: so much time has gone by."""
    control = sleeper(api, name="control")
    streamed, watched = sleeper(api), sleeper(api)
    socketed = sleeper(
        api, **served_by(8080, "sh", "-c", f"printf '{SWITCHES}'; cat"), ports=[{"port": 8080}]
    )
    raw = sleeper(api, **served_by(7, "cat"), ports=[{"port": 7, "protocol": "tcp"}])
    [endpoint] = api.get(raw)["endpoints"]
    with ExitStack() as held:
        lines = held.enter_context(
            httpx.stream(
                "GET", f"{api.box.url}/stream", headers={"Host": host_of(streamed)}, timeout=60
            )
        ).iter_lines()
        next(lines)
        web = held.enter_context(socket.create_connection(("127.0.0.1", api.box.port)))
        web.sendall(UPGRADE.format(host=host_of(socketed)).encode())
        assert web.recv(4096).startswith(b"HTTP/1.1 101")
        port = urlsplit(endpoint["url"]).port
        plain = held.enter_context(socket.create_connection(("127.0.0.1", port)))
        held.enter_context(open_terminal(api, watched))
        ask(api, control)
        asleep(api, control)
        for i in (streamed, socketed, raw, watched):
            assert api.get(i)["status"] == "running"
        next(lines)
        for connection in (web, plain):
            connection.sendall(b"still there")
            assert what_comes_back(connection).endswith(
                b"still there"
            )  # after its head, a WebSocket's
    for i in (streamed, socketed, raw, watched):
        asleep(api, i)
        api.http.delete(f"/deployments/{i}")
    api.http.delete(f"/deployments/{control}")


@pytest.mark.parametrize("minutes", [0, 0.05, -1, 1e9, "5", True])
def test_a_time_out_of_bounds_is_refused(api: Api, minutes: object) -> None:
    body = {"nodeId": api.node_id(), "templateId": "welcome", "idleTimeoutMinutes": minutes}
    answer = api.http.post("/deployments", json=body)
    assert answer.status_code == 422
    assert [e["field"] for e in answer.json()["errors"]] == ["idleTimeoutMinutes"]
