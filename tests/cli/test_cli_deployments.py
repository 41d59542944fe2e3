"""The commands about deployments that are there: ps, show, start, stop, restart, rm."""

import json

import pytest

from tests.cli.canned import Canned, Run, deployment, page

OTHER = deployment(id="dep_other", name="other", status="stopped", endpoints=[], totalCost=5)
ONE = "/deployments/dep_xyz789"


UPDATING = deployment(update={"servingImage": deployment()["image"], "interrupted": False})


def an_event(number: int, kind: str, message: str) -> dict[str, object]:
    return {"id": number, "type": kind, "message": message}


@pytest.mark.parametrize(
    ("kind", "message", "code"),
    [
        ("newest", "Already newest: docker.io/ollama/ollama:latest", 0),
        ("updated", "Updated: docker.io/ollama/ollama:latest runs", 0),
        ("update_failed", "The update failed and the deployment stays as it was: no route", 1),
        ("stop", "Stop requested", 1),
    ],
)
def test_update_asks_for_the_same_image_and_says_what_came_of_it(
    canned: Canned, run: Run, kind: str, message: str, code: int
) -> None:
    canned.answer(f"PATCH {ONE}", {"deployment": UPDATING})
    shown = [{"deployment": d} for d in (UPDATING, UPDATING, deployment(update=None))]
    canned.answer(f"GET {ONE}", *shown)
    before, after = an_event(7, "running", "Running"), an_event(9, kind, message)
    events = [{"events": found} for found in ([before], [], [after], [])]
    canned.answer(f"GET {ONE}/events", *events)
    ended = run("update", "dep_xyz789")
    assert json.loads(canned.only(f"PATCH {ONE}").body) == {"image": deployment()["image"]}
    asked = [a.query["after"] for a in canned.asked if a.path == f"{ONE}/events"]
    assert asked == ["0", "7", "7", "9"]
    assert ended.code == code
    assert kind not in ("newest", "updated") or ended.out == f"dep_xyz789: {message}\n"
    assert kind != "update_failed" or message in ended.err


@pytest.fixture(autouse=True)
def _two_of_them(canned: Canned) -> None:
    canned.answer("GET /deployments", page("deployments", deployment(), OTHER))
    canned.answer(f"GET {ONE}", {"deployment": deployment()})


def test_ps_is_a_line_each_with_the_reason_beside_the_status(canned: Canned, run: Run) -> None:
    reason = {"code": "image_not_found", "message": "no such image"}
    failed = deployment(status="failed", statusReason=reason)
    canned.answer("GET /deployments", page("deployments", failed, OTHER))
    head, first, second = run("ps").out.splitlines()
    assert head.split() == ["ID", "NAME", "STATUS", "IMAGE", "ENDPOINT", "COST"]
    assert "failed (image_not_found)" in first
    assert "http://127.0.0.1:40001" in first
    assert first.endswith("2.50")
    assert second.split() == ["dep_other", "other", "stopped", deployment()["image"], "-", "0.05"]


def test_ps_reads_all_pages(canned: Canned, run: Run) -> None:
    canned.answer(
        "GET /deployments",
        page("deployments", deployment(), number=1, pages=2),
        page("deployments", OTHER, number=2, pages=2),
    )
    assert [d["id"] for d in json.loads(run("ps", "--json").out)] == ["dep_xyz789", "dep_other"]
    assert [a.query["page"] for a in canned.asked] == ["1", "2"]


def test_ps_of_a_status_asks_for_that_status(canned: Canned, run: Run) -> None:
    assert run("ps", "--status", "running").code == 0
    assert canned.only("GET /deployments").query["status"] == "running"


def test_show_tells_all_that_is_known_and_nothing_that_is_not(run: Run) -> None:
    shown = dict(line.split(None, 1) for line in run("show", "dep_xyz789").out.splitlines())
    assert shown["id"].strip() == "dep_xyz789"
    assert shown["endpoint"].strip() == "http://127.0.0.1:40001 (11434)"
    assert shown["env"].strip() == "OLLAMA_MODELS=llama2,mistral"
    assert shown["volume"].strip() == "models:/root/.ollama"
    assert shown["cost"].strip() == "2.50"
    assert "stopped" not in shown
    assert "reason" not in shown


def test_show_as_json_is_the_deployment(run: Run) -> None:
    assert json.loads(run("show", "dep_xyz789", "--json").out) == deployment()


def test_a_deployment_is_found_by_its_name(canned: Canned, run: Run) -> None:
    assert run("show", "my-ollama-server").code == 0
    assert canned.count(f"GET {ONE}") == 1


def test_a_name_that_two_have_is_not_guessed(canned: Canned, run: Run) -> None:
    twins = page("deployments", {**deployment(), "name": "a"}, {**OTHER, "name": "a"})
    canned.answer("GET /deployments", twins)
    ended = run("stop", "a")
    assert ended.code == 2
    assert ended.err.splitlines()[1:] == ["  dep_xyz789", "  dep_other"]
    assert all(asked.method == "GET" for asked in canned.asked)


def test_a_name_that_nobody_has_ends_with_4(run: Run) -> None:
    ended = run("show", "nobody")
    assert ended.code == 4
    assert ended.err == "error: there is no deployment 'nobody'\n"


@pytest.mark.parametrize(
    ("verb", "status"), [("start", "starting"), ("stop", "stopping"), ("restart", "starting")]
)
def test_an_order_is_sent_and_its_status_told(
    canned: Canned, run: Run, verb: str, status: str
) -> None:
    canned.answer(f"POST {ONE}/{verb}", {"deployment": deployment(status=status)})
    assert run(verb, "my-ollama-server").out == f"my-ollama-server is {status}\n"
    assert canned.only(f"POST {ONE}/{verb}").body == b""
    assert json.loads(run(verb, "dep_xyz789", "--json").out)["status"] == status


@pytest.mark.parametrize(
    ("verb", "status"), [("start", "running"), ("stop", "stopped"), ("restart", "running")]
)
def test_an_order_can_wait_until_it_is_carried_out(
    canned: Canned, run: Run, verb: str, status: str
) -> None:
    canned.answer(f"POST {ONE}/{verb}", {"deployment": deployment(status="starting")})
    canned.answer(
        f"GET {ONE}",
        {"deployment": deployment(status="starting")},
        {"deployment": deployment(status=status)},
    )
    assert run(verb, "dep_xyz789", "--wait").out == f"dep_xyz789 is {status}\n"


def test_rm_in_a_script_does_not_ask(canned: Canned, run: Run) -> None:
    answer = {"success": True, "message": "Deployment deleted"}
    canned.answer(f"DELETE {ONE}", answer)
    assert run("rm", "dep_xyz789").out == "Deployment deleted\n"
    assert json.loads(run("rm", "dep_xyz789", "--json").out) == answer


def test_what_is_written_cannot_steer_the_terminal(canned: Canned, run: Run) -> None:
    name = "a\x1b]0;owned\x07[red]b"
    canned.answer("GET /deployments", page("deployments", deployment(name=name)))
    canned.answer(f"GET {ONE}", {"deployment": deployment(name=name)})
    for argv in (["ps"], ["show", "dep_xyz789"]):
        out = run(*argv).out
        assert "\x1b" not in out
        assert "a\\x1b]0;owned\\x07[red]b" in out
