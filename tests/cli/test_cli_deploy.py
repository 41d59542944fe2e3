"""``appliance deploy``: what is sent, what is said, and waiting."""

import json
from typing import Any

import pytest

from tests.cli.canned import Canned, Run, deployment

ROUTE = "POST /deployments"
ONE = "GET /deployments/dep_xyz789"
REASON = {"code": "image_not_found", "message": "docker.io/library/nix has no such image"}


@pytest.fixture(autouse=True)
def _accepted(canned: Canned) -> None:
    pending = deployment(status="pending", endpoints=[])
    canned.answer(ROUTE, {"deployment": pending, "estimatedHourlyCost": 0})


def sent(canned: Canned) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(canned.only(ROUTE).body)
    return body


def test_a_template_is_sent_with_the_node_and_nothing_that_was_not_said(
    canned: Canned, run: Run
) -> None:
    ended = run("deploy", "ollama")
    assert ended.code == 0
    assert ended.out == "dep_xyz789 my-ollama-server is pending\n"
    assert sent(canned) == {"nodeId": "node_abc123", "templateId": "ollama"}


def test_every_option_becomes_its_field(
    canned: Canned, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_SHELL", "x=y")
    ended = run(
        *("deploy", "--image", "nginx:1", "--name", "web", "-e", "A=1", "--env", "B=", "-e"),
        *("FROM_SHELL", "--secret", "KEY=s3=cret", "--command", "sh -c 'echo hi'"),
        *("-p", "8080", "-p", "5432/tcp", "-v", "data:/var/lib/data", "--cpus", "1.5"),
        *("--memory", "2g", "--shm", "512m", "--gpus", "0", "--hostname", "web"),
        *("--access", "private", "--health-path", "/ok", "--restart-policy", "always"),
        *("--idle-timeout", "7.5", "--evictable"),
    )
    assert ended.code == 0
    assert sent(canned) == {
        "nodeId": "node_abc123",
        "customImage": "nginx:1",
        "name": "web",
        "env": {"A": "1", "B": "", "FROM_SHELL": "x=y"},
        "secrets": {"KEY": "s3=cret"},
        "command": ["sh", "-c", "echo hi"],
        "ports": [{"port": 8080}, {"port": 5432, "protocol": "tcp"}],
        "volumes": [{"name": "data", "path": "/var/lib/data"}],
        "resources": {"cpus": 1.5, "memoryMb": 2048, "shmMb": 512, "gpus": 0},
        "hostname": "web",
        "access": "private",
        "health": {"path": "/ok"},
        "restartPolicy": "always",
        "idleTimeoutMinutes": 7.5,
        "evictable": True,
    }


def test_certain_gpus_are_named_and_shared(canned: Canned, run: Run) -> None:
    run("deploy", "ollama", "--gpus", "GPU-6a5b,1", "--gpu-share", "8g")
    wanted = {"gpus": ["GPU-6a5b", "1"], "vramMb": 8192, "exclusive": False}
    assert sent(canned)["resources"] == wanted


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ([], "give either a TEMPLATE or --image REF"),
        (["ollama", "--image", "x"], "give either a TEMPLATE or --image REF"),
        (["ollama", "-e", "NOT_SET_ANYWHERE"], "--env: 'NOT_SET_ANYWHERE' must be NAME=VALUE"),
        (["ollama", "-e", "=1"], "--env: '' must be NAME=VALUE"),
        (["ollama", "-p", "http"], "--port: 'http' must be such as 8080"),
        (["ollama", "-p", "53/udp"], "--port: '53/udp' must be such as 8080"),
        (["ollama", "-v", "/host:/path"], "--volume: '/host:/path' must be NAME:/path"),
        (["ollama", "-v", "data"], "--volume: 'data' must be NAME:/path"),
        (["ollama", "--memory", "2"], "--memory: '2' must be a size"),
        (["ollama", "--command", "a 'b"], "--command: \"a 'b\" can't be split"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    canned: Canned, run: Run, argv: list[str], told: str
) -> None:
    ended = run("deploy", *argv)
    assert ended.code == 2
    assert told in ended.err
    assert not any(asked.method == "POST" for asked in canned.asked)


def test_a_secret_that_is_refused_is_not_repeated(run: Run) -> None:
    assert "s3cret" not in run("deploy", "ollama", "--secret", "=s3cret").err


def test_waiting_ends_when_it_runs_and_prints_where(canned: Canned, run: Run) -> None:
    pull = {"layersDone": 1, "layersTotal": 5, "bytesDone": 2**20, "bytesTotal": 2**23}
    canned.answer(
        ONE,
        {"deployment": deployment(status="pulling", endpoints=[], pull=pull)},
        {"deployment": deployment(status="pulling", endpoints=[], pull=None)},
        {"deployment": deployment()},
    )
    ended = run("deploy", "ollama", "--wait")
    assert ended.code == 0
    assert ended.out == "dep_xyz789 my-ollama-server is running\nhttp://127.0.0.1:40001\n"
    assert ended.err.splitlines() == ["my-ollama-server: pulling", "my-ollama-server: running"]


def test_waiting_ends_when_it_failed_and_says_why(canned: Canned, run: Run) -> None:
    canned.answer(ONE, {"deployment": deployment(status="failed", statusReason=REASON)})
    ended = run("deploy", "ollama", "--wait", "--json")
    assert ended.code == 1
    assert ended.out == ""
    assert f"error: my-ollama-server is failed: {REASON['message']}" in ended.err


def test_waiting_ends_when_somebody_else_stopped_it(canned: Canned, run: Run) -> None:
    canned.answer(ONE, {"deployment": deployment(status="stopped")})
    assert run("deploy", "ollama", "--wait").code == 1


def test_a_job_that_has_come_to_its_good_end_was_worth_waiting_for(
    canned: Canned, run: Run
) -> None:
    done = {"code": "completed", "message": "Ended by itself with exit code 0"}
    canned.answer(ONE, {"deployment": deployment(status="stopped", statusReason=done)})
    ended = run("deploy", "ollama", "--wait")
    assert ended.code == 0
    assert ended.out.startswith("dep_xyz789 my-ollama-server is stopped\n")


def test_waiting_ends_in_time_and_says_what_it_waits_for(canned: Canned, run: Run) -> None:
    waits = {"code": "gpu_unavailable", "message": "no GPU is free"}
    canned.answer(ONE, {"deployment": deployment(status="pending", statusReason=waits)})
    ended = run("deploy", "ollama", "--wait", "--timeout", "1")
    assert ended.code == 6
    assert "is still pending after 1 s" in ended.err
    assert "no GPU is free" in ended.err


def test_waiting_ends_when_it_is_deleted(run: Run) -> None:
    assert run("deploy", "ollama", "--wait").code == 4


def test_json_is_the_deployment_as_it_is_at_the_end(canned: Canned, run: Run) -> None:
    canned.answer(ONE, {"deployment": deployment()})
    assert json.loads(run("deploy", "ollama", "--wait", "--json").out) == deployment()
