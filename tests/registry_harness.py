"""A real registry (Debian's docker-registry) on loopback, open or behind a password."""

import math
import os
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from tests.podman_harness import BUSYBOX, PodmanLab, apart, busybox_archive
from tests.waiting import PATIENCE_S, eventually

USER, PASSWORD = "ada", "a password: with a colon"
OPEN_PORT, LOCKED_PORT, RELAY_PORT, SILENT_PORT, CLOSED_PORT = range(5)
BIG_BYTES = 16 * 2**20


@dataclass
class Registry:
    """One registry at ``127.0.0.1:port``."""

    port: int
    process: "subprocess.Popen[bytes]"

    def reference(self, name: str) -> str:
        return f"127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="session")
def registry(podman_lab: PodmanLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Anybody may pull: ``team/small:1`` is BusyBox."""
    folder = tmp_path_factory.mktemp("registry")
    port = podman_lab.ports[OPEN_PORT]
    process = start_registry(folder, port)
    try:
        push(podman_lab, BUSYBOX, f"127.0.0.1:{port}/team/small:1")
        yield Registry(port, process)
    finally:
        stop(process)


@pytest.fixture
def big_image(podman_lab: PodmanLab, registry: Registry) -> str:
    """The name of an image of ``BIG_BYTES`` that was never on this machine, not even in part."""
    name = f"team/big:{secrets.token_hex(4)}"
    push_big(podman_lab, registry.reference(name))
    return name


@pytest.fixture(scope="session")
def locked_registry(
    podman_lab: PodmanLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """Only ``USER`` with ``PASSWORD`` may pull ``team/secret:1``."""
    folder = tmp_path_factory.mktemp("locked-registry")
    port = podman_lab.ports[LOCKED_PORT]
    command = ["htpasswd", "-Bbn", USER, PASSWORD]
    passwords = folder / "htpasswd"
    passwords.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    process = start_registry(folder, port, passwords)
    try:
        push(podman_lab, BUSYBOX, f"127.0.0.1:{port}/team/secret:1", f"{USER}:{PASSWORD}")
        yield Registry(port, process)
    finally:
        stop(process)


def start_registry(
    folder: Path, port: int, passwords: Path | None = None
) -> "subprocess.Popen[bytes]":
    """docker-registry, listening when this returns."""
    lines = [
        "version: 0.1",
        "log: {level: warn}",
        f"storage: {{filesystem: {{rootdirectory: {folder / 'data'}}}}}",
        f"http: {{addr: 127.0.0.1:{port}}}",
    ]
    if passwords is not None:
        lines.append(f"auth: {{htpasswd: {{realm: test, path: {passwords}}}}}")
    config = folder / "config.yml"
    config.write_text("\n".join(lines))
    # It reads every REGISTRY_* variable as a setting of its own, Podman's REGISTRY_AUTH_FILE too.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
    program = shutil.which("docker-registry")
    assert program, "docker-registry is not installed: packaging/test.sh brings it"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(config)], env=environment, stdout=log, stderr=log
        )
    apart(accepting, port)
    return process


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(PATIENCE_S)


async def accepting(port: int) -> None:
    """Returns once somebody accepts connections on that loopback port."""

    async def accepts() -> bool:
        try:
            stream = await anyio.connect_tcp("127.0.0.1", port)
        except OSError:
            return False
        await stream.aclose()
        return True

    await eventually(accepts)


def push(lab: PodmanLab, image: str, reference: str, login: str | None = None) -> None:
    credentials = [f"--creds={login}"] if login else []
    lab.podman("push", "--quiet", *credentials, image, reference)


def push_big(lab: PodmanLab, reference: str) -> None:
    """An image that no compression makes smaller, only in the registry afterwards."""
    archive = busybox_archive([("blob", os.urandom(BIG_BYTES))])
    lab.podman("import", "-", reference, stdin=archive)
    lab.podman("push", "--quiet", reference)
    lab.podman("rmi", reference)


@asynccontextmanager
async def relayed(
    port: int, target: int, *, rate: float, stall_after: float = math.inf
) -> AsyncIterator[None]:
    """A slow line on ``port`` to the registry on ``target``.

    Each connection carries ``rate`` bytes a second towards the puller, and after ``stall_after``
    bytes nothing any more.
    """

    async def serve(client: SocketStream) -> None:
        upstream = await anyio.connect_tcp("127.0.0.1", target)
        async with client, upstream, anyio.create_task_group() as both:
            both.start_soon(carry, client, upstream, math.inf, math.inf)
            both.start_soon(carry, upstream, client, rate, stall_after)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield
        group.cancel_scope.cancel()


async def carry(source: SocketStream, sink: SocketStream, rate: float, stall_after: float) -> None:
    """Carries one direction to its end."""
    carried = 0
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        while True:
            piece = await source.receive()
            carried += len(piece)
            if carried > stall_after:
                await anyio.sleep_forever()
            await anyio.sleep(len(piece) / rate)
            await sink.send(piece)
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await sink.send_eof()
