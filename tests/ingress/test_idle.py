"""What a WebSocket that is open and quiet costs: a door in a process of its own is weighed."""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from tests.bench.stand import HOST, listens, make_certificate
from tests.ingress.doorlab import ROOT, Lab, Talk, get
from tests.podman_harness import free_ports
from tests.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

COUNT = 1000
MOST_KIB = 40
UPGRADE = get(HOST, "/", "Connection: Upgrade", "Upgrade: websocket")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


async def echo(talk: Talk) -> None:
    await talk.head()
    await talk.say(SWITCH)
    while data := await talk.reader.read(1024):
        await talk.say(data)


@asynccontextmanager
async def door_process(
    folder: Path, backend: int
) -> AsyncIterator[tuple[psutil.Process, int, int]]:
    """A door in front of ``backend``: its process, its plain and its TLS port."""
    make_certificate(folder)
    port, tls_port = free_ports(2)
    arguments = map(str, (port, tls_port, backend, folder / "pem"))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.door_stand", *arguments], cwd=ROOT
    )
    try:
        await eventually(lambda: listens(port) and listens(tls_port))
        yield psutil.Process(process.pid), port, tls_port
    finally:
        process.terminate()
        process.wait()


async def open_one(
    port: int, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket that has carried something both ways."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(UPGRADE)
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"ping")
    assert await reader.readexactly(4) == b"ping"
    return reader, writer


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_the_memory_of_a_thousand_idle_websockets(
    lab: Lab, tmp_path: Path, tls: bool
) -> None:
    backend = await lab.backend(echo)
    async with door_process(tmp_path, backend.port) as (process, port, tls_port):
        context = ssl.create_default_context(cafile=tmp_path / "cert.pem") if tls else None
        opened = [await open_one(tls_port if tls else port, context)]
        before = process.memory_info().rss
        opened += [await open_one(tls_port if tls else port, context) for _ in range(COUNT)]
        each_kib = (process.memory_info().rss - before) / 1024 / COUNT
        for _, writer in opened:
            writer.close()
    print(f"\n  1,000 idle WebSockets: {each_kib:.1f} KiB a connection (may be {MOST_KIB})")
    assert each_kib <= MOST_KIB
