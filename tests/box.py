"""The appliance as its users run it: a process of its own, real Podman, HTTP over loopback."""

import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.runtime.home import PodmanHome
from appliance.store import meta
from appliance.store.database import open_database
from tests.podman_harness import apart, busybox_archive, free_ports, random_pool, remove_lab
from tests.waiting import PATIENCE_S, pause_s

ROOT = Path(__file__).parents[1]
STOPPED_S = 15
"""What a graceful stop may take, also with open streams."""

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For plain HTTP. Else httpx reads every authority it would trust: 50 ms a client, of a processor
that others wait for."""

PASSWORD = "correct horse battery"


@dataclass
class Box:
    """One appliance and its data directory; started, killed and started again."""

    top: Path
    python: str = sys.executable
    port: int = field(init=False)
    https_port: int = field(init=False)
    process: "subprocess.Popen[bytes] | None" = None
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port, self.https_port = free_ports(2)
        self.pool = random_pool()
        self.home = PodmanHome(self.data / "podman", self.top / "root", self.pool)

    @property
    def data(self) -> Path:
        return self.top / "data"

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "APPLIANCE_DATA_DIR": str(self.data),
            "APPLIANCE_PODMAN_ROOT": str(self.top / "root"),
            "APPLIANCE_LISTEN_HTTP": f"127.0.0.1:{self.port}",
            "APPLIANCE_LISTEN_HTTPS": f"127.0.0.1:{self.https_port}",
            "APPLIANCE_LISTEN_TCP": "127.0.0.1",
            "APPLIANCE_NETWORK_POOL": str(self.pool),
            "APPLIANCE_HOURLY_RATE_CENTS": "3600",
            **self.extra,
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.launch()
        wait_for(self.answers, what=(self.top / "log").read_text)

    def launch(self) -> None:
        """As ``start``, without waiting until it answers."""
        with (self.top / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", "appliance", "serve"],
                cwd=self.top, env=self.environ, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.top / "log").read_text()
        try:
            return bool(httpx.get(f"{self.url}/healthz", verify=NO_TLS).json()["runtime"] == "ok")
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOPPED_S)

    def cli(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.python, "-m", "appliance", *arguments],
            cwd=self.top, env=self.environ, input=stdin, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    def podman(self, *arguments: str, stdin: bytes | None = None) -> str:
        done = subprocess.run(
            ["podman", *self.home.arguments(), *arguments],
            cwd=self.top, env=self.home.environment(os.environ), input=stdin,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def client(self, token: str) -> httpx.Client:
        """For many threads too: it gives no connection up as surplus or old. Else one that another
        thread has just been given may be closed under it, as httpcore 1.0 does both at once."""
        all_kept = httpx.Limits(max_keepalive_connections=None, keepalive_expiry=None)
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S,
            verify=NO_TLS, limits=all_kept,
        )  # fmt: skip

    def visit(self, url: str) -> httpx.Response:
        """GETs a deployment's address as a browser on this machine would, over the local CA."""
        with self.visiting(url) as answer:
            answer.read()
            return answer

    @contextmanager
    def visiting(self, url: str) -> Iterator[httpx.Response]:
        """As ``visit``, with the answer still coming."""
        asked = httpx.URL(url)
        trust = ssl.create_default_context(cafile=self.data / "tls" / "ca.crt")
        with (
            httpx.Client(verify=trust, timeout=PATIENCE_S) as http,
            http.stream(
                "GET",
                asked.copy_with(host="127.0.0.1"),
                headers={"Host": asked.netloc.decode()},
                extensions={"sni_hostname": asked.host},
            ) as answer,
        ):
            yield answer

    def loopback_port(self, deployment_id: str) -> int:
        """Where its container's port is published."""
        name = f"name={deployment_id.replace('_', '-')}"
        ports = self.podman("ps", "--filter", name, "--format", "{{.Ports}}")
        return int(ports.partition("->")[0].rpartition(":")[2])

    def token(self) -> str:
        made = self.cli("token", "create", f"t{time.monotonic_ns()}")
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()


@dataclass
class Api:
    """A caller with a token."""

    box: Box
    http: httpx.Client

    def node_id(self) -> str:
        return str(self.http.get("/nodes").json()["nodes"][0]["id"])

    def create(self, **fields: Any) -> dict[str, Any]:
        body = {"nodeId": self.node_id(), "templateId": "welcome", **fields}
        answer = self.http.post("/deployments", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json()["deployment"])

    def get(self, deployment_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/deployments/{deployment_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["deployment"])

    def until(self, deployment_id: str, status: str) -> dict[str, Any]:
        wait_for(
            lambda: self.get(deployment_id)["status"] == status,
            what=lambda: str(self.get(deployment_id)),
        )
        return self.get(deployment_id)


def wait_for(
    fact: Callable[[], bool], *, within_s: float = PATIENCE_S, what: Callable[[], str] = lambda: ""
) -> None:
    began_s = time.monotonic()
    while not fact():
        waited_s = time.monotonic() - began_s
        assert waited_s < within_s, f"not within {within_s} s: {what()}"
        time.sleep(min(pause_s(waited_s), within_s - waited_s))


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with running_box() as made:
        yield made


@contextmanager
def running_box(**extra: str) -> Iterator[Box]:
    """A box that runs, with a BusyBox image and further variables; all of it is gone afterwards."""
    made = Box(Path(tempfile.mkdtemp(prefix="nnbox-", dir="/tmp")), extra=extra)
    with cared_for(made):
        made.podman("import", "-", "localhost/test/busybox:latest", stdin=busybox_archive())
        yield made


@contextmanager
def cared_for(made: Box) -> Iterator[None]:
    """It runs; all of it is gone afterwards, also a file system that was mounted for it."""
    try:
        made.start()
        yield
        made.terminate()
        made.podman("rm", "--all", "--force", "--time=0", "--volumes")
        made.podman("network", "prune", "--force")
        drop_firewall(made)
    finally:
        if made.process is not None and made.process.poll() is None:
            made.kill()
        remove_lab(made.top, made.pool)


def drop_firewall(box: Box) -> None:
    async def prefix() -> str:
        db = await open_database(box.data / "appliance.db")
        try:
            return await meta.instance_prefix(db)
        finally:
            await db.close()

    nft = shutil.which("nft")
    if nft is not None:
        table = f"appliance_{apart(prefix)}"
        subprocess.run([nft, "delete", "table", "inet", table], check=True)


@pytest.fixture(scope="module")
def token(box: Box) -> str:
    return box.token()


@pytest.fixture
def api(box: Box, token: str) -> Iterator[Api]:
    with box.client(token) as http:
        yield Api(box, http)
