"""``logs`` and ``events``: what goes on until Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.responses import StreamingResponse

from tests.cli.canned import Canned, Run, problem
from tests.waiting import PATIENCE_S

LOGS = "GET /deployments/dep_xyz789/logs"
HISTORY = "GET /deployments/dep_xyz789/events"
ROOT = Path(__file__).parents[2]

FIRST = {"timestamp": "2024-01-15T10:32:00.5Z", "stream": "stdout", "message": "started\u2028up"}
SECOND = {"timestamp": "2024-01-15T10:32:01Z", "stream": "stderr", "message": "[model] loading"}


def log_message(line: dict[str, Any]) -> str:
    return f"id: {line['timestamp']}\ndata: {json.dumps(line, ensure_ascii=False)}\n\n"


def stream(*texts: str, then: Callable[[], Any] | None = None) -> StreamingResponse:
    async def body() -> Any:
        for text in texts:
            # cut anywhere, as a network may
            for at in range(0, len(text), 7):
                yield text[at : at + 7].encode()
        if then:
            await then()

    return StreamingResponse(body(), media_type="text/event-stream")


def event(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "deploymentId": "dep_xyz789",
        "at": "2024-01-15T10:32:00Z",
        "type": "status",
        "status": "running",
        "code": None,
        "message": f"event {number}",
        "actorId": None,
    }


def test_logs_keep_the_two_streams_apart(canned: Canned, run: Run) -> None:
    canned.answer(LOGS, {"logs": [FIRST, SECOND]})
    ended = run("logs", "dep_xyz789", "--tail", "5")
    assert (ended.out, ended.err) == ("started\u2028up\n", "[model] loading\n")
    assert canned.only(LOGS).query == {"tail": "5"}


def test_logs_with_times_and_as_json(canned: Canned, run: Run) -> None:
    canned.answer(LOGS, {"logs": [FIRST, SECOND]})
    assert run("logs", "dep_xyz789", "-t").out == "2024-01-15T10:32:00.5Z started\u2028up\n"
    lines = run("logs", "dep_xyz789", "--json").out.split("\n")
    assert [json.loads(line) for line in lines if line] == [FIRST, SECOND]


def test_since_may_be_a_moment_or_how_long_ago(canned: Canned, run: Run) -> None:
    canned.answer(LOGS, {"logs": []})
    run("logs", "dep_xyz789", "--since", "2024-01-15T12:00:00+02:00")
    run("logs", "dep_xyz789", "--since", "10m")
    exact, ago = (asked.query["since"] for asked in canned.asked)
    assert exact == "2024-01-15T10:00:00Z"
    age = datetime.now(UTC) - datetime.fromisoformat(ago)
    assert timedelta(minutes=10) <= age < timedelta(minutes=11)


@pytest.mark.parametrize("text", ["yesterday", "10", "10y", "99999999d"])
def test_since_that_is_no_time_is_refused(canned: Canned, run: Run, text: str) -> None:
    ended = run("logs", "dep_xyz789", "--since", text)
    assert ended.code == 2
    assert f"--since: {text!r} must be such as" in ended.err
    assert not canned.asked


def test_follow_prints_lines_as_they_come_and_ends_with_the_stream(
    canned: Canned, run: Run
) -> None:
    parts = (": still here\n\n", log_message(FIRST), "event: gap\ndata: {}\n\n")
    canned.answer(LOGS, stream(*parts, log_message(SECOND)))
    ended = run("logs", "-f", "dep_xyz789")
    assert ended.code == 0
    assert ended.out == "started\u2028up\n"
    assert ended.err.splitlines()[0].startswith("... lines are missing here")
    assert ended.err.splitlines()[1:] == ["[model] loading"]
    assert canned.only(LOGS).query == {"tail": "100", "follow": "true"}


def test_follow_that_is_refused_says_why(canned: Canned, run: Run) -> None:
    canned.answer(LOGS, problem(404, "not_found", "no deployment dep_xyz789"))
    ended = run("logs", "-f", "dep_xyz789")
    assert (ended.code, ended.err) == (4, "error: no deployment dep_xyz789\n")


def test_a_stream_that_breaks_is_told(canned: Canned, run: Run) -> None:
    async def break_off() -> None:
        raise ConnectionResetError

    canned.answer(LOGS, stream(log_message(FIRST), then=break_off))
    ended = run("logs", "-f", "dep_xyz789")
    assert ended.code == 3
    assert ended.out == "started\u2028up\n"
    assert "broke" in ended.err


def test_ctrl_c_ends_a_stream_without_a_trace(canned: Canned, tmp_path: Path) -> None:
    canned.answer(LOGS, stream(log_message(FIRST), then=anyio.sleep_forever))
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance", "logs", "-f", "dep_xyz789"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "started\u2028up\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out, err) == (130, "", "")


def test_the_history_is_read_to_its_end(canned: Canned, run: Run) -> None:
    first = [event(number) for number in range(1, 1001)]
    canned.answer(HISTORY, {"events": first}, {"events": [event(1001)]})
    lines = run("events", "dep_xyz789").out.splitlines()
    assert len(lines) == 1001
    assert lines[-1] == "2024-01-15T10:32:00Z dep_xyz789 status [running]: event 1001"
    assert [asked.query["after"] for asked in canned.asked] == ["0", "1000"]


def test_without_a_deployment_all_changes_are_followed(canned: Canned, run: Run) -> None:
    texts = (f"id: {n}\ndata: {json.dumps({**event(n), 'deployment': None})}\n\n" for n in (7, 8))
    canned.answer("GET /events", stream(*texts))
    lines = run("events", "--json").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [7, 8]


def test_a_reader_that_goes_away_ends_the_command_quietly(canned: Canned) -> None:
    canned.answer(LOGS, {"logs": [FIRST] * 20_000})
    command = f"{sys.executable} -m appliance logs dep_xyz789 | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("started\u2028up\n", "")
