"""Figures, printed, both sides in the same run. Nothing here gates: timings are noisy."""

import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from tests.box import NO_TLS, Api, Box, wait_for
from tests.podman_harness import free_ports

pytestmark = [pytest.mark.bench, pytest.mark.podman]

ROUNDS = 20
LIVE = 20
"""How many deployments run while idleness and the start are measured."""

ROWS = 10_000
BARE = """
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
async def hello(request): return JSONResponse({"hello": "world"})
uvicorn.run(Starlette(routes=[Route("/", hello)]), host="127.0.0.1", port=PORT, http="httptools",
            loop="uvloop", access_log=False, log_level="error", lifespan="off", ws="none")
"""


def show(name: str, figure: float, target: str) -> None:
    print(f"\n{name}: {figure:.3g} (must reach {target})")


def timed_s(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def medians_s(*works: Callable[[], None]) -> list[float]:
    """Of each, over rounds in which they take turns: what disturbs one disturbs the others."""
    rounds = [[timed_s(work) for work in works] for _ in range(ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def run_by_cli(box: Box) -> None:
    box.podman(
        "run", "-d", "--name", f"cli{time.monotonic_ns()}", "-p", "127.0.0.1::8080",
        "localhost/test/busybox", "sleep", "1000",
    )  # fmt: skip


def order(node_id: str) -> dict[str, object]:
    """The same container as by ``run_by_cli``."""
    return {
        "nodeId": node_id, "customImage": "localhost/test/busybox", "command": ["sleep", "1000"],
        "ports": [{"port": 8080}],
    }  # fmt: skip


def plain(api: Api) -> str:
    return str(api.create(**order(api.node_id()) | {"templateId": None})["id"])


def test_post_to_running_against_podman_run(api: Api) -> None:
    """Told by the stream of changes, as a client in a hurry would wait."""
    wanted = order(api.node_id())
    with api.http.stream("GET", "/events") as changes:
        lines = changes.iter_lines()

        def deploy() -> None:
            made = api.http.post("/deployments", json=wanted).json()["deployment"]
            ours = f'"deploymentId":"{made["id"]}"'
            next(x for x in lines if ours in x and '"status":"running"' in x)

        deploy()
        run_by_cli(api.box)
        ours, theirs = medians_s(deploy, lambda: run_by_cli(api.box))
    print(f"\n  ours {ours * 1000:.0f} ms, podman run -d {theirs * 1000:.0f} ms")
    show("POST to running / podman run -d", ours / theirs, "<= 1.0")


def test_twenty_at_once_against_one_after_the_other(api: Api) -> None:
    def at_once() -> None:
        with api.http.stream("GET", "/events") as changes:
            lines = changes.iter_lines()
            missing = {plain(api) for _ in range(20)}
            while missing:
                told = next(x for x in lines if '"status":"running"' in x)
                missing = {i for i in missing if f'"deploymentId":"{i}"' not in told}

    def in_turn() -> None:
        for _ in range(20):
            run_by_cli(api.box)

    ours, theirs = timed_s(at_once), timed_s(in_turn)
    print(f"\n  ours {ours:.2f} s, podman {theirs:.2f} s")
    show("20 at once / 20 podman run -d", ours / theirs, "<= 0.8")


def twenty_alone(api: Api) -> None:
    """So many deployments run, and no container else."""
    running = api.http.get("/deployments?status=running&limit=100").json()["deployments"]
    missing = [plain(api) for _ in range(LIVE - len(running))]
    for surplus in running[LIVE:]:
        api.http.delete(f"/deployments/{surplus['id']}")
    for i in missing:
        api.until(i, "running")
    by_cli = api.box.podman("ps", "-aq", "--filter", "name=^cli").split()
    if by_cli:
        api.box.podman("rm", "--force", "--time=0", *by_cli)
    wait_for(lambda: len(api.box.podman("ps", "-aq").split()) == LIVE)


def test_idle_with_20_deployments(api: Api) -> None:
    assert api.box.process is not None
    process = psutil.Process(api.box.process.pid)
    twenty_alone(api)
    process.cpu_percent()
    time.sleep(30)  # an idle share of a core is what is measured
    show("idle RSS MiB", process.memory_info().rss / 2**20, "<= 90")
    show("idle share of a core, percent", process.cpu_percent(), "<= 0.5")


@pytest.fixture
def bare() -> Iterator[str]:
    [port] = free_ports(1)
    process = subprocess.Popen([sys.executable, "-c", BARE.replace("PORT", str(port))])
    url = f"http://127.0.0.1:{port}/"
    wait_for(lambda: _answers(url))
    yield url
    process.terminate()
    process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, verify=NO_TLS).status_code == 200
    except httpx.TransportError:
        return False


def wrk(url: str, token: str) -> float:
    """Requests a second over 16 connections, by wrk(1)."""
    done = subprocess.run(
        ["wrk", "-t", "1", "-c", "16", "-d", "1", "-H", f"Authorization: Bearer {token}", url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Non-2xx" not in done.stdout, done.stdout
    [line] = [x for x in done.stdout.splitlines() if x.startswith("Requests/sec")]
    return float(line.split()[1])


def seed_rows(box: Box) -> None:
    """10,000 stopped deployments, copied from one; the appliance does not run."""
    with sqlite3.connect(box.data / "appliance.db") as db:
        columns = [r[1] for r in db.execute("PRAGMA table_info(deployment)")]
        [first] = db.execute(
            "SELECT id FROM deployment WHERE desired <> 'deleted' LIMIT 1"
        ).fetchone()
        fixed = {"id": "'dep_s' || n.value", "desired": "'stopped'", "status": "'stopped'",
                 "observed_intent": "intent", "container_id": "NULL", "hostname": "NULL",
                 "created_us": "created_us - n.value"}  # fmt: skip
        values = ", ".join(fixed.get(c, c) for c in columns)
        numbers = "WITH n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < ?)"
        db.execute(
            f"{numbers} INSERT INTO deployment ({', '.join(columns)}) "
            f"SELECT {values} FROM deployment, n WHERE id = ?",
            (ROWS, first),
        )
    db.close()


def test_reads_and_start_up_with_10_000_rows(api: Api, bare: str) -> None:
    twenty_alone(api)
    api.box.terminate()
    seed_rows(api.box)
    began = time.perf_counter()
    api.box.launch()
    while not api.box.answers():
        time.sleep(0.005)  # the longer pauses of ``wait_for`` would be part of the figure
    show("start-up to healthy, s", time.perf_counter() - began, "<= 2")
    token = api.box.token()
    total = api.http.get("/deployments?limit=1").json()["pagination"]["total"]
    assert total >= ROWS
    urls = bare, f"{api.box.url}/deployments/dep_s1", f"{api.box.url}/deployments?limit=20&page=3"
    rounds = [[wrk(url, token) for url in urls] for _ in range(15)]
    base, one, page = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    print(f"\n  requests/s: bare {base:.0f}, one {one:.0f}, page of 20 {page:.0f}")
    show("GET one / bare", one / base, ">= 0.25")
    show("GET a page of 20 of 10,000 / bare", page / base, ">= 0.12")


def test_many_clients_read_at_once(api: Api) -> None:
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: api.http.get("/deployments").status_code, range(500)))
    assert set(answers) == {200}
