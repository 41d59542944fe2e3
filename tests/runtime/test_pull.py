"""Pulls from a real registry: progress, every way to fail, and being cancelled."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from appliance.domain.errors import ImageFailure
from appliance.runtime.credentials import Credentials
from appliance.runtime.podman import PodmanRuntime
from appliance.runtime.port import PullProgress
from appliance.runtime.pull import PullDeadlines, StallWatch, Tally
from tests.podman_harness import PodmanLab
from tests.registry_harness import (
    BIG_BYTES,
    CLOSED_PORT,
    PASSWORD,
    RELAY_PORT,
    SILENT_PORT,
    USER,
    Registry,
    relayed,
)
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
real = pytest.mark.podman
MIB = 2**20


@pytest.fixture
async def runtime(podman_lab: PodmanLab, prefix: str) -> AsyncIterator[PodmanRuntime]:
    async with podman_lab.runtime(prefix) as runtime:
        yield runtime


@pytest.fixture
async def impatient(podman_lab: PodmanLab, prefix: str) -> AsyncIterator[PodmanRuntime]:
    deadlines = PullDeadlines(connect_s=1, stall_s=2, total_s=60)
    async with podman_lab.runtime(prefix, deadlines=deadlines) as runtime:
        yield runtime


async def failure(runtime: PodmanRuntime, reference: str) -> ImageFailure:
    with pytest.raises(ImageFailure) as caught:
        await runtime.pull(reference, lambda _: None)
    assert await runtime.image(reference) is None
    return caught.value


def login_file(path: Path, host: str, user: str, password: str) -> Credentials:
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return Credentials(path)


@real
async def test_progress_counts_bytes_of_a_slow_pull(
    podman_lab: PodmanLab, registry: Registry, big_image: str, runtime: PodmanRuntime
) -> None:
    port = podman_lab.ports[RELAY_PORT]
    told: list[PullProgress] = []
    async with relayed(port, registry.port, rate=6 * MIB):
        await runtime.pull(f"127.0.0.1:{port}/{big_image}", told.append)
    counted = [(p.bytes_done, p.bytes_total) for p in told if p.bytes_done and p.bytes_total]
    assert any(0 < done < total for done, total in counted)
    assert counted[-1][0] == counted[-1][1]
    assert counted[-1][1] >= BIG_BYTES
    assert told[-1].layers_done == told[-1].layers_total > 0


@real
async def test_a_wrong_tag_and_a_wrong_name_are_not_found(
    registry: Registry, runtime: PodmanRuntime
) -> None:
    for name in ("team/small:none", "team/nothing:1"):
        problem = await failure(runtime, registry.reference(name))
        assert (problem.code, problem.retryable) == ("image_not_found", False)


@real
async def test_an_image_of_this_machine_alone_is_never_asked_for_elsewhere(
    runtime: PodmanRuntime,
) -> None:
    with anyio.fail_after(1):  # Podman itself tries https://localhost for 3 s
        problem = await failure(runtime, "localhost/test/none:1")
    assert problem.code == "image_not_found"


@real
async def test_a_locked_registry_wants_credentials(
    locked_registry: Registry, runtime: PodmanRuntime
) -> None:
    problem = await failure(runtime, locked_registry.reference("team/secret:1"))
    assert (problem.code, problem.retryable) == ("registry_unauthorized", False)


@real
async def test_wrong_credentials_are_unauthorized_and_not_told(
    podman_lab: PodmanLab, locked_registry: Registry, prefix: str, tmp_path: Path
) -> None:
    host = f"127.0.0.1:{locked_registry.port}"
    wrong = login_file(tmp_path / "auth.json", host, USER, "not-the-password")
    async with podman_lab.runtime(prefix, credentials=wrong) as runtime:
        problem = await failure(runtime, locked_registry.reference("team/secret:1"))
    assert problem.code == "registry_unauthorized"
    assert "not-the-password" not in str(problem)


@real
async def test_the_right_credentials_open_it(
    podman_lab: PodmanLab, locked_registry: Registry, prefix: str, tmp_path: Path
) -> None:
    host = f"127.0.0.1:{locked_registry.port}"
    right = login_file(tmp_path / "auth.json", host, USER, PASSWORD)
    reference = locked_registry.reference("team/secret:1")
    async with podman_lab.runtime(prefix, credentials=right) as runtime:
        await runtime.pull(reference, lambda _: None)
        assert await runtime.image(reference) is not None
    podman_lab.podman("rmi", reference)


@real
async def test_a_closed_port_is_unreachable(podman_lab: PodmanLab, runtime: PodmanRuntime) -> None:
    problem = await failure(runtime, f"127.0.0.1:{podman_lab.ports[CLOSED_PORT]}/team/small:1")
    assert (problem.code, problem.retryable) == ("registry_unreachable", True)


@real
async def test_a_registry_that_says_nothing_is_a_stalled_pull(
    podman_lab: PodmanLab, impatient: PodmanRuntime
) -> None:
    port = podman_lab.ports[SILENT_PORT]
    async with await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port):
        problem = await failure(impatient, f"127.0.0.1:{port}/team/small:1")
    assert (problem.code, problem.retryable) == ("pull_stalled", True)


@real
async def test_a_line_that_dries_up_in_a_layer_is_a_stalled_pull(
    podman_lab: PodmanLab, registry: Registry, big_image: str, impatient: PodmanRuntime
) -> None:
    port = podman_lab.ports[RELAY_PORT]
    async with relayed(port, registry.port, rate=12 * MIB, stall_after=4 * MIB):
        problem = await failure(impatient, f"127.0.0.1:{port}/{big_image}")
    assert problem.code == "pull_stalled"


@real
async def test_a_pull_that_takes_too_long_ends(
    podman_lab: PodmanLab, registry: Registry, big_image: str, prefix: str
) -> None:
    port = podman_lab.ports[RELAY_PORT]
    hurried = PullDeadlines(total_s=1.5)
    async with (
        relayed(port, registry.port, rate=MIB),
        podman_lab.runtime(prefix, deadlines=hurried) as runtime,
    ):
        problem = await failure(runtime, f"127.0.0.1:{port}/{big_image}")
    assert problem.code == "pull_timeout"


@real
async def test_a_cancelled_pull_ends_the_download_and_leaves_no_scratch(
    podman_lab: PodmanLab, registry: Registry, big_image: str, runtime: PodmanRuntime
) -> None:
    port, scratch = podman_lab.ports[RELAY_PORT], podman_lab.home.scratch
    moving = anyio.Event()

    def note(progress: PullProgress) -> None:
        if progress.bytes_done:
            moving.set()

    async with relayed(port, registry.port, rate=2 * MIB), anyio.create_task_group() as group:
        group.start_soon(runtime.pull, f"127.0.0.1:{port}/{big_image}", note)
        with anyio.fail_after(10):
            await moving.wait()
        assert list(scratch.iterdir())
        group.cancel_scope.cancel()
    await eventually(lambda: not list(scratch.iterdir()))
    assert await runtime.image(f"127.0.0.1:{port}/{big_image}") is None


def test_layers_add_up_and_repeats_do_not_count() -> None:
    tally = Tally()
    assert tally.progress == PullProgress(0, 0)
    for line in (
        {"status": "Already exists", "id": "a", "progressDetail": {}},
        {"status": "Pulling fs layer", "id": "b", "progressDetail": {}},
        {"status": "Downloading", "id": "b", "progressDetail": {"current": 3, "total": 9}},
    ):
        tally.add(line)
        tally.add(line)
    assert tally.progress == PullProgress(1, 2, bytes_done=3, bytes_total=9)
    tally.add({"status": "Download complete", "id": "b", "progressDetail": {}})
    assert tally.progress == PullProgress(2, 2, bytes_done=9, bytes_total=9)


async def test_silence_while_podman_writes_is_no_stall() -> None:
    written = 0

    async def writing() -> int:
        nonlocal written
        written += 5 * MIB
        return written

    watch = StallWatch(0.1, writing)
    with anyio.move_on_after(0.5) as scope:
        await watch.run(scope)
    assert not watch.stalled


async def test_silence_of_a_service_that_cannot_be_measured_is_a_stall() -> None:
    async def unknown() -> None:
        return None

    watch = StallWatch(0.1, unknown)
    with anyio.CancelScope() as scope:
        await watch.run(scope)
        await anyio.lowlevel.checkpoint()
    assert watch.stalled
    assert scope.cancelled_caught
