"""Secrets planted in every place that takes one are found nowhere they could be read."""

import re
import secrets
import time
from pathlib import Path

import httpx
import pytest

from tests.box import Api

pytestmark = pytest.mark.podman


def canary() -> str:
    return f"canary-{secrets.token_hex(12)}"


def test_no_secret_comes_out_anywhere(api: Api) -> None:
    secret, password, other = canary(), canary(), canary()
    said: list[str] = []
    api.http.event_hooks["response"] = [lambda a: said.append(f"{a.headers}{a.read().decode()}")]
    email = f"{time.monotonic_ns()}@example.org"
    user = api.http.post("/users", json={"email": email, "password": password}).json()["user"]
    login = httpx.post(f"{api.box.url}/auth/login", json={"email": email, "password": password})
    token = login.json()["token"]
    wrong = httpx.post(f"{api.box.url}/auth/login", json={"email": email, "password": other})
    assert wrong.status_code == 401
    said.append(wrong.text)
    d = api.create(secrets={"API_KEY": secret})
    api.until(d["id"], "running")
    again = {"nodeId": api.node_id(), "templateId": "welcome", "secrets": {"API_KEY": [secret]}}
    assert api.http.post("/deployments", json=again).status_code == 422
    broken = {"nodeId": "x", "customImage": "!", "secrets": {"K": secret}}
    assert api.http.post("/deployments", json=broken).status_code == 422
    failed = api.create(templateId=None, customImage="localhost/none", secrets={"K": secret})
    api.until(failed["id"], "failed")
    for path in ("", "/events", "/logs", "/stats"):
        api.http.get(f"/deployments/{d['id']}{path}")
        api.http.get(f"/deployments/{failed['id']}{path}")
    for path in ("/deployments", "/users", "/auth/me", "/auth/tokens", f"/users/{user['id']}"):
        api.http.get(path)
    with api.box.client(token) as theirs:
        said.append(theirs.get("/auth/me").text)
    for arguments in (("ps", "--json"), ("show", d["id"]), ("--json", "logs", d["id"])):
        done = api.box.cli(*arguments)
        said.append(done.stdout + done.stderr)
    api.box.terminate()
    api.box.start()
    said.append((api.box.top / "log").read_text())
    files = [path for path in api.box.data.rglob("*") if is_ours(path)]
    said += [path.read_bytes().decode(errors="replace") for path in files]
    assert len(said) > 25
    for word in (secret, password, other, token):
        assert [text for text in said if word in text] == []
    name = api.box.podman("ps", "--format={{.Names}}", f"--filter=name={d['id'][4:]}")
    assert f"API_KEY={secret}" in api.box.podman("exec", name, "env").split()
    for i in (d["id"], failed["id"]):
        api.http.delete(f"/deployments/{i}")


def is_ours(path: Path) -> bool:
    """A file that the appliance writes, not Podman (which keeps a container's environment)."""
    return path.is_file() and not re.search(r"/podman/|\.sock$", str(path))
