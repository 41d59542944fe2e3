"""The front door beside nginx and Caddy, as proxies of the same backend, in one run.

Peers are as their makers ship them, with access logs off as ours and, for nginx, connections to
the backend kept (Caddy does so by itself). Rounds alternate, medians are compared. What runs
beside us on the machine falls on all of them, so processor time a request is printed too.
"""

import asyncio
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import uvloop

from tests.box import ROOT, Api, wait_for
from tests.podman_harness import free_ports

pytestmark = pytest.mark.bench

HOST = "dep-a.localhost"
ROUNDS, ROUND_S = 3, 3
STREAMS, STREAM_S = 200, 5
NGINX = """
worker_processes 1; daemon off; pid {top}/{name}.pid; error_log {top}/{name}.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000000;
  client_body_temp_path {top}/{name}1; proxy_temp_path {top}/{name}2;
  fastcgi_temp_path {top}/{name}3; uwsgi_temp_path {top}/{name}4; scgi_temp_path {top}/{name}5;
  {body}
}}
"""
NGINX_PROXY = """
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port}; listen 127.0.0.1:{tls} ssl;
    ssl_certificate {pem}; ssl_certificate_key {pem};
    location / {{
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
"""
CADDY = """
{{
  admin off
  auto_https off
}}
http://:{port} {{
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:{backend}
}}
https://:{tls} {{
  bind 127.0.0.1
  tls {pem} {pem}
  reverse_proxy 127.0.0.1:{backend}
}}
"""


@dataclass
class Peer:
    """A proxy: its ports, and its process."""

    name: str
    port: int
    tls: int
    process: "subprocess.Popen[bytes]"

    def url(self, path: str, *, tls: bool) -> str:
        return (
            f"https://127.0.0.1:{self.tls}{path}" if tls else f"http://127.0.0.1:{self.port}{path}"
        )

    def cpu_s(self) -> float:
        """Processor time of it and its workers."""
        me = psutil.Process(self.process.pid)
        return sum(p.cpu_times().user + p.cpu_times().system for p in (me, *me.children()))


@dataclass
class Stand:
    """Everything that listens."""

    top: Path
    backend: int
    peers: list[Peer]

    def run(self, *command: str) -> "subprocess.Popen[bytes]":
        log = (self.top / "log").open("ab")
        with log:
            return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    top = Path(tempfile.mkdtemp(prefix="nndoor-", dir="/tmp"))
    top.chmod(0o755)
    (top / "www").mkdir()
    (top / "www/1k").write_bytes(b"x" * 1024)
    (top / "www/100m").write_bytes(bytes(100 * 2**20))
    make_certificate(top)
    ports = free_ports(7)
    made = Stand(top, ports[0], [])
    static = f"server {{ listen 127.0.0.1:{ports[0]}; root {top}/www; }}"
    backend = start_nginx(made, "backend", static)
    try:
        for n, start in enumerate((door, nginx, caddy)):
            port, tls = ports[1 + 2 * n : 3 + 2 * n]
            made.peers.append(Peer(start.__name__, port, tls, start(made, port, tls)))
        for port in ports:
            wait_for(lambda port=port: listens(port), what=(top / "log").read_text)  # type: ignore[misc]
        yield made
    finally:
        for process in (backend, *(p.process for p in made.peers)):
            process.terminate()
            process.wait()
        shutil.rmtree(top)


def make_certificate(top: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", f"/CN={HOST}",
         "-addext", f"subjectAltName=DNS:{HOST},IP:127.0.0.1"],
        cwd=top, check=True, capture_output=True,
    )  # fmt: skip
    (top / "pem").write_bytes((top / "key.pem").read_bytes() + (top / "cert.pem").read_bytes())


def start_nginx(stand: Stand, name: str, body: str) -> "subprocess.Popen[bytes]":
    config = stand.top / f"{name}.conf"
    config.write_text(NGINX.format(top=stand.top, name=name, body=body))
    return stand.run("nginx", "-c", str(config))


def nginx(stand: Stand, port: int, tls: int) -> "subprocess.Popen[bytes]":
    pem = stand.top / "pem"
    body = NGINX_PROXY.format(backend=stand.backend, port=port, tls=tls, pem=pem)
    return start_nginx(stand, "nginx", body)


def caddy(stand: Stand, port: int, tls: int) -> "subprocess.Popen[bytes]":
    config = stand.top / "Caddyfile"
    pem = stand.top / "pem"
    config.write_text(CADDY.format(backend=stand.backend, port=port, tls=tls, pem=pem))
    program = Path(sys.executable).parent / "caddy"
    return stand.run(str(program), "run", "--config", str(config), "--adapter", "caddyfile")


def door(stand: Stand, port: int, tls: int) -> "subprocess.Popen[bytes]":
    arguments = [str(port), str(tls), str(stand.backend), str(stand.top / "pem")]
    return stand.run(sys.executable, "-m", "tests.bench.door_stand", *arguments)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


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


def test_delay_of_events_in_200_token_streams(stand: Stand) -> None:
    [backend, port, tls] = free_ports(3)
    source = stand.run(sys.executable, "-m", "tests.bench.token_streams", str(backend))
    arguments = [str(port), str(tls), str(backend), str(stand.top / "pem")]
    relay = stand.run(sys.executable, "-m", "tests.bench.door_stand", *arguments)
    try:
        wait_for(lambda: listens(backend) and listens(port))
        direct, through = (uvloop.run(delays_ms(p)) for p in (backend, port))
    finally:
        for process in (source, relay):
            process.terminate()
            process.wait()
    print(f"\n{STREAMS} streams of 50 events/s: {len(direct)} and {len(through)} events")
    for name, values in (("direct", direct), ("through the door", through)):
        cuts = statistics.quantiles(values, n=100)
        print(f"  {name}: median {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms")
    added = statistics.quantiles(through, n=100)[98] - statistics.quantiles(direct, n=100)[98]
    print(f"  added p99 {added:.2f} ms (may be 5)")


async def delays_ms(port: int) -> list[float]:
    delays: list[float] = []
    async with asyncio.timeout(STREAM_S + 20), asyncio.TaskGroup() as tasks:
        for _ in range(STREAMS):
            tasks.create_task(listen(port, delays, time.monotonic() + STREAM_S))
    return delays


async def listen(port: int, delays: list[float], until_s: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    while time.monotonic() < until_s:
        line = await reader.readuntil(b"\n")
        if line.startswith(b"data: "):
            delays.append((time.monotonic_ns() - int(line[6:])) / 1e6)
    writer.close()


@pytest.mark.podman
def test_the_api_through_the_door_against_its_socket(api: Api) -> None:
    made = api.create()
    api.until(made["id"], "running")
    head = f"GET /deployments/{made['id']} HTTP/1.1\r\nHost: localhost\r\n"
    request = f"{head}Authorization: {api.http.headers['authorization']}\r\n\r\n".encode()
    socket_path = str(api.box.data / "api.sock")
    rates: dict[str, list[float]] = {"socket": [], "door": []}
    for _ in range(ROUNDS):
        rates["socket"].append(uvloop.run(rate_of(request, path=socket_path)))
        rates["door"].append(uvloop.run(rate_of(request, port=api.box.port)))
    on_socket, through = (statistics.median(rates[name]) for name in ("socket", "door"))
    print(
        f"\nGET /deployments/:id: on its socket {on_socket:.0f}/s, through the door {through:.0f}/s"
    )
    show("API, door / socket", through / on_socket, 0.7)
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
