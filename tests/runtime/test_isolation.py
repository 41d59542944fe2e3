"""What a container of ours can't do, tried from inside real ones."""

import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import psutil
import pytest
from anyio import to_thread

from appliance.domain.errors import PortTaken, StartRefused
from appliance.domain.observed import Container
from appliance.runtime import labels
from appliance.runtime.podman import PodmanRuntime
from appliance.runtime.port import ContainerSpec
from appliance.runtime.spec import CAPABILITIES
from tests.podman_harness import PodmanLab
from tests.runtime.subjects import MIB, a_spec, new_deployment
from tests.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.podman]

CAPABILITY_BITS = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "NET_BIND_SERVICE": 10,
}
SERVE = ("httpd", "-f", "-p", "8080", "-h", "/etc")


@pytest.fixture
async def runtime(podman_lab: PodmanLab, prefix: str) -> AsyncIterator[PodmanRuntime]:
    async with podman_lab.runtime(prefix) as runtime:
        yield runtime


async def started(runtime: PodmanRuntime, spec: ContainerSpec) -> Container:
    await runtime.create(spec)
    await runtime.start(spec.name)
    container = await runtime.inspect(spec.name)
    assert container is not None
    assert container.process is not None
    return container


async def said(runtime: PodmanRuntime, name: str, script: str) -> str:
    pieces = [piece async for piece in runtime.execute(name, ("sh", "-c", script))]
    return b"".join(pieces).decode().strip()


async def reachable(host: str, port: int) -> bool:
    try:
        with anyio.fail_after(1):
            stream = await anyio.connect_tcp(host, port)
    except (OSError, TimeoutError):
        return False
    await stream.aclose()
    return True


