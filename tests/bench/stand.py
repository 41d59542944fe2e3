"""What the figures of the front door are taken from: it, its peers, and what they stand before."""

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.box import ROOT, wait_for
from tests.podman_harness import free_ports

HOST = "dep-a.localhost"
Process = subprocess.Popen[bytes]
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
    process: Process

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

    def run(self, *command: str) -> Process:
        log = (self.top / "log").open("ab")
        with log:
            return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


def make_certificate(top: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", f"/CN={HOST}",
         "-addext", f"subjectAltName=DNS:{HOST},IP:127.0.0.1"],
        cwd=top, check=True, capture_output=True,
    )  # fmt: skip
    (top / "pem").write_bytes((top / "key.pem").read_bytes() + (top / "cert.pem").read_bytes())


def start_nginx(stand: Stand, name: str, body: str) -> Process:
    config = stand.top / f"{name}.conf"
    config.write_text(NGINX.format(top=stand.top, name=name, body=body))
    return stand.run("nginx", "-c", str(config))


def nginx(stand: Stand, port: int, tls: int) -> Process:
    pem = stand.top / "pem"
    body = NGINX_PROXY.format(backend=stand.backend, port=port, tls=tls, pem=pem)
    return start_nginx(stand, "nginx", body)


def caddy(stand: Stand, port: int, tls: int) -> Process:
    config = stand.top / "Caddyfile"
    pem = stand.top / "pem"
    config.write_text(CADDY.format(backend=stand.backend, port=port, tls=tls, pem=pem))
    program = Path(sys.executable).parent / "caddy"
    return stand.run(str(program), "run", "--config", str(config), "--adapter", "caddyfile")


def door(stand: Stand, port: int, tls: int) -> Process:
    arguments = [str(port), str(tls), str(stand.backend), str(stand.top / "pem")]
    return stand.run(sys.executable, "-m", "tests.bench.door_stand", *arguments)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def standing(backend: Callable[[Stand], Process]) -> Iterator[Stand]:
    """The door, nginx and Caddy before ``backend``, all of them listening."""
    top = Path(tempfile.mkdtemp(prefix="nndoor-", dir="/tmp"))
    top.chmod(0o755)
    make_certificate(top)
    ports = free_ports(7)
    made = Stand(top, ports[0], [])
    behind = backend(made)
    try:
        for n, start in enumerate((door, nginx, caddy)):
            port, tls = ports[1 + 2 * n : 3 + 2 * n]
            made.peers.append(Peer(start.__name__, port, tls, start(made, port, tls)))
        for port in ports:
            wait_for(lambda port=port: listens(port), what=(top / "log").read_text)  # type: ignore[misc]
        yield made
    finally:
        for process in (behind, *(p.process for p in made.peers)):
            process.terminate()
            process.wait()
        shutil.rmtree(top)
