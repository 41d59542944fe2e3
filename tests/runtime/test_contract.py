"""What ``ContainerRuntime`` promises, held by the fake and by real Podman alike."""

import re

import anyio
import pytest

from appliance.domain.errors import (
    ImageFailure,
    NameInUse,
    NoSuchContainer,
    StartRefused,
)
from appliance.domain.observed import ContainerState
from appliance.runtime.port import ContainerSpec, PullProgress, RuntimeEvent
from tests.podman_harness import BUSYBOX, NO_USER
from tests.runtime.subjects import HUNGRY, MIB, Subject, a_spec, new_deployment, running, shown
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_ping_tells_the_version(subject: Subject) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", (await subject.runtime.ping()).version)


async def test_a_local_image_tells_its_ports(subject: Subject) -> None:
    facts = await subject.runtime.image(BUSYBOX)
    assert facts is not None
    assert facts.exposed_ports == (8080,)
    assert await subject.runtime.image(facts.id) == facts


async def test_an_image_that_is_not_here_is_none(subject: Subject) -> None:
    assert await subject.runtime.image(subject.absent) is None


async def test_a_pull_brings_the_image_and_tells_how_far_it_is(subject: Subject) -> None:
    told: list[PullProgress] = []
    await subject.runtime.pull(subject.pullable, told.append)
    assert await subject.runtime.image(subject.pullable) is not None
    assert told[-1].layers_done == told[-1].layers_total > 0


async def test_a_pull_of_nothing_is_image_not_found(subject: Subject) -> None:
    with pytest.raises(ImageFailure) as caught:
        await subject.runtime.pull(subject.absent, lambda _: None)
    assert caught.value.code == "image_not_found"
    assert not caught.value.retryable


async def test_a_created_container_waits_with_its_port(
    subject: Subject, wanted: ContainerSpec
) -> None:
    await subject.runtime.create(wanted)
    container = await shown(subject, wanted.name)
    assert container.state is ContainerState.CREATED
    assert container.ours
    assert container.published[8080] > 0
    assert (container.process, container.exit_code, container.started_at) == (None, None, None)


async def test_devices_are_looked_for_only_in_what_runs(
    subject: Subject, wanted: ContainerSpec
) -> None:
    absent = ["/dev/no-such-device"]
    assert await subject.runtime.missing_devices(wanted.name, absent) == ()
    await subject.runtime.create(wanted)
    assert await subject.runtime.missing_devices(wanted.name, absent) == ()
    await subject.runtime.start(wanted.name)
    assert await subject.runtime.missing_devices(wanted.name, ["/dev/null"]) == ()


async def test_create_twice_makes_one(subject: Subject, wanted: ContainerSpec) -> None:
    await subject.runtime.create(wanted)
    first = await shown(subject, wanted.name)
    await subject.runtime.create(wanted)
    assert (await shown(subject, wanted.name)).id == first.id


async def test_create_does_not_take_a_strangers_container(
    subject: Subject, wanted: ContainerSpec
) -> None:
    await subject.add_stranger(wanted.name)
    with pytest.raises(NameInUse):
        await subject.runtime.create(wanted)
    assert not (await shown(subject, wanted.name)).ours


async def test_create_without_the_image_is_image_not_found(subject: Subject) -> None:
    with pytest.raises(ImageFailure) as caught:
        await subject.runtime.create(
            a_spec(subject.prefix, new_deployment(), image="localhost/test/none:1")
        )
    assert caught.value.code == "image_not_found"


async def test_create_refuses_what_the_policy_forbids(subject: Subject) -> None:
    spec = a_spec(subject.prefix, new_deployment(), volumes={"host": "/proc/sys"})
    with pytest.raises(StartRefused, match="/proc/sys"):
        await subject.runtime.create(spec)
    assert await subject.runtime.inspect(spec.name) is None


async def test_a_started_container_runs_with_a_process(
    subject: Subject, wanted: ContainerSpec
) -> None:
    container = await running(subject, wanted)
    assert container.state is ContainerState.RUNNING
    assert container.process is not None
    assert container.started_at is not None
    assert container.log_path is not None


async def test_start_twice_is_one_run(subject: Subject, wanted: ContainerSpec) -> None:
    first = await running(subject, wanted)
    await subject.runtime.start(wanted.name)
    assert (await shown(subject, wanted.name)).process == first.process


async def test_start_of_nothing_is_no_such_container(subject: Subject) -> None:
    with pytest.raises(NoSuchContainer):
        await subject.runtime.start(f"{subject.prefix}-dep-none-g1")


async def test_start_of_an_impossible_container_is_refused(subject: Subject) -> None:
    spec = a_spec(subject.prefix, new_deployment(), image=NO_USER)
    await subject.runtime.create(spec)
    with pytest.raises(StartRefused):
        await subject.runtime.start(spec.name)
    await subject.runtime.remove(spec.name)