async def test_only_the_short_list_of_capabilities_is_there(
    runtime: PodmanRuntime, prefix: str
) -> None:
    spec = a_spec(prefix, new_deployment())
    await started(runtime, spec)
    lines = (await said(runtime, spec.name, "cat /proc/1/status")).splitlines()
    status = dict(line.split(":\t") for line in lines if ":\t" in line)
    wanted = sum(1 << CAPABILITY_BITS[name] for name in CAPABILITIES)
    assert {int(status[f"Cap{kind}"], 16) for kind in ("Prm", "Eff", "Bnd")} == {wanted}
    assert int(status["CapAmb"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


async def test_what_the_list_leaves_out_is_refused_by_the_kernel(
    runtime: PodmanRuntime, prefix: str
) -> None:
    spec = a_spec(prefix, new_deployment())
    await started(runtime, spec)
    for forbidden in ("hostname other", "chroot / true", "mknod /tmp/x c 1 3"):
        with pytest.raises(StartRefused):
            await said(runtime, spec.name, f"busybox {forbidden}")


async def test_every_namespace_is_its_own(runtime: PodmanRuntime, prefix: str) -> None:
    container = await started(runtime, a_spec(prefix, new_deployment()))
    assert container.process is not None
    kinds = ("net", "pid", "ipc", "uts", "mnt")
    mine, its = namespaces("self", kinds), namespaces(str(container.process.pid), kinds)
    assert len(mine | its) == 2 * len(kinds)


async def test_the_cgroup_holds_every_limit(runtime: PodmanRuntime, prefix: str) -> None:
    spec = a_spec(prefix, new_deployment(), memory_bytes=64 * MIB, cpus=0.5)
    container = await started(runtime, spec)
    assert cgroup_limits(container) == {
        "memory": 64 * MIB,
        "swap beyond it": 0,
        "cpu": "50000 100000",
        "pids": 512,
    }


async def test_files_and_processes_are_limited(
    podman_lab: PodmanLab, runtime: PodmanRuntime, prefix: str
) -> None:
    spec = a_spec(prefix, new_deployment())
    await started(runtime, spec)
    limits = podman_lab.limits
    assert await said(runtime, spec.name, "ulimit -Hn; ulimit -Sn") == "\n".join(
        [str(limits.nofile)] * 2
    )


async def test_containers_do_not_reach_each_other(
    podman_lab: PodmanLab, runtime: PodmanRuntime, prefix: str
) -> None:
    server = a_spec(prefix, new_deployment(), command=SERVE)
    other = a_spec(prefix, new_deployment())
    await started(runtime, server)
    await started(runtime, other)
    address = await own_address(podman_lab, server.name)
    await eventually(lambda: answers(runtime, server.name, address))
    assert not await answers(runtime, other.name, address)


async def test_a_port_is_published_on_loopback_alone(
    podman_lab: PodmanLab, runtime: PodmanRuntime, prefix: str
) -> None:
    spec = a_spec(prefix, new_deployment(), command=SERVE)
    container = await started(runtime, spec)
    port = container.published[8080]
    await eventually(lambda: reachable("127.0.0.1", port))
    here = {a.address for links in psutil.net_if_addrs().values() for a in links}
    elsewhere = {a for a in here if a.count(".") == 3 and not a.startswith("127.")}
    assert elsewhere
    assert [a for a in elsewhere if await reachable(a, port)] == []


async def test_a_port_taken_meanwhile_is_told_and_free_again_works(
    runtime: PodmanRuntime, prefix: str
) -> None:
    spec = a_spec(prefix, new_deployment())
    await runtime.create(spec)
    created = await runtime.inspect(spec.name)
    assert created is not None
    taker = socket.create_server(("127.0.0.1", created.published[8080]))
    with taker, pytest.raises(PortTaken):
        await runtime.start(spec.name)
    await runtime.start(spec.name)


async def test_an_image_user_can_write_to_a_volume(
    podman_lab: PodmanLab, runtime: PodmanRuntime, prefix: str
) -> None:
    image = "localhost/test/user:latest"
    podman_lab.import_image(image, "USER user")
    spec = a_spec(prefix, new_deployment(), image=image, volumes={"data": "/var/lib/data"})
    await started(runtime, spec)
    assert await said(runtime, spec.name, "id -u; touch /var/lib/data/x; ls /var/lib/data") == (
        "1000\nx"
    )


async def test_a_volume_in_place_of_a_file_is_refused_for_good(
    runtime: PodmanRuntime, prefix: str
) -> None:
    spec = a_spec(prefix, new_deployment(), volumes={"data": "/bin/busybox"})
    await runtime.create(spec)
    with pytest.raises(StartRefused, match="not a directory"):
        await runtime.start(spec.name)


async def test_no_volume_is_left_that_nobody_named(
    podman_lab: PodmanLab, runtime: PodmanRuntime, prefix: str
) -> None:
    image = "localhost/test/volume:latest"
    podman_lab.import_image(image, "VOLUME /data")
    before = set(podman_lab.podman("volume", "ls", "--quiet").split())
    spec = a_spec(prefix, new_deployment(), image=image)  # it covers the image's volume with none
    await started(runtime, spec)
    await runtime.remove(spec.name)
    assert set(podman_lab.podman("volume", "ls", "--quiet").split()) == before


async def test_labels_of_an_image_claim_nothing(
    podman_lab: PodmanLab, runtime: PodmanRuntime, prefix: str
) -> None:
    image, mine = "localhost/test/forged:latest", a_spec(prefix, new_deployment())
    forged = {**mine.labels, labels.DEPLOYMENT: "dep_victim"}
    podman_lab.import_image(image, *(f"LABEL {k}={v}" for k, v in forged.items()))
    await runtime.create(replace(mine, image=image))
    created = await runtime.inspect(mine.name)
    assert created is not None
    assert created.ours
    stranger = f"{prefix}-dep-other-g1"
    podman_lab.podman("create", f"--name={stranger}", image, "true")
    found = await runtime.inspect(stranger)
    assert found is not None
    assert not found.ours


async def test_the_log_does_not_outgrow_its_limit(runtime: PodmanRuntime, prefix: str) -> None:
    flood = ("sh", "-c", "yes 'some text' | head -n 20000; echo end of the flood; sleep 1000")
    spec = replace(a_spec(prefix, new_deployment(), command=flood), log_bytes=64 * 1024)
    container = await started(runtime, spec)
    assert container.log_path is not None
    log = Path(container.log_path)
    await eventually(lambda: log.read_text().endswith("end of the flood\n"))
    assert size(log) <= 64 * 1024 + 16 * 1024


def namespaces(pid: str, kinds: Sequence[str]) -> set[str]:
    return {str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in kinds}


def size(path: Path) -> int:
    return path.stat().st_size


def cgroup_limits(container: Container) -> dict[str, object]:
    """The limits in force, whichever version of cgroups this machine has."""
    assert container.process is not None
    lines = Path(f"/proc/{container.process.pid}/cgroup").read_text().splitlines()
    paths = {line.split(":")[1]: line.split(":")[2] for line in lines}

    def read(controller: str, name: str) -> str:
        top = f"/sys/fs/cgroup/{controller}" if controller in paths else "/sys/fs/cgroup"
        return Path(f"{top}{paths.get(controller, paths[''])}/{name}").read_text().strip()

    if "memory" not in paths:
        return {
            "memory": int(read("memory", "memory.max")),
            "swap beyond it": int(read("memory", "memory.swap.max")),
            "cpu": read("cpu", "cpu.max"),
            "pids": int(read("pids", "pids.max")),
        }
    memory = int(read("memory", "memory.limit_in_bytes"))
    cpu = [read("cpu", f"cpu.cfs_{part}_us") for part in ("quota", "period")]
    return {
        "memory": memory,
        "swap beyond it": int(read("memory", "memory.memsw.limit_in_bytes")) - memory,
        "cpu": " ".join(cpu),
        "pids": int(read("pids", "pids.max")),
    }


async def own_address(lab: PodmanLab, name: str) -> str:
    form = "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return await to_thread.run_sync(lambda: lab.podman("inspect", form, name))


async def answers(runtime: PodmanRuntime, name: str, address: str) -> bool:
    """Whether that container gets through to port 8080 of the address."""
    try:
        await said(runtime, name, f"nc -w 1 {address} 8080 < /dev/null")
    except StartRefused:
        return False
    return True
