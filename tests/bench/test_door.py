"""The front door beside nginx and Caddy, as proxies of the same backend, in one run.

Peers are as their makers ship them, with access logs off as ours and, for nginx, connections to
the backend kept (Caddy does so by itself). Rounds alternate, medians are compared. What runs
beside us on the machine falls on all of them, so processor time a request is printed too.
"""

import asyncio
import re
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest
import uvloop

from tests.bench.stand import HOST, Process, Stand, standing, start_nginx
from tests.box import Api

pytestmark = pytest.mark.bench

ROUNDS, ROUND_S = 3, 3


def files(stand: Stand) -> Process:
    """nginx that serves a small file and a big one; head and body in one segment, as apps do."""
    (stand.top / "www").mkdir()
    (stand.top / "www/1k").write_bytes(b"x" * 1024)
    (stand.top / "www/100m").write_bytes(bytes(100 * 2**20))
    here = f"listen 127.0.0.1:{stand.backend}; root {stand.top}/www; tcp_nopush on;"
    static = f"server {{ {here} }}"
    return start_nginx(stand, "backend", static)


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with standing(files) as made:
        yield made


def wrk(url: str) -> float:
    """Requests a second over 32 connections."""
    done = subprocess.run(
        ["wrk", "-t", "1", "-c", "32", "-d", str(ROUND_S), "-H", f"Host: {HOST}", url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Non-2xx" not in done.stdout, done.stdout
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", done.stdout)[0])


def bulk(url: str) -> float:
    """MB a second of one download of 100 MiB."""
    done = subprocess.run(
        ["curl", "-skf", "-o", "/dev/null", "-w", "%{speed_download}", "-H", f"Host: {HOST}", url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout) / 1e6


def show(name: str, ratio: float, target: float) -> None:
    verdict = "reached" if ratio >= target else "FALLS SHORT"
    print(f"  {name}: {ratio:.2f} (must reach {target}): {verdict}")


@pytest.mark.parametrize(("tls", "to_nginx"), [(False, 0.85), (True, 0.8)], ids=["plain", "tls"])
def test_requests_a_second(stand: Stand, tls: bool, to_nginx: float) -> None:
    figures: dict[str, list[float]] = {p.name: [] for p in stand.peers}
    cost: dict[str, list[float]] = {p.name: [] for p in stand.peers}
    for _ in range(ROUNDS):
        for peer in stand.peers:
            before = peer.cpu_s()
            rate = wrk(peer.url("/1k", tls=tls))
            figures[peer.name].append(rate)
            cost[peer.name].append((peer.cpu_s() - before) / (rate * ROUND_S) * 1e6)
    rates = {name: statistics.median(values) for name, values in figures.items()}
    print(f"\n{'TLS' if tls else 'plain'}, 1 KiB, 32 connections:")
    for name, rate in rates.items():
        spent = statistics.median(cost[name])
        print(f"  {name}: {rate:.0f} requests/s, {spent:.1f} µs of processor a request")
    show("requests/s, door / nginx", rates["door"] / rates["nginx"], to_nginx)
    show("requests/s, door / Caddy", rates["door"] / rates["caddy"], 2.5)
    spent_by = {name: statistics.median(values) for name, values in cost.items()}
    for name in ("nginx", "caddy"):
        print(f"  processor a request, {name} / door: {spent_by[name] / spent_by['door']:.2f}")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_bulk_download(stand: Stand, tls: bool) -> None:
    figures: dict[str, list[float]] = {p.name: [] for p in stand.peers}
    for _ in range(3 * ROUNDS):
        for peer in stand.peers:
            figures[peer.name].append(bulk(peer.url("/100m", tls=tls)))
    speeds = {name: statistics.median(values) for name, values in figures.items()}
    print(f"\n{'TLS' if tls else 'plain'}, 100 MiB:")
    for name, speed in speeds.items():
        print(f"  {name}: {speed:.0f} MB/s")
    show("bulk, door / nginx", speeds["door"] / speeds["nginx"], 0.7 if tls else 1.0)
    if tls:
        show("bulk, door / Caddy", speeds["door"] / speeds["caddy"], 1.2)


def test_latency_that_the_door_adds(stand: Stand) -> None:
    request = f"GET /1k HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    ports = {"backend": stand.backend} | {p.name: p.port for p in stand.peers}
    lines = {name: socket.create_connection(("127.0.0.1", port)) for name, port in ports.items()}
    times: dict[str, list[float]] = {name: [] for name in lines}
    for _ in range(3000):
        for name, line in lines.items():
            began = time.perf_counter()
            line.sendall(request)
            got = line.recv(8192)
            while not got.endswith(b"x" * 1024):
                got += line.recv(8192)
            times[name].append(time.perf_counter() - began)
    for line in lines.values():
        line.close()
    medians_ms = {name: statistics.median(values) * 1000 for name, values in times.items()}
    print("\none connection, 1 KiB:")
    for name, median_ms in medians_ms.items():
        added = median_ms - medians_ms["backend"]
        print(f"  {name}: median {median_ms:.3f} ms, adds {added:.3f} ms")
    print("  the door may add 0.1 ms")


@pytest.mark.podman
def test_the_api_through_the_door_against_its_socket(api: Api) -> None:
    made = api.create()
    api.until(made["id"], "running")
    head = f"GET /deployments/{made['id']} HTTP/1.1\r\nHost: localhost\r\n"
    request = f"{head}Authorization: {api.http.headers['authorization']}\r\n\r\n".encode()
    socket_path = str(api.box.data / "api.sock")
    assert api.box.process is not None
    process = psutil.Process(api.box.process.pid)
    rates: dict[str, list[float]] = {"socket": [], "door": []}
    cost: dict[str, list[float]] = {"socket": [], "door": []}
    for _ in range(ROUNDS):
        for name, port, path in (("socket", 0, socket_path), ("door", api.box.port, "")):
            before_s = sum(process.cpu_times()[:2])
            rates[name].append(uvloop.run(rate_of(request, port=port, path=path)))
            spent_s = sum(process.cpu_times()[:2]) - before_s
            cost[name].append(spent_s / (rates[name][-1] * ROUND_S) * 1e6)
    print("\nGET /deployments/:id:")
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, rate in medians.items():
        spent = statistics.median(cost[name])
        print(f"  {name}: {rate:.0f} requests/s, {spent:.0f} µs of processor a request")
    show("API, door / socket", medians["door"] / medians["socket"], 0.7)
    api.http.delete(f"/deployments/{made['id']}")


async def rate_of(request: bytes, *, port: int = 0, path: str = "") -> float:
    """Requests a second over 16 connections."""
    counts: list[int] = []
    until_s = time.monotonic() + ROUND_S
    async with asyncio.TaskGroup() as tasks:
        for _ in range(16):
            tasks.create_task(ask(request, port, path, until_s, counts))
    return sum(counts) / ROUND_S


async def ask(request: bytes, port: int, path: str, until_s: float, counts: list[int]) -> None:
    opened = (
        asyncio.open_unix_connection(path) if path else asyncio.open_connection("127.0.0.1", port)
    )
    reader, writer = await opened
    asked = 0
    while time.monotonic() < until_s:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        [length] = re.findall(rb"content-length: (\d+)", head)
        await reader.readexactly(int(length))
        asked += 1
    counts.append(asked)
    writer.close()
