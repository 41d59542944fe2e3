"""Podman's service as our child: killed, frozen, orphaned, missing; containers never notice."""

import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest

from appliance.domain.deployment import Process
from appliance.domain.errors import RuntimeUnavailable
from appliance.domain.observed import ContainerState
from appliance.runtime import process
from appliance.runtime.podman import PodmanRuntime
from appliance.runtime.service import PodmanService
from tests.podman_harness import BUSYBOX, PodmanLab, freeze, make_lab, random_pool, remove_lab, thaw
from tests.runtime.subjects import a_spec, new_deployment
from tests.waiting import eventually

APPLIANCE = """
import os, sys, anyio
from ipaddress import IPv4Network
from pathlib import Path
from appliance.runtime.home import PodmanHome
from appliance.runtime.service import PodmanService

async def main():
    home = PodmanHome(Path(sys.argv[1]), Path(sys.argv[2]), IPv4Network("10.224.0.0/20"))
    service = PodmanService(home, os.environ)
    async with anyio.create_task_group() as group:
        group.start_soon(service.run)
        await service.ready.wait()
        print(service.url, flush=True)

anyio.run(main)
"""

pytestmark = [pytest.mark.anyio, pytest.mark.podman]


@pytest.fixture(scope="module")
def bare_lab() -> Iterator[PodmanLab]:
    """A storage whose service the tests run themselves."""
    top, pool = Path(tempfile.mkdtemp(prefix="nnlab-", dir="/tmp")), random_pool()
    try:
        lab = make_lab(top, pool)
        lab.import_image(BUSYBOX, 'CMD ["sleep", "1000"]')
        yield lab
        lab.podman("rm", "--all", "--force", "--time=0", "--volumes")
    finally:
        remove_lab(top, pool)


@asynccontextmanager
async def served(lab: PodmanLab, prefix: str) -> AsyncIterator[tuple[PodmanService, PodmanRuntime]]:
    service = PodmanService(lab.home, lab.environ)
    async with lab.runtime(prefix, url=service.url) as runtime, serving(service):
        yield service, runtime


@asynccontextmanager
async def serving(service: PodmanService) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(service.run)
        with anyio.fail_after(10):
            await service.ready.wait()
        yield
        group.cancel_scope.cancel()


async def answers(runtime: PodmanRuntime) -> bool:
    try:
        await runtime.ping()
    except RuntimeUnavailable:
        return False
    return True


async def silent(runtime: PodmanRuntime) -> bool:
    return not await answers(runtime)


async def running_process(runtime: PodmanRuntime, prefix: str) -> Process:
    spec = a_spec(prefix, new_deployment())
    await runtime.create(spec)
    await runtime.start(spec.name)
    container = await runtime.inspect(spec.name)
    assert container is not None
    assert container.process is not None
    return container.process


@contextmanager
def an_appliance(lab: PodmanLab) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A process of its own that runs the service, and where the service listens."""
    command = [sys.executable, "-c", APPLIANCE, str(lab.home.directory), str(lab.home.root)]
    environ = {**lab.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        yield child, child.stdout.readline().strip()
        child.kill()


@contextmanager
def a_tcp_service(lab: PodmanLab, url: str) -> Iterator[None]:
    command = ["podman", *lab.home.arguments(), "system", "service", "--time=0", url]
    folder, environ = lab.home.directory, lab.home.environment(lab.environ)
    with subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.DEVNULL) as child:
        yield
        child.terminate()


def service_pid(url: str) -> int:
    """Who listens, by the kernel's word (unix(7), SO_PEERCRED)."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(url.removeprefix("unix://"))
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid: int = struct.unpack("3i", credentials)[0]
    return pid


async def test_its_socket_is_for_us_alone_and_new_for_every_start(bare_lab: PodmanLab) -> None:
    urls = set()
    for _ in range(2):
        service = PodmanService(bare_lab.home, bare_lab.environ)
        async with serving(service):
            path = Path(service.url.removeprefix("unix://"))
            assert (mode(path), mode(path.parent)) == (0o600, 0o700)
        urls.add(service.url)
    assert len(urls) == 2


async def test_stopping_ends_the_service_and_not_the_containers(
    bare_lab: PodmanLab, prefix: str
) -> None:
    service = PodmanService(bare_lab.home, bare_lab.environ)
    async with bare_lab.runtime(prefix, url=service.url) as runtime:
        async with serving(service):
            first = await running_process(runtime, prefix)
            served_by = process.read(service_pid(service.url))
        assert served_by is not None
        assert not process.alive(served_by)
        assert process.alive(first)
        assert await silent(runtime)


async def test_a_killed_service_comes_back_and_containers_go_on(
    bare_lab: PodmanLab, prefix: str
) -> None:
    async with served(bare_lab, prefix) as (service, runtime):
        first = await running_process(runtime, prefix)
        os.kill(service_pid(service.url), signal.SIGKILL)
        await eventually(lambda: silent(runtime))
        await eventually(lambda: answers(runtime))
        assert process.alive(first)
        assert len(await runtime.list_containers()) == 1