async def test_an_ended_container_tells_its_code_and_times(
    subject: Subject, wanted: ContainerSpec
) -> None:
    await running(subject, wanted)
    await subject.finish(wanted.name, 7)
    container = await shown(subject, wanted.name)
    assert container.state is ContainerState.EXITED
    assert (container.exit_code, container.out_of_memory, container.process) == (7, False, None)
    assert container.started_at is not None
    assert container.finished_at is not None
    assert container.started_at <= container.finished_at


async def test_an_ended_container_starts_again_as_a_new_run(
    subject: Subject, wanted: ContainerSpec
) -> None:
    first = await running(subject, wanted)
    await subject.runtime.stop(wanted.name, grace_s=5)
    await subject.runtime.start(wanted.name)
    second = await shown(subject, wanted.name)
    assert second.state is ContainerState.RUNNING
    assert second.published == first.published
    assert second.process not in (None, first.process)
    assert (second.exit_code, second.finished_at) == (None, None)


async def test_stop_ends_it_and_again_is_success(subject: Subject, wanted: ContainerSpec) -> None:
    await running(subject, wanted)
    await subject.runtime.stop(wanted.name, grace_s=5)
    container = await shown(subject, wanted.name)
    assert container.state is ContainerState.EXITED
    assert container.exit_code == 143
    await subject.runtime.stop(wanted.name, grace_s=5)


async def test_stop_of_what_never_ran_or_is_not_there_is_success(
    subject: Subject, wanted: ContainerSpec
) -> None:
    await subject.runtime.stop(wanted.name, grace_s=5)
    await subject.runtime.create(wanted)
    await subject.runtime.stop(wanted.name, grace_s=5)
    assert (await shown(subject, wanted.name)).state is ContainerState.CREATED


async def test_a_frozen_container_can_be_stopped(subject: Subject, wanted: ContainerSpec) -> None:
    await running(subject, wanted)
    await subject.freeze(wanted.name)
    assert (await shown(subject, wanted.name)).state is ContainerState.PAUSED
    await subject.runtime.stop(wanted.name, grace_s=5)
    assert (await shown(subject, wanted.name)).state is ContainerState.EXITED


async def test_memory_that_ran_out_is_told(subject: Subject) -> None:
    spec = a_spec(
        subject.prefix,
        new_deployment(),
        command=("sh", "-c", HUNGRY),
        memory_bytes=32 * MIB,
    )
    await running(subject, spec)
    await subject.exhaust_memory(spec.name)
    container = await shown(subject, spec.name)
    assert container.exit_code == 137
    assert container.out_of_memory


async def test_a_process_that_vanished_with_its_monitor_is_lost_and_can_be_removed(
    subject: Subject, wanted: ContainerSpec
) -> None:
    await running(subject, wanted)
    await subject.lose(wanted.name)
    assert (await shown(subject, wanted.name)).state is ContainerState.LOST
    await subject.runtime.remove(wanted.name)
    assert await subject.runtime.inspect(wanted.name) is None


async def test_remove_ends_a_running_container_and_again_is_success(
    subject: Subject, wanted: ContainerSpec
) -> None:
    await running(subject, wanted)
    await subject.runtime.remove(wanted.name)
    assert await subject.runtime.inspect(wanted.name) is None
    await subject.runtime.remove(wanted.name)


async def test_volumes_and_network_outlive_the_container_and_go_with_purge(
    subject: Subject,
) -> None:
    deployment, other = new_deployment(), new_deployment()
    spec = a_spec(subject.prefix, deployment, volumes={"data": "/data"})
    neighbour = a_spec(subject.prefix, other, volumes={"data": "/data"})
    await running(subject, spec)
    await subject.runtime.create(neighbour)
    await subject.runtime.remove(spec.name)
    assert {spec.network, *spec.volumes} <= await subject.things()
    await subject.runtime.purge(deployment)
    assert await subject.things() == {neighbour.network, *neighbour.volumes}
    await subject.runtime.purge(deployment)


async def test_the_list_has_everything_named_by_the_instance_and_nothing_else(
    subject: Subject, wanted: ContainerSpec
) -> None:
    stranger, elsewhere = f"{subject.prefix}-dep-stranger-g1", f"x{subject.prefix}-dep-a-g1"
    await running(subject, wanted)
    await subject.add_stranger(stranger)
    await subject.add_stranger(elsewhere)
    listed = {line.name: line.state for line in await subject.runtime.list_containers()}
    assert listed == {wanted.name: "running", stranger: "running"}


async def test_events_hint_at_every_change_of_our_containers_only(
    subject: Subject, wanted: ContainerSpec
) -> None:
    heard: list[RuntimeEvent] = []

    async def listen() -> None:
        async for event in subject.runtime.events():
            heard.append(event)  # noqa: PERF401 - it never ends

    async def stream_is_open() -> bool:
        await subject.runtime.create(wanted)
        await subject.runtime.remove(wanted.name)
        return bool(heard)

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await eventually(stream_is_open)
        heard.clear()
        await running(subject, wanted)
        await subject.add_stranger(f"x{wanted.name}")
        await subject.runtime.remove(wanted.name)
        await eventually(lambda: {"start", "remove"} <= {event.action for event in heard})
        group.cancel_scope.cancel()
    assert {event.container_name for event in heard} == {wanted.name}
