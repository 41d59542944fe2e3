"""Who may do what: every route against every kind of caller; every error in the one shape."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from appliance.api.app import create_app
from appliance.api.routes import ROUTES, Route
from appliance.domain.permissions import Policy
from tests.box import NO_TLS, PASSWORD, Api, Box, wait_for

pytestmark = pytest.mark.podman
PROTECTED = [r for r in ROUTES if r.policy is not Policy.PUBLIC]
FOREIGN = [r for r in PROTECTED if r.path.startswith("/deployments/{id}")]
PROBLEM = {"type", "title", "status", "detail", "code", "errorId"}


def login(box: Box, email: str) -> httpx.Client:
    box.cli("user", "add", email, "--password-stdin", stdin=f"{PASSWORD}\n")
    body = {"email": email, "password": PASSWORD}
    answer = httpx.post(f"{box.url}/auth/login", json=body, verify=NO_TLS)
    assert answer.status_code == 200, answer.text
    return box.client(answer.json()["token"])


@pytest.fixture(scope="module")
def stranger(box: Box) -> Iterator[httpx.Client]:
    with login(box, "oki@example.com") as client:
        yield client


@pytest.fixture(scope="module")
def reader(box: Box) -> Iterator[httpx.Client]:
    made = box.cli("token", "create", "reader", "--scope", "read")
    assert made.returncode == 0, made.stderr
    with box.client(made.stdout.strip()) as client:
        yield client


def check_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().keys() >= PROBLEM
    assert answer.json()["status"] == status
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("route", PROTECTED, ids=str)
@pytest.mark.parametrize("token", [None, "nn_garbage", "Basic x"])
def test_nobody_gets_in_without_a_token(box: Box, route: Route, token: str | None) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    url = box.url + route.path.replace("{id}", "x")
    answer = httpx.request(route.method, url, headers=headers, verify=NO_TLS)
    check_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("route", FOREIGN, ids=str)
def test_a_foreign_deployment_is_not_found(api: Api, stranger: httpx.Client, route: Route) -> None:
    theirs = api.create(templateId=None, customImage="localhost/none")["id"]
    body: dict[str, str] | None = {} if route.body is not None else None
    path = route.path.replace("{id}", theirs)
    check_problem(stranger.request(route.method, path, json=body), 404)
    assert api.get(theirs)["id"] == theirs
    assert stranger.get("/deployments").json()["deployments"] == []
    api.http.delete(f"/deployments/{theirs}")


WRITES = [r for r in PROTECTED if r.policy in (Policy.WRITE, Policy.ADMIN_WRITE)]
ADMINS = [r for r in PROTECTED if r.policy in (Policy.ADMIN_READ, Policy.ADMIN_WRITE)]


@pytest.mark.parametrize("route", WRITES, ids=str)
def test_a_read_token_writes_nothing(reader: httpx.Client, route: Route) -> None:
    check_problem(reader.request(route.method, route.path.replace("{id}", "x")), 403)


@pytest.mark.parametrize("route", ADMINS, ids=str)
def test_a_user_is_no_admin(stranger: httpx.Client, route: Route) -> None:
    check_problem(stranger.request(route.method, route.path.replace("{id}", "x")), 403)


def test_a_route_without_a_policy_stops_the_start() -> None:
    # None where a policy belongs is the very mistake that has to be caught.
    with pytest.raises(TypeError, match="names no policy"):
        create_app(None, [Route("GET", "/x", None, None)], None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b'{"a": NaN}', 400), (b'{"a": 1, "a": 2}', 400), (b"\xff", 400),
     (b"[" * 5000, 400), (b" " * 300_000, 413), (b"{}", 422)],
)  # fmt: skip
def test_a_body_that_is_none_is_refused(api: Api, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    check_problem(api.http.post("/deployments", content=body, headers=headers), status)


def test_another_content_type_is_refused(api: Api) -> None:
    check_problem(api.http.post("/deployments", content=b"{}"), 415)


def test_every_wrong_field_is_named_at_once(api: Api) -> None:
    body = {"nodeId": 1, "templateId": "welcome", "foo": 1, "ports": [{"port": 0}],
            "volumes": [{"name": "v", "path": "/../etc"}],
            "resources": {"memoryMb": "x"}}  # fmt: skip
    answer = api.http.post("/deployments", json=body)
    check_problem(answer, 422)
    assert {e["field"] for e in answer.json()["errors"]} == {
        "nodeId", "foo", "ports.0.port", "volumes.0.path", "resources.memoryMb",
    }  # fmt: skip


def test_unknown_paths_and_verbs_have_the_shape_too(api: Api) -> None:
    check_problem(api.http.get("/nowhere"), 404)
    answer = api.http.put("/deployments")
    check_problem(answer, 405)
    assert answer.headers["allow"] == "POST, GET, HEAD"


def test_a_revoked_token_opens_nothing_from_then_on(api: Api) -> None:
    made = api.http.post("/auth/tokens", json={"name": "short"}).json()
    with api.box.client(made["token"]) as other:
        assert other.get("/deployments").status_code == 200
        assert api.http.delete(f"/auth/tokens/{made['apiToken']['id']}").status_code == 200
        check_problem(other.get("/deployments"), 401)


def test_a_backup_restores_to_what_was(api: Api) -> None:
    kept = api.create(templateId=None, customImage="localhost/none", name="kept")["id"]
    file = api.box.top / "backup.db"
    assert api.box.cli("backup", str(file)).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    api.http.delete(f"/deployments/{kept}")
    busy = api.box.cli("restore", str(file))
    assert busy.returncode == 1
    assert "running" in busy.stderr
    api.box.terminate()
    restored = api.box.cli("restore", str(file))
    assert restored.returncode == 0, restored.stderr
    api.box.start()
    assert api.get(kept)["name"] == "kept"


def test_a_backup_is_put_in_place_by_a_restart_and_what_was_there_is_kept(api: Api) -> None:
    kept = api.create(templateId=None, customImage="localhost/none", name="kept")["id"]
    copy = api.http.post("/backup").content
    api.http.delete(f"/deployments/{kept}")
    later = api.create(templateId=None, customImage="localhost/none", name="later")["id"]
    octets = {"Content-Type": "application/octet-stream"}
    made = api.http.post("/restore", content=copy, headers=octets).json()["restore"]
    assert api.http.post(f"/restore/{made['id']}").status_code == 202
    wait_for(lambda: restored(api, kept))
    assert api.http.get(f"/deployments/{later}").status_code == 404
    assert api.box.process is not None
    assert api.box.process.poll() is None
    newest = api.http.get("/audit").json()["entries"]
    name = next(e["object"] for e in newest if e["action"] == "restored")
    with closing(sqlite3.connect(api.box.data / name)) as old:
        query = "SELECT name FROM deployment WHERE desired != 'deleted' AND id = ?"
        assert old.execute(query, (later,)).fetchall() == [("later",)]


def test_what_an_older_backup_does_not_know_goes_on_running_and_is_told(api: Api) -> None:
    file = api.box.top / "older.db"
    assert api.box.cli("backup", str(file)).returncode == 0
    api.until(api.create(name="later")["id"], "running")
    [name] = api.box.podman("ps", "--format", "{{.Names}}").split()
    api.box.terminate()
    done = api.box.cli("restore", str(file), "--json")
    assert json.loads(done.stdout)["warning"] is None
    api.box.start()

    def told() -> bool:
        checks = {c["name"]: c for c in api.http.get("/doctor").json()["checks"]}
        return name in checks["containers"]["detail"]

    wait_for(told)
    by_command = json.loads(api.box.cli("doctor", "--json").stdout)
    [found] = [check for check in by_command if check["name"] == "containers"]
    assert name in found["detail"]
    assert api.box.podman("ps", "--format", "{{.Names}}").split() == [name]
    shell = ["sh", "-c", found["remedy"].partition(": ")[2]]
    removed = subprocess.run(shell, check=True, capture_output=True)
    assert name in removed.stdout.decode()


def restored(api: Api, deployment_id: str) -> bool:
    try:
        return api.http.get(f"/deployments/{deployment_id}").status_code == 200
    except httpx.TransportError:
        return False


UNTESTED = ("/events", "/deployments/{id}/logs", "/auth/logout")
"""Two that stream for ever if asked to, and the one that would end the caller's token."""

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)


def test_schemathesis_finds_nothing_that_is_not_as_described(api: Api) -> None:
    token = api.http.headers["authorization"]
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{api.box.url}/openapi.json",
         "-H", f"Authorization: {token}",
         "--checks", CHECKS, "--max-examples", "15", "--phases", "examples,fuzzing",
         "--request-timeout", "10", *(f"--exclude-path={path}" for path in UNTESTED)],
        cwd=api.box.top, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-500:]
    operations = sum(route.path not in UNTESTED for route in ROUTES)
    assert f"Tested: {operations}" in done.stdout, done.stdout[-1000:]
