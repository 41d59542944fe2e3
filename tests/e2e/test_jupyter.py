"""JupyterLab in a real container, used through the front door: a notebook's cell, a terminal.

By its protocol, which tells what goes over the wire, and by its page in a real browser.
"""

import json
import shutil
import ssl
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.box import Api, Box, wait_for
from tests.e2e.jupyter_image import PYTHON, jupyter_archive
from tests.ingress.tls import trust
from tests.waiting import PATIENCE_S
from tests.web.browser import ARGUMENTS, PATIENCE_MS, environ

pytestmark = [pytest.mark.podman, pytest.mark.slow]

IMAGE = "localhost/test/jupyterlab:latest"
TOKEN = "a token of the notebook's own"
CODE = "import sys\nprint('forty', 6 * 7, sys.prefix)"
TERMINAL_SETTINGS = "/lab/api/settings/@jupyterlab/terminal-extension:plugin"

Json = dict[str, Any]


@dataclass
class Lab:
    """JupyterLab at its address, with its token."""

    url: str
    http: httpx.Client
    trust: ssl.SSLContext

    @contextmanager
    def socket(self, path: str) -> Iterator[ClientConnection]:
        where = urlsplit(self.url)
        with connect(
            f"wss://{where.netloc}{path}",
            sock=create_connection(("127.0.0.1", where.port)),
            ssl=self.trust,
            origin=Origin(self.url),
            additional_headers={"Authorization": f"token {TOKEN}"},
        ) as made:
            yield made


@pytest.fixture(scope="module")
def lab(box: Box, token: str) -> Iterator[Lab]:
    with tempfile.TemporaryDirectory(prefix="nnjup-", dir="/tmp") as folder:
        box.podman("import", str(jupyter_archive(Path(folder))), IMAGE)
    with box.client(token) as http, deployed(Api(box, http)) as made:
        yield made


@contextmanager
def deployed(api: Api) -> Iterator[Lab]:
    made = api.create(
        templateId=None, customImage=IMAGE, ports=[{"port": 8888}],
        command=[str(PYTHON), "-m", "jupyterlab", "--ip=0.0.0.0", "--allow-root", "--no-browser"],
        secrets={"JUPYTER_TOKEN": TOKEN}, access="public", health={"path": "/api", "port": 8888},
    )  # fmt: skip
    shown = api.until(made["id"], "running")
    url = shown["endpoints"][0]["url"]
    where = urlsplit(url)
    trusting = ssl.create_default_context(cafile=api.box.data / "tls/ca.crt")
    with httpx.Client(
        base_url=f"https://127.0.0.1:{where.port}", verify=trusting, timeout=PATIENCE_S,
        headers={"Host": where.netloc, "Authorization": f"token {TOKEN}"},
    ) as http:  # fmt: skip
        http.event_hooks["request"].append(
            lambda request: request.extensions.update(sni_hostname=where.hostname)
        )
        wait_for(
            lambda: http.get("/api").status_code == 200,
            what=lambda: str(api.http.get(f"/deployments/{made['id']}/logs").json()),
        )
        yield Lab(url, http, trusting)
    api.http.delete(f"/deployments/{made['id']}")


def sent(answer: httpx.Response) -> Json:
    assert answer.is_success, answer.text
    return dict(answer.json())


def run_cell(lab: Lab, code: str) -> str:
    """What a cell prints, the way the page runs it: over the kernel's WebSocket."""
    cell: Json = {"cell_type": "code", "id": "one", "source": code, "metadata": {}, "outputs": [],
            "execution_count": None}  # fmt: skip
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    sent(lab.http.put("/api/contents/a.ipynb", json={"type": "notebook", "content": notebook}))
    told = sent(lab.http.get("/api/contents/a.ipynb"))["content"]["cells"][0]["source"]
    kernel = {"path": "a.ipynb", "type": "notebook", "name": "a", "kernel": {"name": "python3"}}
    session = sent(lab.http.post("/api/sessions", json=kernel))
    with lab.socket(f"/api/kernels/{session['kernel']['id']}/channels") as socket:
        message = execute_request(told)
        socket.send(json.dumps(message))
        return output_of(socket, message["header"]["msg_id"])


