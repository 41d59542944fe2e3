"""GPUs on real Podman: CDI specs that give harmless nodes, looked for from inside.

Podman reads CDI specs from the machine's own folders only, so each test's spec lies there under a
name, and names devices, of its own.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from appliance.domain.errors import StartRefused
from appliance.runtime.podman import PodmanRuntime
from appliance.runtime.port import ContainerSpec
from tests.fake_nvml import write_cdi
from tests.podman_harness import PodmanLab
from tests.runtime.subjects import a_spec, new_deployment
from tests.runtime.test_isolation import said, started

pytestmark = [pytest.mark.anyio, pytest.mark.podman]
FOLDER = Path("/var/run/cdi")


@pytest.fixture
async def runtime(podman_lab: PodmanLab, prefix: str) -> AsyncIterator[PodmanRuntime]:
    async with podman_lab.runtime(prefix) as runtime:
        yield runtime


@pytest.fixture
def uuids() -> Iterator[list[str]]:
    """Two GPUs that Podman can give."""
    made = [f"GPU-{token_hex(8)}" for _ in range(2)]
    file = FOLDER / f"nntest-{made[0]}.json"
    write_cdi(file, made)
    yield made
    file.unlink()


def with_gpus(prefix: str, *uuids: str) -> ContainerSpec:
    devices = [f"nvidia.com/gpu={uuid}" for uuid in uuids]
    return a_spec(prefix, new_deployment(), devices=devices)


async def test_the_gpu_that_is_held_is_inside_and_no_other(
    runtime: PodmanRuntime, prefix: str, uuids: list[str]
) -> None:
    spec = with_gpus(prefix, uuids[1])
    container = await started(runtime, spec)
    assert container.ours
    assert container.devices == spec.devices
    seen = await said(runtime, spec.name, "ls /dev")
    assert "nvidia1" in seen
    assert "nvidia0" not in seen
    first = await said(runtime, spec.name, "cat /proc/1/environ")
    assert f"FAKE_GPU_1={uuids[1]}" in first
    assert "FAKE_GPU_0" not in first


async def test_a_device_is_looked_for_from_inside(
    runtime: PodmanRuntime, prefix: str, uuids: list[str]
) -> None:
    spec = with_gpus(prefix, uuids[0])
    await started(runtime, spec)
    there = ["/dev/nvidia0", "/dev/nvidiactl"]
    assert await runtime.missing_devices(spec.name, there) == ()
    absent = ["/dev/nvidia1", "/etc/passwd"]
    assert await runtime.missing_devices(spec.name, [*there, *absent]) == tuple(absent)


async def test_two_gpus_are_both_inside(
    runtime: PodmanRuntime, prefix: str, uuids: list[str]
) -> None:
    spec = with_gpus(prefix, *uuids)
    await started(runtime, spec)
    paths = ["/dev/nvidia0", "/dev/nvidia1"]
    assert await runtime.missing_devices(spec.name, paths) == ()


async def test_a_name_that_nobody_knows_is_refused_for_good(
    runtime: PodmanRuntime, prefix: str
) -> None:
    spec = with_gpus(prefix, f"GPU-{token_hex(8)}")
    with pytest.raises(StartRefused, match="unresolvable CDI devices"):
        await started(runtime, spec)


async def test_an_image_that_wants_every_gpu_gets_none(
    runtime: PodmanRuntime, prefix: str, podman_lab: PodmanLab, uuids: list[str]
) -> None:
    greedy = f"localhost/test/greedy-{token_hex(4)}:latest"
    podman_lab.import_image(greedy, "ENV NVIDIA_VISIBLE_DEVICES=all", 'CMD ["sleep", "1000"]')
    spec = a_spec(prefix, new_deployment(), image=greedy)
    await started(runtime, spec)
    assert "NVIDIA_VISIBLE_DEVICES=void" in await said(runtime, spec.name, "cat /proc/1/environ")
    assert "nvidia" not in await said(runtime, spec.name, "ls /dev")
