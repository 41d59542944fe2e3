"""A run that is over before Podman has noted its start is a run like every other."""

from collections.abc import AsyncIterator

import pytest

from appliance.domain.observed import Container, ContainerState
from appliance.engine.logs import last_words
from appliance.runtime.podman import PodmanRuntime
from tests.podman_harness import PodmanLab
from tests.runtime.subjects import a_spec, new_deployment
from tests.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.podman]
RUNS = 8  # Podman notes the start of about every second one after its end


@pytest.fixture
async def runtime(podman_lab: PodmanLab, prefix: str) -> AsyncIterator[PodmanRuntime]:
    async with podman_lab.runtime(prefix) as runtime:
        yield runtime


async def ended(runtime: PodmanRuntime, lab: PodmanLab, name: str) -> Container:
    """The container after one more run, once Podman calls it ended."""
    await runtime.start(name)
    status = "--format={{.State.Status}}"
    await eventually(lambda: lab.podman("inspect", status, name) == "exited")
    container = await runtime.inspect(name)
    assert container is not None
    return container


async def test_it_has_ended_with_its_code_and_its_words(
    runtime: PodmanRuntime, podman_lab: PodmanLab, prefix: str
) -> None:
    spec = a_spec(prefix, new_deployment(), command=("sh", "-c", "echo broken >&2; exit 5"))
    await runtime.create(spec)
    for _ in range(RUNS):
        container = await ended(runtime, podman_lab, spec.name)
        assert (container.state, container.exit_code) == (ContainerState.EXITED, 5)
        assert await last_words(container, ()) == "broken"


async def test_it_has_not_the_words_of_the_run_before(
    runtime: PodmanRuntime, podman_lab: PodmanLab, prefix: str
) -> None:
    once = "[ -e /tmp/ran ] && exit 6; touch /tmp/ran; echo first; exit 5"
    spec = a_spec(prefix, new_deployment(), command=("sh", "-c", once))
    await runtime.create(spec)
    first = await ended(runtime, podman_lab, spec.name)
    assert await last_words(first, ()) == "first"
    second = await ended(runtime, podman_lab, spec.name)
    assert (second.exit_code, await last_words(second, ())) == (6, None)