def execute_request(code: str) -> Json:
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "",
              "session": uuid.uuid4().hex, "version": "5.3", "date": ""}  # fmt: skip
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {},
               "allow_stdin": False, "stop_on_error": True}  # fmt: skip
    return {"header": header, "parent_header": {}, "metadata": {}, "content": content,
            "channel": "shell", "buffers": []}  # fmt: skip


def output_of(socket: ClientConnection, message_id: str) -> str:
    """What was printed, when the kernel is idle again after that message."""
    printed = ""
    while True:
        told = json.loads(socket.recv(timeout=PATIENCE_S))
        if told["parent_header"].get("msg_id") != message_id:
            continue
        if told["msg_type"] == "stream":
            printed += told["content"]["text"]
        if told["msg_type"] == "status" and told["content"]["execution_state"] == "idle":
            return printed


def type_into_terminal(lab: Lab, line: str, awaited: str) -> str:
    """All that a new terminal has shown when ``awaited`` comes."""
    name = sent(lab.http.post("/api/terminals"))["name"]
    shown = ""
    with lab.socket(f"/terminals/websocket/{name}") as socket:
        socket.send(json.dumps(["stdin", f"{line}\r"]))
        while awaited not in shown:
            kind, *content = json.loads(socket.recv(timeout=PATIENCE_S))
            shown += content[0] if kind == "stdout" else ""
    return shown


def test_a_cell_runs_and_a_terminal_answers(lab: Lab) -> None:
    page = lab.http.get("/lab")
    assert page.status_code == 200
    assert "JupyterLab" in page.text
    assert run_cell(lab, CODE) == "forty 42 /opt/jupyter\n"
    assert "42-typed" in type_into_terminal(lab, "echo $((6 * 7))-typed", "42-typed")


@pytest.fixture
def page(lab: Lab, box: Box, tmp_path: Path) -> Iterator[Page]:
    """JupyterLab's page in a browser that trusts the authority, logged in, with the launcher."""
    trust(tmp_path, box.data / "tls/ca.crt")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "chrome",
            executable_path=shutil.which("chromium-headless-shell"),
            args=[*ARGUMENTS, "--host-resolver-rules=MAP * 127.0.0.1"],
            env={**environ(HOME=str(tmp_path))},
        )
        context.set_default_timeout(PATIENCE_MS)
        made = context.new_page()
        made.goto(f"{lab.url}/lab?reset&{urlencode({'token': TOKEN})}")
        yield made
        context.close()


def test_a_cell_runs_in_the_page(page: Page) -> None:
    page.locator(".jp-LauncherCard[data-category=Notebook]").click()
    cell = page.locator(".jp-Notebook .jp-CodeCell")
    editor = cell.locator(".cm-content[data-language=python]")  # what is typed before is lost
    editor.fill(CODE)
    expect(editor).to_contain_text("sys.prefix", timeout=PATIENCE_MS)
    editor.press("Shift+Enter")
    printed = cell.first.locator(".jp-OutputArea-output")
    expect(printed).to_have_text("forty 42 /opt/jupyter", timeout=PATIENCE_MS)


def test_a_terminal_answers_in_the_page(lab: Lab, page: Page) -> None:
    in_words = {"raw": '{"screenReaderMode": true}'}  # else a terminal's lines are pixels
    lab.http.put(TERMINAL_SETTINGS, json=in_words).raise_for_status()
    page.reload()
    page.locator(".jp-LauncherCard[data-category=Other]", has_text="Terminal").click()
    terminal = page.locator(".jp-Terminal")
    terminal.locator(".xterm-helper-textarea").focus()
    page.keyboard.type("echo $((6 * 7))-typed\n")
    expect(terminal.locator(".xterm-accessibility")).to_contain_text(
        "42-typed", timeout=PATIENCE_MS
    )
