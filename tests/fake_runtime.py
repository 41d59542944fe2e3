"""An in-memory ``ContainerRuntime``, proven against real Podman by ``runtime/test_contract*.py``.

A test drives it from three sides: the port's verbs, the world, and ``faults`` on the n-th call.
"""

import math
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from appliance.clock import Clock, SystemClock
from appliance.domain.deployment import Process
from appliance.domain.errors import (
    ContainerWedged,
    ImageFailure,
    NameInUse,
    NoSuchContainer,
    StartRefused,
)
from appliance.domain.observed import Container, ContainerState, ImageFacts, Listed
from appliance.runtime import labels, spec
from appliance.runtime.port import (
    ContainerSpec,
    ContainerStats,
    PullProgress,
    RuntimeEvent,
    RuntimeInfo,
)
from tests.fake_faults import Faults
from tests.fake_parts import Behaviour, FakeTerminal, Kept, Offer, podmans_word

FIRST_HOST_PORT = 20_000
FIRST_PID = 1_000_000  # never the number of a real process: pid_max is lower by default
TICK_US = 10_000
VERSION = "4.3.1"


class FakeRuntime:
    """Containers in a dict. Instance prefix and clock are the test's; nothing waits by itself."""

    def __init__(self, *, prefix: str, clock: Clock | None = None) -> None:
        self.prefix = prefix
        self.faults = Faults()
        self.images: dict[str, ImageFacts] = {}
        self.registry: dict[str, Offer] = {}
        self.behaviours: dict[str, Behaviour] = defaultdict(Behaviour)
        self.commands: dict[tuple[str, ...], tuple[Sequence[bytes], int]] = {}
        self.executed: list[tuple[str, tuple[str, ...]]] = []
        self.terminals: list[FakeTerminal] = []
        self.networks: set[str] = set()
        self.volumes: set[str] = set()
        self.mute_events = False
        self.log_folder = "/nowhere"
        self._clock = clock or SystemClock()
        self._containers: dict[str, Kept] = {}
        self._listeners: list[MemoryObjectSendStream[RuntimeEvent]] = []
        self._serial = 0

    # The world.

    def take_down(self) -> None:
        """Every verb raises ``RuntimeUnavailable`` and event streams end, until ``bring_up``."""
        self.faults.take_down()
        self.drop_events()

    def bring_up(self) -> None:
        """The service answers again."""
        self.faults.bring_up()

    def drop_events(self) -> None:
        """Every open event stream ends, as when the connection breaks."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    def offer(
        self,
        reference: str,
        facts: ImageFacts | None = None,
        *,
        steps: Sequence[PullProgress] = (PullProgress(1, 1),),
        held: bool = False,
    ) -> Offer:
        """The registry has it; a ``held`` pull stops after its steps until ``gate.set()``."""
        gate = anyio.Event() if held else None
        default = ImageFacts(id=f"sha256:{reference}")
        self.registry[reference] = Offer(facts or default, None, steps, gate)
        return self.registry[reference]

    def refuse(self, reference: str, failure: ImageFailure) -> None:
        """The registry refuses that reference."""
        self.registry[reference] = Offer(failure=failure)

    def finish(self, name: str, exit_code: int, *, out_of_memory: bool = False) -> None:
        """The container's process ends by itself."""
        self._end(name, exit_code, out_of_memory=out_of_memory)
        self._tell(name, "died")

    def lose(self, name: str) -> None:
        """The process is gone and Podman never learns it (its monitor was killed too)."""
        kept = self._get(name)
        kept.shown = replace(kept.shown, state=ContainerState.LOST, process=None)

    def freeze(self, name: str) -> None:
        """Somebody pauses it with Podman's command line."""
        kept = self._get(name)
        kept.shown = replace(kept.shown, state=ContainerState.PAUSED)

    def reboot(self) -> None:
        """What Podman shows after power loss: who ran is ``created``, its times forgotten."""
        for kept in self._containers.values():
            if kept.shown.state is not ContainerState.EXITED:
                created = ContainerState.CREATED
                kept.shown = replace(kept.shown, state=created, started_at=None, process=None)
        self.drop_events()

    def add_stranger(self, name: str, *, running: bool = True) -> None:
        """A container somebody else made under a name of ours, without our labels."""
        self._insert(ContainerSpec(name=name, image="strange", network="strange"))
        if running:
            self._run(name)

    def container(self, name: str) -> Container | None:
        """What is there, without a call of the port."""
        kept = self._containers.get(name)
        return kept.shown if kept else None

    def names(self) -> list[str]:
        """All containers, ours or not."""
        return list(self._containers)

    def alive(self, process: Process) -> bool:
        """As ``process.alive`` looks into /proc."""
        return any(kept.shown.process == process for kept in self._containers.values())

    def created_from(self, name: str) -> ContainerSpec:
        """What the container was created with."""
        return self._containers[name].spec

    # The port.

    async def ping(self) -> RuntimeInfo:
        return await self.faults.around("ping", "", lambda: RuntimeInfo(VERSION))

    async def image(self, reference: str) -> ImageFacts | None:
        return await self.faults.around("image", reference, lambda: self._find_image(reference))

    async def pull(self, reference: str, on_progress: Callable[[PullProgress], None]) -> None:
        await self.faults.meet("pull", reference, lambda: self._store(reference))
        await self._download(reference, on_progress)

    async def create(self, spec: ContainerSpec) -> None:
        await self.faults.around("create", spec.name, lambda: self._create(spec))

    async def start(self, name: str) -> None:
        await self.faults.around("start", name, lambda: self._start(name))

    async def stop(self, name: str, *, grace_s: int) -> None:
        stop = self._on_this_one(name, self._stop)
        await self.faults.meet("stop", name, stop)
        try:
            await self._wait_for_stubborn(name, grace_s)
        finally:
            stop()  # Podman ends what it began, whether or not the caller still waits

    async def remove(self, name: str) -> None:
        await self.faults.around("remove", name, self._on_this_one(name, self._remove))

    async def purge(self, deployment_id: str) -> None:
        await self.faults.around("purge", deployment_id, lambda: self._purge(deployment_id))

    async def inspect(self, name: str) -> Container | None:
        return await self.faults.around("inspect", name, lambda: self.container(name))

    async def missing_devices(self, name: str, paths: Sequence[str]) -> tuple[str, ...]:
        return await self.faults.around("missing_devices", name, lambda: self._missing(name, paths))

    async def list_containers(self) -> Sequence[Listed]:
        return await self.faults.around("list_containers", "", self._list)

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        await self.faults.around("events", "", lambda: None)
        send, receive = anyio.create_memory_object_stream[RuntimeEvent](math.inf)
        self._listeners.append(send)
        try:
            async for event in receive:
                yield event
        finally:
            self._listeners = [listener for listener in self._listeners if listener is not send]
            send.close()
            receive.close()

    async def check_health(self, name: str) -> bool:
        return await self.faults.around("check_health", name, lambda: self._healthy(name))

    async def execute(self, name: str, argv: Sequence[str]) -> AsyncIterator[bytes]:
        output, code = await self.faults.around("execute", name, self._run_in(name, argv))
        for piece in output:
            yield piece
        if code:
            raise StartRefused(f"{argv[0]} ended with code {code}.")

    @asynccontextmanager
    async def open_terminal(self, name: str, argv: Sequence[str]) -> AsyncIterator["FakeTerminal"]:
        await self.faults.around("open_terminal", name, self._run_in(name, argv))
        terminal = FakeTerminal()
        self.terminals.append(terminal)
        try:
            yield terminal
        finally:
            terminal.hang_up()

    async def stats(self, name: str) -> ContainerStats | None:
        return await self.faults.around("stats", name, lambda: self._read_stats(name))

    async def all_stats(self) -> Mapping[str, ContainerStats]:
        return await self.faults.around("all_stats", "", self._read_all_stats)

    # Effects.

    def _create(self, wanted: ContainerSpec) -> None:
        spec.check(wanted)
        there = self._containers.get(wanted.name)
        if there and there.shown.ours:
            return
        if there:
            raise NameInUse(f"A container named {wanted.name} exists and is not ours.")
        if wanted.image not in self.images:
            raise ImageFailure("image_not_found", f"{wanted.image} is not on this machine.")
        self.networks.add(wanted.network)
        self.volumes.update(wanted.volumes)
        self._insert(wanted)
        self._tell(wanted.name, "create")

    def _insert(self, wanted: ContainerSpec) -> None:
        self._serial += 1
        host_ports = range(FIRST_HOST_PORT + 100 * self._serial, 2**16)
        image = self.images.get(wanted.image)
        shown = Container(
            id=f"{self._serial:064x}",
            name=wanted.name,
            state=ContainerState.CREATED,
            ours=labels.ours(wanted.name, wanted.labels, prefix=self.prefix),
            image_id=image.id if image else "sha256:strange",
            log_path=f"{self.log_folder}/{self._serial}/ctr.log",
            published=dict(zip(wanted.published, host_ports, strict=False)),
            devices=wanted.devices,
        )
        self._containers[wanted.name] = Kept(shown, wanted)

    def _start(self, name: str) -> None:
        kept = self._get(name)
        behaviour = self.behaviours[kept.spec.image]
        if kept.shown.state is ContainerState.RUNNING:
            return
        if kept.shown.state is ContainerState.LOST:
            raise ContainerWedged(f"{name} can't be started any more.")
        if behaviour.refuses:
            raise behaviour.refuses
        self._run(name)
        self._tell(name, "start")
        if behaviour.exits is not None:
            self.finish(name, behaviour.exits)

    def _run(self, name: str) -> None:
        self._serial += 1
        now = self._clock.now()
        kept = self._get(name)
        kept.shown = replace(
            kept.shown,
            state=ContainerState.RUNNING,
            started_at=now.wall,
            finished_at=None,
            exit_code=None,
            out_of_memory=False,
            process=Process(FIRST_PID + self._serial, now.boot_us // TICK_US),
        )

    async def _wait_for_stubborn(self, name: str, grace_s: int) -> None:
        await anyio.lowlevel.checkpoint()
        kept = self._containers.get(name)
        running = kept is not None and kept.shown.state is ContainerState.RUNNING
        if kept and running and self.behaviours[kept.spec.image].stubborn:
            kept.shown = replace(kept.shown, state=ContainerState.STOPPING)
            await self._clock.sleep(grace_s)

    def _on_this_one(self, name: str, effect: Callable[[str], None]) -> Callable[[], None]:
        """It is meant for the container of now: late, it passes by a later one of that name."""
        meant = self._containers.get(name)
        return lambda: effect(name) if self._containers.get(name) is meant else None

    def _stop(self, name: str) -> None:
        kept = self._containers.get(name)
        if kept is None or kept.shown.state in (ContainerState.CREATED, ContainerState.EXITED):
            return
        if kept.shown.state is ContainerState.LOST:
            raise ContainerWedged(f"{name} can't be stopped: its process is gone.")
        self._end(name, 137 if self.behaviours[kept.spec.image].stubborn else 143)
        self._tell(name, "died")

    def _end(self, name: str, exit_code: int, *, out_of_memory: bool = False) -> None:
        kept = self._get(name)
        kept.shown = replace(
            kept.shown,
            state=ContainerState.EXITED,
            finished_at=self._clock.now().wall,
            exit_code=exit_code,
            out_of_memory=out_of_memory,
            process=None,
        )

    def _remove(self, name: str) -> None:
        if self._containers.pop(name, None):
            self._tell(name, "remove")

    def _purge(self, deployment_id: str) -> None:
        network = spec.network_name(self.prefix, deployment_id)
        self.networks.discard(network)
        self.volumes = {v for v in self.volumes if not v.startswith(f"{network}-")}

    def _list(self) -> Sequence[Listed]:
        every = [kept.shown for kept in self._containers.values()]
        start = f"{self.prefix}-"
        return [Listed(c.name, podmans_word(c.state)) for c in every if c.name.startswith(start)]

    def _healthy(self, name: str) -> bool:
        kept = self._get(name)
        running = kept.shown.state is ContainerState.RUNNING
        return running and self.behaviours[kept.spec.image].healthy

    def _missing(self, name: str, paths: Sequence[str]) -> tuple[str, ...]:
        kept = self._containers.get(name)
        if kept is None or kept.shown.state is not ContainerState.RUNNING:
            return ()
        gone = self.behaviours[kept.spec.image].missing
        return tuple(path for path in paths if path in gone)

    def _run_in(self, name: str, argv: Sequence[str]) -> Callable[[], tuple[Sequence[bytes], int]]:
        """It is meant for the process of now: what Podman has prepared ends with that."""
        was, command = self.container(name), tuple(argv)

        def run() -> tuple[Sequence[bytes], int]:
            now = self._get(name).shown
            if now.state is not ContainerState.RUNNING or not was or now.process != was.process:
                raise StartRefused(f"{name} does not run.")
            self.executed.append((name, command))
            return self.commands.get(command, ((), 0))

        return run

    def _read_stats(self, name: str) -> ContainerStats | None:
        kept = self._containers.get(name)
        if kept is None or kept.shown.state is not ContainerState.RUNNING:
            return None
        return ContainerStats(10**9, 2**20, kept.spec.memory_bytes, 0, 0, 0, 0, 1)

    def _read_all_stats(self) -> Mapping[str, ContainerStats]:
        readings = {name: self._read_stats(name) for name in self._containers}
        return {name: r for name, r in readings.items() if r and name.startswith(f"{self.prefix}-")}

    def _find_image(self, reference: str) -> ImageFacts | None:
        by_id = {facts.id: facts for facts in self.images.values()}
        return self.images.get(reference) or by_id.get(reference)

    def _store(self, reference: str) -> None:
        offer = self.registry.get(reference)
        if offer and offer.facts:
            self.images[reference] = offer.facts

    async def _download(self, reference: str, on_progress: Callable[[PullProgress], None]) -> None:
        offer = self.registry.get(reference)
        if offer is None:
            raise ImageFailure("image_not_found", f"There is no {reference}.")
        await offer.download(on_progress)
        self._store(reference)

    # Bookkeeping.

    def _get(self, name: str) -> Kept:
        kept = self._containers.get(name)
        if kept is None:
            raise NoSuchContainer(f"There is no container {name}.")
        return kept

    def _tell(self, name: str, action: str) -> None:
        if self.mute_events or not name.startswith(f"{self.prefix}-"):
            return
        for listener in self._listeners:
            listener.send_nowait(RuntimeEvent(name, action))
