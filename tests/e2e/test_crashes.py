"""``kill -9`` at any step, then a start: within 10 s no orphan, no ghost, no lost request."""

import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.box import STOPPED_S, Api, Box, wait_for

pytestmark = pytest.mark.podman
MOMENTS_S = (0.0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.25)


def pid_of(box: Box, deployment_id: str) -> str:
    name = f"name={deployment_id.replace('_', '-')}-g"
    return box.podman("ps", "--format", "{{.Pid}}", "--filter", name)


@pytest.mark.parametrize("moment_s", MOMENTS_S)
def test_a_create_that_was_acknowledged_comes_up_once(api: Api, moment_s: float) -> None:
    d = api.create()
    time.sleep(moment_s)  # the moment of the crash is what is tested
    api.box.kill()
    api.box.start()
    api.until(d["id"], "running")
    names = api.box.podman("ps", "-a", "--format", "{{.Names}}").split()
    assert len([n for n in names if d["id"][4:] in n]) == 1
    api.http.delete(f"/deployments/{d['id']}")


@pytest.mark.parametrize("moment_s", MOMENTS_S[::2])
@pytest.mark.parametrize(("verb", "status"), [("stop", "stopped"), ("restart", "running")])
def test_an_acknowledged_order_is_carried_out(
    api: Api, verb: str, status: str, moment_s: float
) -> None:
    d = api.create()
    api.until(d["id"], "running")
    before = pid_of(api.box, d["id"])
    assert api.http.post(f"/deployments/{d['id']}/{verb}").status_code == 202
    time.sleep(moment_s)  # the moment of the crash is what is tested
    api.box.kill()
    api.box.start()
    api.until(d["id"], status)
    wait_for(lambda: pid_of(api.box, d["id"]) != before)
    api.http.delete(f"/deployments/{d['id']}")


@pytest.mark.parametrize("moment_s", MOMENTS_S[::2])
def test_a_deleted_deployment_stays_deleted(api: Api, moment_s: float) -> None:
    d = api.create()
    api.until(d["id"], "running")
    assert api.http.delete(f"/deployments/{d['id']}").status_code == 200
    time.sleep(moment_s)  # the moment of the crash is what is tested
    api.box.kill()
    api.box.start()
    assert api.http.get(f"/deployments/{d['id']}").status_code == 404
    hyphened = d["id"].replace("_", "-")
    wait_for(lambda: hyphened not in api.box.podman("ps", "-a"))
    wait_for(lambda: hyphened not in api.box.podman("network", "ls"))


def test_a_running_container_never_notices_and_the_cost_goes_on(api: Api) -> None:
    d = api.create()
    api.until(d["id"], "running")
    began = time.monotonic()
    pid = pid_of(api.box, d["id"])
    for _ in range(2):
        api.box.kill()
        api.box.start()
    api.until(d["id"], "running")
    assert pid_of(api.box, d["id"]) == pid

    def owed() -> float:  # 3600 cents an hour: a cent a second
        return abs(float(api.get(d["id"])["totalCost"]) - (time.monotonic() - began))

    wait_for(lambda: owed() <= 2)  # the first heartbeat since the crash counts it all
    assert api.get(d["id"])["restartCount"] == 0
    api.http.delete(f"/deployments/{d['id']}")


def test_an_exit_while_we_were_away_is_told_with_its_code(api: Api) -> None:
    d = api.create(restartPolicy="never")
    api.until(d["id"], "running")
    port = api.box.loopback_port(d["id"])
    api.box.kill()
    httpx.get(f"http://127.0.0.1:{port}/exit?code=7")
    wait_for(lambda: pid_of(api.box, d["id"]) == "")
    api.box.start()
    failed = api.until(d["id"], "failed")
    assert failed["exitCode"] == 7
    assert failed["statusReason"]["code"] == "exited"
    assert failed["statusReason"]["message"].startswith("Exited with code 7: ")
    assert "GET /exit?code=7" in failed["statusReason"]["message"]  # what it said last
    api.http.delete(f"/deployments/{d['id']}")


def test_sigterm_with_open_streams_ends_in_time_and_leaves_containers_alone(api: Api) -> None:
    d = api.create()
    api.until(d["id"], "running")
    pid = pid_of(api.box, d["id"])
    path = f"/deployments/{d['id']}/logs?follow=true"
    with api.http.stream("GET", path) as logs, api.http.stream("GET", "/events") as events:
        assert (logs.status_code, events.status_code) == (200, 200)
        assert api.box.terminate() == 0
    assert Path(f"/proc/{pid}").exists()
    api.box.start()
    assert pid_of(api.box, d["id"]) == pid
    api.http.delete(f"/deployments/{d['id']}")


def test_a_request_that_sigterm_finds_half_sent_is_answered(api: Api) -> None:
    process = api.box.process
    assert process is not None
    with socket.create_connection(("127.0.0.1", api.box.port), timeout=STOPPED_S) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: local")
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: not takes_connections(api.box))
        client.sendall(b"host\r\n\r\n")
        with client.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
    assert process.wait(STOPPED_S) == 0
    api.box.start()


def takes_connections(box: Box) -> bool:
    try:
        socket.create_connection(("127.0.0.1", box.port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_second_appliance_on_the_same_data_ends_at_once(api: Api) -> None:
    done = api.box.cli("serve")
    assert done.returncode == 1
    assert "an appliance is running" in done.stderr


def test_the_service_killed_under_us_comes_back_and_the_container_stays(api: Api) -> None:
    d = api.create()
    api.until(d["id"], "running")
    pid = pid_of(api.box, d["id"])
    service = _service_pid(api.box)
    os.kill(service, 15)
    wait_for(lambda: not Path(f"/proc/{service}").exists())
    other = api.create()
    api.until(other["id"], "running")
    assert pid_of(api.box, d["id"]) == pid
    for i in (d["id"], other["id"]):
        api.http.delete(f"/deployments/{i}")


def _service_pid(box: Box) -> int:
    assert box.process is not None
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # processes come and go
            command = (entry / "cmdline").read_bytes().split(b"\0")
            if b"system" in command and str(box.home.directory).encode() in command[-2]:
                return int(entry.name)
    raise AssertionError("no service of ours runs")
