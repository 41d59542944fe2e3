"""What ``ContainerRuntime`` promises of what is inside: health, commands, terminals, statistics."""

import anyio
import pytest

from appliance.domain.errors import NoSuchContainer, RuntimeFailure, StartRefused
from appliance.runtime.port import ContainerSpec
from tests.runtime.subjects import MIB, Subject, a_spec, new_deployment, running

pytestmark = pytest.mark.anyio


async def test_health_is_what_the_command_inside_says(subject: Subject) -> None:
    spec = a_spec(subject.prefix, new_deployment(), health="test ! -e /tmp/sick")
    await running(subject, spec)
    assert await subject.runtime.check_health(spec.name)
    await subject.sicken(spec.name)
    assert not await subject.runtime.check_health(spec.name)


async def test_execute_yields_what_the_command_writes(
    subject: Subject, wanted: ContainerSpec
) -> None:
    await running(subject, wanted)
    output = [piece async for piece in subject.runtime.execute(wanted.name, ("echo", "done"))]
    assert b"".join(output) == b"done\n"


async def test_execute_of_a_failing_command_is_refused_after_its_output(
    subject: Subject, wanted: ContainerSpec
) -> None:
    await running(subject, wanted)
    output = subject.runtime.execute(wanted.name, ("sh", "-c", "echo out; exit 3"))
    assert await anext(output) == b"out\n"
    with pytest.raises(StartRefused, match="code 3"):
        await anext(output)


async def test_execute_in_nothing_is_no_such_container(subject: Subject) -> None:
    with pytest.raises(NoSuchContainer):
        await anext(subject.runtime.execute(f"{subject.prefix}-dep-none-g1", ("true",)))


async def test_execute_in_a_stopped_container_is_refused(
    subject: Subject, wanted: ContainerSpec
) -> None:
    await subject.runtime.create(wanted)
    with pytest.raises(StartRefused):
        await anext(subject.runtime.execute(wanted.name, ("true",)))


async def test_statistics_are_of_running_containers_only(subject: Subject) -> None:
    spec = a_spec(subject.prefix, new_deployment(), memory_bytes=64 * MIB)
    await subject.runtime.create(spec)
    assert await subject.runtime.stats(spec.name) is None
    await subject.runtime.start(spec.name)
    reading = await subject.runtime.stats(spec.name)
    assert reading is not None
    assert reading.cpu_ns > 0
    assert reading.memory_limit_bytes == 64 * MIB
    await subject.runtime.remove(spec.name)
    assert await subject.runtime.stats(spec.name) is None


async def test_a_terminal_shows_what_is_typed_and_ends_with_its_program(
    subject: Subject, wanted: ContainerSpec
) -> None:
    await running(subject, wanted)
    async with subject.runtime.open_terminal(wanted.name, ["sh"]) as terminal:
        await terminal.resize(132, 40)
        await terminal.send(b"true typed\n")
        seen = b""
        with anyio.fail_after(10):
            while b"typed" not in seen:
                seen += await terminal.receive()
            await terminal.send(b"exit\n")
            while await terminal.receive():
                pass


async def test_what_does_not_run_has_no_terminal(subject: Subject, wanted: ContainerSpec) -> None:
    with pytest.raises(NoSuchContainer):
        async with subject.runtime.open_terminal(wanted.name, ["sh"]):
            pytest.fail("it was opened")
    await subject.runtime.create(wanted)
    with pytest.raises(RuntimeFailure):
        async with subject.runtime.open_terminal(wanted.name, ["sh"]):
            pytest.fail("it was opened")


async def test_one_reading_of_all_names_those_of_this_instance_that_run(
    subject: Subject, wanted: ContainerSpec
) -> None:
    assert await subject.runtime.all_stats() == {}
    await running(subject, wanted)
    other = a_spec(subject.prefix, new_deployment())
    await subject.runtime.create(other)
    found = await subject.runtime.all_stats()
    assert found.keys() == {wanted.name}
    assert found[wanted.name].cpu_ns > 0