async def test_a_frozen_service_is_unavailable_within_the_deadline(
    bare_lab: PodmanLab, prefix: str
) -> None:
    async with served(bare_lab, prefix) as (service, runtime):
        await runtime.ping()
        pid = service_pid(service.url)
        freeze(pid)
        try:
            with anyio.fail_after(4), pytest.raises(RuntimeUnavailable):
                await runtime.ping()
            with anyio.fail_after(6), pytest.raises(RuntimeUnavailable):
                await anext(runtime.events())
        finally:
            thaw(pid)
        await runtime.ping()


async def test_calls_on_a_frozen_service_do_not_use_up_the_threads(
    bare_lab: PodmanLab, prefix: str
) -> None:
    async with served(bare_lab, prefix) as (service, runtime):
        pid = service_pid(service.url)
        freeze(pid)
        try:
            async with anyio.create_task_group() as group:
                for _ in range(40):
                    group.start_soon(answers, runtime)
        finally:
            thaw(pid)
        with anyio.fail_after(3):
            await runtime.ping()


async def test_a_service_orphaned_by_kill_9_ends_and_leaves_our_socket_alone(
    bare_lab: PodmanLab, prefix: str
) -> None:
    with an_appliance(bare_lab) as (victim, url):
        orphan = process.read(service_pid(url))
        assert orphan is not None
        victim.kill()
        victim.wait()
        async with served(bare_lab, prefix) as (_, runtime):
            first = await running_process(runtime, prefix)
            await eventually(lambda: not process.alive(orphan))
            assert await answers(runtime)
            assert process.alive(first)


async def test_after_a_reboot_containers_wait_to_be_started_again(
    bare_lab: PodmanLab, prefix: str
) -> None:
    service = PodmanService(bare_lab.home, bare_lab.environ)
    async with bare_lab.runtime(prefix, url=service.url) as runtime:
        async with serving(service):
            first = await running_process(runtime, prefix)
            (listed,) = await runtime.list_containers()
            before = await runtime.inspect(listed.name)
        lose_power(bare_lab, listed.name)
        bare_lab.home.prepare()
        async with serving(service):
            await eventually(lambda: answers(runtime))
            after = await runtime.inspect(listed.name)
            assert before is not None
            assert after is not None
            assert (after.state, after.exit_code) == (ContainerState.CREATED, None)
            assert (after.id, after.published, after.ours) == (before.id, before.published, True)
            await runtime.start(listed.name)
            again = await runtime.inspect(listed.name)
            assert again is not None
            assert again.state is ContainerState.RUNNING
            assert again.process != first


async def test_a_process_that_podman_forgot_is_ended_with_its_container(
    bare_lab: PodmanLab, prefix: str
) -> None:
    async with served(bare_lab, prefix) as (_, runtime):
        first = await running_process(runtime, prefix)
        (listed,) = await runtime.list_containers()
        container = await runtime.inspect(listed.name)
        assert container is not None
        assert bare_lab.home.root is not None
        shutil.rmtree(bare_lab.home.root / "run" / "oci" / container.id)
        await runtime.remove(listed.name)
        assert not process.alive(first)
        assert await runtime.inspect(listed.name) is None


async def test_a_service_over_tcp_works_too(bare_lab: PodmanLab, prefix: str) -> None:
    url = f"tcp://127.0.0.1:{bare_lab.ports[0]}"
    with a_tcp_service(bare_lab, url):
        async with bare_lab.runtime(prefix, url=url) as runtime:
            await eventually(lambda: answers(runtime))
            spec = a_spec(prefix, new_deployment())
            await runtime.create(spec)
            await runtime.start(spec.name)
            container = await runtime.inspect(spec.name)
            assert container is not None
            assert container.state is ContainerState.RUNNING
            assert await runtime.stats(spec.name) is not None


async def test_podman_missing_is_a_problem_that_is_told_and_not_the_end(
    bare_lab: PodmanLab,
) -> None:
    service = PodmanService(bare_lab.home, {**bare_lab.environ, "PATH": "/nonexistent"})
    async with anyio.create_task_group() as group:
        group.start_soon(service.run)
        await eventually(lambda: service.problem is not None)
        assert "podman" in str(service.problem)
        group.cancel_scope.cancel()


def test_a_start_empties_the_scratch_of_a_killed_pull(bare_lab: PodmanLab) -> None:
    left = bare_lab.home.scratch / "storage123"
    left.mkdir()
    bare_lab.home.prepare()
    assert not left.exists()


def lose_power(lab: PodmanLab, name: str) -> None:
    """All processes of the container end, and nobody is left to tell Podman."""
    pids = lab.podman("inspect", "--format={{.State.ConmonPid}} {{.State.Pid}}", name).split()
    for pid in pids:
        os.kill(int(pid), signal.SIGKILL)
    root = lab.home.root
    assert root is not None
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        if line.split()[1].startswith(f"{root}/"):
            subprocess.run(["umount", line.split()[1]], check=True)
    (root / "boot-id").write_text("the boot before\n")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
