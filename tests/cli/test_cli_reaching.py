"""Reaching the appliance, or not: sockets, URLs, tokens, refusals, exit codes."""

import os
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse

from tests.cli.canned import Canned, Run, page, problem, serving

TOKEN = "nn_4k2v9xq0m7ab_secret"

REFUSALS = [
    (400, 2),
    (401, 5),
    (403, 5),
    (404, 4),
    (409, 1),
    (413, 2),
    (422, 2),
    (429, 7),
    (500, 1),
    (502, 1),
    (503, 7),
    (507, 1),
    (599, 1),
]


def test_on_the_machine_the_control_socket_is_enough(canned: Canned, run: Run) -> None:
    canned.answer("GET /deployments", page("deployments"))
    assert run("ps").code == 0
    assert "authorization" not in canned.only("GET /deployments").headers


def test_the_data_directory_can_be_given(canned: Canned, run: Run, tmp_path: Path) -> None:
    canned.answer("GET /deployments", page("deployments"))
    os.environ.pop("APPLIANCE_DATA_DIR")
    assert run("ps", "--data-dir", str(tmp_path)).code == 0


def test_where_no_appliance_runs_it_says_how_to_start_one(run: Run, tmp_path: Path) -> None:
    ended = run("ps", "--data-dir", str(tmp_path))
    assert ended.code == 3
    assert ended.out == ""
    assert f"no appliance answers at {tmp_path}/control.sock" in ended.err
    assert "appliance serve" in ended.err


def test_a_socket_that_nobody_listens_on_is_unreachable(
    canned: Canned, run: Run, tmp_path: Path
) -> None:
    left = tmp_path / "left"
    left.mkdir()
    with serving(canned, left / "control.sock"):
        pass
    assert run("ps", "--data-dir", str(left)).code == 3


def test_elsewhere_the_token_of_the_environment_is_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    canned = Canned()
    canned.answer("GET /deployments", page("deployments"))
    monkeypatch.setenv("APPLIANCE_TOKEN", TOKEN)
    with serving(canned) as url:
        monkeypatch.setenv("APPLIANCE_URL", url)
        assert run("ps").code == 0
    assert canned.only("GET /deployments").headers["authorization"] == f"Bearer {TOKEN}"


def test_the_url_option_beats_the_environments(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    canned = Canned()
    canned.answer("GET /deployments", page("deployments"))
    monkeypatch.setenv("APPLIANCE_URL", "http://127.0.0.1:1")
    with serving(canned) as url:
        assert run("ps", "--url", url).code == 0
        assert run("ps").code == 3


@pytest.mark.parametrize("url", ["http://box.example.org", "http://192.0.2.1:8080"])
def test_a_token_is_not_shown_to_the_network(run: Run, url: str) -> None:
    ended = run("ps", "--url", url)
    assert ended.code == 2
    assert "must be https://" in ended.err


@pytest.mark.parametrize(
    "url", ["tests.box", "ftp://box", "https://", "http://[::1", "http://box:x"]
)
def test_a_url_that_is_none_is_refused(run: Run, url: str) -> None:
    ended = run("ps", "--url", url)
    assert ended.code == 2
    assert "must be http" in ended.err


@pytest.mark.parametrize(("status", "code"), REFUSALS)
def test_every_refusal_has_its_exit_code(canned: Canned, run: Run, status: int, code: int) -> None:
    canned.answer("GET /deployments", problem(status, "some_code", "that is why"))
    ended = run("ps")
    assert ended.code == code
    assert ended.out == ""
    assert ended.err.startswith("error: that is why\n")


def test_each_wrong_field_stands_on_its_own_line(canned: Canned, run: Run) -> None:
    errors = [
        {"field": "name", "message": "is too long"},
        {"field": "ports.0.port", "message": "should be at most 65535"},
    ]
    told = "; ".join(f"{e['field']}: {e['message']}" for e in errors)
    canned.answer("POST /deployments", problem(422, "invalid_request", told, errors=errors))
    ended = run("deploy", "ollama")
    assert ended.err.splitlines() == [
        "error: 2 fields are wrong",
        "  name: is too long",
        "  ports.0.port: should be at most 65535",
    ]


def test_the_only_wrong_field_is_not_told_twice(canned: Canned, run: Run) -> None:
    errors = [{"field": "name", "message": "is too long"}]
    refused = problem(422, "invalid_request", "name: is too long", errors=errors)
    canned.answer("POST /deployments", refused)
    assert run("deploy", "ollama").err == "error: name: is too long\n"


def test_a_defect_is_shown_with_the_id_that_the_log_has(canned: Canned, run: Run) -> None:
    canned.answer("GET /deployments", problem(500, "internal", "unexpected", errorId="err_1"))
    assert "errorId: err_1" in run("ps").err
    canned.answer("GET /deployments", problem(404, "not_found", "none", errorId="err_2"))
    assert "err_2" not in run("ps").err


def test_not_now_says_when(canned: Canned, run: Run) -> None:
    refusal = problem(503, "runtime_unavailable", "Podman is away", headers={"Retry-After": "5"})
    canned.answer("GET /deployments", refusal)
    assert "try again in 5 s" in run("ps").err


def test_an_answer_that_is_no_json_is_no_appliance(canned: Canned, run: Run) -> None:
    canned.answer("GET /deployments", PlainTextResponse("<html>"))
    ended = run("ps")
    assert ended.code == 1
    assert "is no appliance" in ended.err


def test_an_error_that_is_no_problem_document_is_shown_by_its_status(
    canned: Canned, run: Run
) -> None:
    canned.answer("GET /deployments", PlainTextResponse("<html>", 502))
    ended = run("ps")
    assert ended.code == 1
    assert "502 Bad Gateway" in ended.err


def test_a_socket_one_may_not_open_says_so(
    canned: Canned, run: Run, tmp_path: Path, as_nobody: None
) -> None:
    ended = run("ps")
    assert ended.code == 5
    assert f"you may not open {tmp_path}/control.sock" in ended.err
    assert "sudo" in ended.err


@pytest.mark.parametrize("argv", [["frobnicate"], ["ps", "--status", "odd"], ["show"]])
def test_a_command_line_that_is_wrong_ends_with_2(run: Run, argv: list[str]) -> None:
    assert run(*argv).code == 2


def test_wrong_settings_are_all_told_before_anything_runs(run: Run, tmp_path: Path) -> None:
    flags = ("--hourly-rate-cents", "-1", "--log-level", "loud")
    ended = run("serve", "--data-dir", str(tmp_path), *flags)
    assert ended.code == 2
    assert "--hourly-rate-cents: '-1' must be" in ended.err
    assert "--log-level: 'loud' must be one of" in ended.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("token", ["nn_a\nb", "nn_é"])
def test_what_no_header_takes_is_not_sent_as_a_token(
    run: Run, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("APPLIANCE_TOKEN", token)
    ended = run("ps", "--url", "http://127.0.0.1:1")
    assert ended.code == 2
    assert "APPLIANCE_TOKEN" in ended.err
    assert token not in ended.err


def test_bytes_that_are_no_utf_8_are_a_wrong_value(canned: Canned, run: Run) -> None:
    ended = run("deploy", "nginx", "--name", os.fsdecode(b"\xff"))
    assert (ended.code, ended.err) == (2, "error: what was typed is no UTF-8\n")
    assert canned.count("POST /deployments") == 0
