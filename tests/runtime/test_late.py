"""What Podman does with a start that nobody waits for any more: see ``domain/doubt.py``."""

import shlex
import socket
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from appliance.domain.observed import ContainerState
from appliance.runtime.podman import PodmanRuntime
from tests.podman_harness import PodmanLab, freeze, thaw
from tests.runtime.subjects import a_spec, new_deployment
from tests.waiting import PATIENCE_S, eventually

pytestmark = [pytest.mark.podman, pytest.mark.anyio]
TRIES = 8
"""Of each race of two calls: more of its outcomes are met."""

NOTHING_IS_HEARD_S = 1.0


@dataclass(frozen=True)
class Gate:
    """While ``closed`` is there a start of the OCI runtime waits, and says so by ``reached``."""

    closed: Path
    reached: Path

    def close(self) -> None:
        self.reached.unlink(missing_ok=True)
        self.closed.touch()

    def open(self) -> None:
        self.closed.unlink(missing_ok=True)


@pytest.fixture
def gate(podman_lab: PodmanLab) -> Iterator[Gate]:
    conf = tomllib.loads(podman_lab.home.containers_conf.read_text())
    wrapper, folder = Path(conf["engine"]["runtime"]), podman_lab.home.directory
    made, text = Gate(folder / "closed", folder / "reached"), wrapper.read_text()
    shebang, command = text.splitlines()
    closed, reached = shlex.quote(str(made.closed)), shlex.quote(str(made.reached))
    waits = f"while [ -e {closed} ]; do : >{reached}; sleep 0.02; done"
    wrapper.write_text(f'{shebang}\ncase " $* " in *" start "*) {waits};; esac\n{command}\n')
    yield made
    made.open()
    wrapper.write_text(text)


def send(lab: PodmanLab, method: str, path: str) -> socket.socket:
    """A request to Podman whose answer may be read, or not."""
    sent = socket.socket(socket.AF_UNIX)
    sent.settimeout(PATIENCE_S)
    sent.connect(str(lab.socket))
    head = f"{method} /v4.0.0/libpod/containers/{path} HTTP/1.1\r\nHost: podman\r\n"
    sent.sendall(f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
    return sent


async def status(sent: socket.socket) -> bytes:
    """That of the answer, such as ``204``."""
    head = await anyio.to_thread.run_sync(sent.recv, 64)
    return head.split(b" ")[1]


async def create(runtime: PodmanRuntime, prefix: str) -> tuple[str, str]:
    """Name and id of a container that was never started."""
    spec = a_spec(prefix, new_deployment(), command=("sleep", "1000"))
    await runtime.create(spec)
    made = await runtime.inspect(spec.name)
    assert made is not None
    return spec.name, made.id


async def test_a_start_is_carried_out_though_its_caller_is_gone_and_until_then_nothing_is_told(
    podman_lab: PodmanLab, prefix: str, gate: Gate
) -> None:
    async with podman_lab.runtime(prefix) as runtime:
        name, _ = await create(runtime, prefix)
        gate.close()
        with send(podman_lab, "POST", f"{name}/start"):
            await eventually(gate.reached.exists)
        with anyio.move_on_after(NOTHING_IS_HEARD_S) as look:
            await runtime.inspect(name)
        assert look.cancelled_caught
        gate.open()
        made = await runtime.inspect(name)
        assert made is not None
        assert made.state is ContainerState.RUNNING


@pytest.mark.parametrize("order", ["start first", "remove first"])
async def test_a_start_that_lands_late_finds_no_container_that_was_removed(
    podman_lab: PodmanLab, prefix: str, order: str
) -> None:
    assert podman_lab.service is not None
    pid = podman_lab.service.pid
    async with podman_lab.runtime(prefix) as runtime:
        for _ in range(TRIES):
            name, container_id = await create(runtime, prefix)
            calls = [("POST", f"{name}/start"), ("DELETE", f"{name}?force=true&timeout=0")]
            if order == "remove first":
                calls.reverse()
            with ExitStack() as stack:
                freeze(pid)
                try:
                    sent = [stack.enter_context(send(podman_lab, *call)) for call in calls]
                finally:
                    thaw(pid)
                for one in sent:
                    await status(one)
            assert await runtime.inspect(name) is None
            await nothing_is_left(container_id)


async def test_a_start_that_waits_behind_a_removal_finds_no_container(
    podman_lab: PodmanLab, prefix: str, gate: Gate
) -> None:
    async with podman_lab.runtime(prefix) as runtime:
        for _ in range(TRIES):
            name, container_id = await create(runtime, prefix)
            gate.close()
            with ExitStack() as stack:
                sent = [stack.enter_context(send(podman_lab, "POST", f"{name}/start"))]
                await eventually(gate.reached.exists)
                calls = [("DELETE", f"{name}?force=true&timeout=0"), ("POST", f"{name}/start")]
                sent.extend(stack.enter_context(send(podman_lab, *call)) for call in calls)
                gate.open()
                for one in sent:
                    await status(one)
            assert await runtime.inspect(name) is None
            await nothing_is_left(container_id)


async def nothing_is_left(container_id: str) -> None:
    """No process is, nor the monitor, which has the container's id among its arguments."""
    await eventually(
        lambda: not any(container_id in _arguments(p) for p in Path("/proc").glob("[0-9]*"))
    )


def _arguments(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_text(errors="replace")
    except OSError:
        return ""
