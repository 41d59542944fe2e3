"""The two runtimes the contract suite runs against, and the world around each."""

import os
import secrets
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from anyio import to_thread

from appliance.domain.errors import StartRefused
from appliance.domain.observed import Container, ContainerName, ImageFacts
from appliance.runtime import labels, process
from appliance.runtime.podman import PodmanRuntime
from appliance.runtime.port import ContainerRuntime, ContainerSpec
from appliance.runtime.spec import NO_MORE_GPUS, network_name
from tests.fake_parts import Behaviour
from tests.fake_runtime import FakeRuntime
from tests.podman_harness import BUSYBOX, NO_USER, PodmanLab
from tests.registry_harness import Registry
from tests.waiting import eventually

UNTIL_TOLD = "while [ ! -s /tmp/exit ]; do sleep 0.05; done; exit $(cat /tmp/exit)"
HUNGRY = "while [ ! -s /tmp/exit ]; do sleep 0.05; done; exec tail /dev/zero"
MIB = 1024 * 1024


def new_deployment() -> str:
    return f"dep_{secrets.token_hex(6)}"


def a_spec(
    prefix: str,
    deployment: str,
    *,
    image: str = BUSYBOX,
    command: Sequence[str] = ("sh", "-c", UNTIL_TOLD),
    volumes: Mapping[str, str] | None = None,
    memory_bytes: int | None = None,
    cpus: float | None = None,
    health: str | None = None,
    devices: Sequence[str] = (),
) -> ContainerSpec:
    """A legal specification as ``build_spec`` makes them."""
    name = ContainerName(prefix, deployment, 1)
    network = network_name(prefix, deployment)
    return ContainerSpec(
        name=str(name),
        image=image,
        network=network,
        command=tuple(command),
        env={"GREETING": "hello", **NO_MORE_GPUS},
        labels=labels.of(name, spec_hash="0" * 64, devices=devices),
        devices=tuple(devices),
        published=(8080,),
        volumes={f"{network}-{key}": path for key, path in (volumes or {}).items()},
        memory_bytes=memory_bytes,
        cpus=cpus,
        health_command=None if health is None else ("CMD-SHELL", health),
    )


class Subject(Protocol):
    """A runtime, and what happens around it that no verb of the port does."""

    prefix: str
    pullable: str
    absent: str

    @property
    def runtime(self) -> ContainerRuntime: ...

    async def finish(self, name: str, code: int) -> None: ...

    async def exhaust_memory(self, name: str) -> None: ...

    async def lose(self, name: str) -> None: ...

    async def freeze(self, name: str) -> None: ...

    async def sicken(self, name: str) -> None: ...

    async def add_stranger(self, name: str) -> None: ...

    async def things(self) -> set[str]:
        """Networks and volumes of the instance."""


async def shown(subject: Subject, name: str) -> Container:
    container = await subject.runtime.inspect(name)
    assert container is not None
    return container


async def running(subject: Subject, spec: ContainerSpec) -> Container:
    await subject.runtime.create(spec)
    await subject.runtime.start(spec.name)
    return await shown(subject, spec.name)


class FakeSubject:
    """``FakeRuntime`` and its knobs."""

    pullable = "registry.test/team/big:1"
    absent = "registry.test/team/none:1"

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.runtime = FakeRuntime(prefix=prefix)
        self.runtime.images[BUSYBOX] = ImageFacts("sha256:busybox", exposed_ports=(8080,))
        self.runtime.images[NO_USER] = ImageFacts("sha256:nouser")
        refusal = StartRefused("no matching entries in passwd file")
        self.runtime.behaviours[NO_USER] = Behaviour(refuses=refusal)
        self.runtime.offer(self.pullable)
        self.runtime.commands["sh", "-c", "echo out; exit 3"] = ([b"out\n"], 3)
        self.runtime.commands["echo", "done"] = ([b"done\n"], 0)

    async def finish(self, name: str, code: int) -> None:
        self.runtime.finish(name, code)

    async def exhaust_memory(self, name: str) -> None:
        self.runtime.finish(name, 137, out_of_memory=True)

    async def lose(self, name: str) -> None:
        self.runtime.lose(name)

    async def freeze(self, name: str) -> None:
        self.runtime.freeze(name)

    async def sicken(self, name: str) -> None:
        self.runtime.behaviours[self.runtime.created_from(name).image] = Behaviour(healthy=False)

    async def add_stranger(self, name: str) -> None:
        self.runtime.add_stranger(name)

    async def things(self) -> set[str]:
        return self.runtime.networks | self.runtime.volumes


class PodmanSubject:
    """The adapter on real Podman; the world is worked by Podman's command line and signals."""

    absent = ""

    def __init__(
        self, lab: PodmanLab, registry: Registry, prefix: str, runtime: PodmanRuntime
    ) -> None:
        self.prefix = prefix
        self.runtime = runtime
        self.pullable = registry.reference("team/small:1")
        self.absent = registry.reference("team/none:1")
        self._lab = lab

    async def finish(self, name: str, code: int) -> None:
        await self._podman("exec", name, "sh", "-c", f"echo {code} > /tmp/exit")
        await self._until_ended(name)

    async def exhaust_memory(self, name: str) -> None:
        with suppress(AssertionError):  # the kernel may end the messenger with the rest
            await self._podman("exec", name, "sh", "-c", "echo 1 > /tmp/exit")
        await self._until_ended(name)

    async def lose(self, name: str) -> None:
        form = "--format={{.State.ConmonPid}} {{.State.Pid}}"
        pids = [int(pid) for pid in (await self._podman("inspect", form, name)).split()]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not any(map(process.read, pids)))

    async def freeze(self, name: str) -> None:
        await self._podman("pause", name)

    async def sicken(self, name: str) -> None:
        await self._podman("exec", name, "touch", "/tmp/sick")  # noqa: S108 - in the container

    async def add_stranger(self, name: str) -> None:
        await self._podman("run", "--detach", "--network=none", f"--name={name}", BUSYBOX)

    async def things(self) -> set[str]:
        networks = await self._podman("network", "ls", "--format={{.Name}}")
        volumes = await self._podman("volume", "ls", "--format={{.Name}}")
        every = [*networks.split(), *volumes.split()]
        return {name for name in every if name.startswith(f"{self.prefix}-")}

    async def _until_ended(self, name: str) -> None:
        async def ended() -> bool:
            status = await self._podman("inspect", "--format={{.State.Status}}", name)
            return status == "exited"

        await eventually(ended)

    async def _podman(self, *arguments: str) -> str:
        return await to_thread.run_sync(lambda: self._lab.podman(*arguments))
