"""The adapter: the port's verbs on real Podman.

What is answered at once goes through ``session.py``, whatever must be cancelled through
``streams.py``.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
from anyio import CapacityLimiter, Semaphore

from appliance.clock import Clock
from appliance.domain.deployment import Process
from appliance.domain.errors import (
    ContainerWedged,
    ImageFailure,
    InterfacesMoved,
    NameInUse,
    RuntimeFailure,
    RuntimeTimeout,
    RuntimeUnavailable,
)
from appliance.domain.observed import Container, ContainerState, ImageFacts, Listed
from appliance.runtime import oom, process, shapes
from appliance.runtime.credentials import Credentials
from appliance.runtime.failures import deadline
from appliance.runtime.port import (
    ContainerSpec,
    ContainerStats,
    PullProgress,
    RuntimeEvent,
    RuntimeInfo,
    Terminal,
)
from appliance.runtime.pull import USUAL_DEADLINES, PullDeadlines
from appliance.runtime.session import Request, Session
from appliance.runtime.spec import MachineLimits, check, create_body, network_body, network_name
from appliance.runtime.streams import PodmanStreams
from appliance.runtime.threads import run_in_daemon

STOPS_AT_ONCE = 8
MUTATIONS_AT_ONCE = 3

PING_S = 3
READ_S = 10
LIST_S = 20
CHANGE_S = 60
STOP_EXTRA_S = 20

LOOKS = 10
BETWEEN_LOOKS_S = 0.1
NETWORK_TRIES = 20


class PodmanRuntime:
    """``ContainerRuntime`` on one Podman service.

    Args:
        session: the request verbs' way to the service.
        streams: the way of what must be cancelled.
        prefix: the instance's part of every container name.
        limits: what this machine lets a container have.
        clock: tells how long ago Podman's times were.
        local: the service runs on this machine, so that /proc can verify its word.
        isolate: Podman keeps the networks apart, for nobody else does.
    """

    def __init__(
        self,
        session: Session,
        streams: PodmanStreams,
        *,
        prefix: str,
        limits: MachineLimits,
        clock: Clock,
        local: bool = True,
        isolate: bool = True,
    ) -> None:
        self._session = session
        self._streams = streams
        self._prefix = prefix
        self._limits = limits
        self._clock = clock
        self._local = local
        self._isolate = isolate
        self._mutations = Semaphore(MUTATIONS_AT_ONCE)
        self._stops = Semaphore(STOPS_AT_ONCE)
        self._stop_threads = CapacityLimiter(STOPS_AT_ONCE)

    async def aclose(self) -> None:
        """Closes every connection; containers never notice."""
        await self._session.aclose()
        await self._streams.aclose()

    async def ping(self) -> RuntimeInfo:
        """The service answers.

        Raises:
            RuntimeUnavailable: also when it does not answer in time: it hangs.
        """
        try:
            with deadline(PING_S, "answer"):
                answer = await self._session.get("/_ping", timeout_s=PING_S)
        except RuntimeTimeout as late:
            raise RuntimeUnavailable(str(late)) from late
        return RuntimeInfo(shapes.version(answer.server))

    async def image(self, reference: str) -> ImageFacts | None:
        """The facts of a local image, None if it is not on this machine."""
        with deadline(READ_S, "inspect an image"):
            answer = await self._session.get(f"/images/{reference}/json", timeout_s=READ_S)
        return shapes.image_facts(answer.body) if answer.found else None

    async def pull(self, reference: str, on_progress: Callable[[PullProgress], None]) -> None:
        """Fetches an image, and makes sure that it is here."""
        await self._streams.pull(reference, on_progress)
        if await self.image(reference) is None:
            raise ImageFailure("pull_failed", f"{reference} was fetched but is not there.")

    async def create(self, spec: ContainerSpec) -> None:
        """Creates the container with its network; volumes come with it."""
        check(spec)
        async with self._turn("create a container"):
            await self._ensure_network(spec)
            await self._create(spec)

    async def start(self, name: str) -> None:
        """Starts it; one that runs already is success."""
        async with self._turn("start a container"):
            await self._post(f"/containers/{name}/start")

    async def stop(self, name: str, *, grace_s: int) -> None:
        """Stops it; a frozen one is thawed first, since it could not hear the signal.

        By its id: a call that lands late passes by a later container of that name.
        """
        wait_s = grace_s + STOP_EXTRA_S
        async with self._stops:
            with deadline(wait_s, "stop a container"):
                seen = await self._look(name)
                if seen is None:
                    return
                path, grace = f"/containers/{seen.container.id}", {"timeout": str(grace_s)}
                if seen.container.state is ContainerState.PAUSED:
                    await self._post(f"{path}/unpause")
                request = Request("POST", f"{path}/stop", wait_s, grace, absent_ok=True)
                await self._session.ask(request, threads=self._stop_threads)

    async def remove(self, name: str) -> None:
        """Kills and removes it, by its id as ``stop``, and verifies that its process is gone."""
        async with self._turn("remove a container"):
            seen = await self._look(name)
            if seen is None:
                return
            first = process.of_container(seen.pid, seen.container.id) if self._local else None
            await self._delete_container(seen.container.id, first)
            if first is not None and not await process.end(first):
                raise ContainerWedged(f"The process {first.pid} of {name} can't be ended.")

    async def purge(self, deployment_id: str) -> None:
        """Removes the network and the volumes of a deployment."""
        network = network_name(self._prefix, deployment_id)
        async with self._turn("remove a network and volumes"):
            await self._delete(f"/networks/{network}")
            for volume in await self._volumes(f"{network}-"):
                await self._delete(f"/volumes/{volume}")

    async def inspect(self, name: str) -> Container | None:
        """The container of that name, its process verified."""
        with deadline(READ_S, "inspect a container"):
            return await self._verified(name)

    async def missing_devices(self, name: str, paths: Sequence[str]) -> tuple[str, ...]:
        """Those of ``paths`` that are no device inside the running container."""
        seen = await self.inspect(name)
        first = None if seen is None else seen.process
        return () if first is None else process.missing_devices(first, paths)

    async def list_containers(self) -> Sequence[Listed]:
        """Every container named by this instance."""
        wanted = json.dumps({"name": [f"^{self._prefix}-"]})
        with deadline(LIST_S, "list containers"):
            answer = await self._session.get(
                "/containers/json", timeout_s=LIST_S, all="true", filters=wanted
            )
        return shapes.listed(answer.body, prefix=self._prefix)

    def events(self) -> AsyncIterator[RuntimeEvent]:
        """Hints from now on."""
        return self._streams.events()

    async def check_health(self, name: str) -> bool:
        """Runs the container's own health command once."""
        return await self._streams.check_health(name)

    def execute(self, name: str, argv: Sequence[str]) -> AsyncIterator[bytes]:
        """Runs a command inside and yields its output."""
        return self._streams.execute(name, argv)

    def open_terminal(
        self, name: str, argv: Sequence[str]
    ) -> AbstractAsyncContextManager[Terminal]:
        """A program on a terminal inside."""
        return self._streams.open_terminal(name, argv)

    async def stats(self, name: str) -> ContainerStats | None:
        """One reading."""
        return await self._streams.stats(name)

    async def all_stats(self) -> Mapping[str, ContainerStats]:
        """One reading of each."""
        return await self._streams.all_stats()

    @asynccontextmanager
    async def _turn(self, verb: str) -> AsyncIterator[None]:
        """One of the few changes at once; its deadline begins when its turn comes.

        Those in line began to wait together: were that counted, the first to be late would hand on
        their turns in the very moment in which all others are late too, and everything in line
        would be sent at once, and given up.
        """
        async with self._mutations:
            with deadline(CHANGE_S, verb):
                yield

    async def _post(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        await self._session.ask(Request("POST", path, CHANGE_S, body=body or {}))

    async def _delete(self, path: str, **params: str) -> None:
        await self._session.ask(Request("DELETE", path, CHANGE_S, params, absent_ok=True))

    async def _look(self, name: str) -> shapes.Inspected | None:
        answer = await self._session.get(f"/containers/{name}/json", timeout_s=READ_S)
        if not answer.found:
            return None
        prepared = process.prepared_at(answer.body.get("OCIConfigPath")) if self._local else None
        return shapes.inspected(answer.body, prefix=self._prefix, prepared_at=prepared)

    async def _verified(self, name: str) -> Container | None:
        """Podman's word, held against /proc where it claims a process.

        An end is told by the container's monitor, which may need a while on a busy machine. A
        container is lost only if its process and its monitor are gone, and still nothing was told.
        """
        looks = LOOKS
        while True:
            seen = await self._look(name)
            if seen is None:
                return None
            if not (seen.claims_process and self._local):
                return await self._with_ending(seen.container)
            first = process.of_container(seen.pid, seen.container.id)
            if first is not None:
                return replace(seen.container, process=first)
            if not process.watches(seen.monitor_pid, seen.container.id):
                looks -= 1
            if not looks:
                return replace(seen.container, state=ContainerState.LOST)
            await anyio.sleep(BETWEEN_LOOKS_S)

    async def _with_ending(self, container: Container) -> Container:
        """What Podman does not know of the end: whether memory ran out."""
        started, finished = container.started_at, container.finished_at
        if not (container.exit_code and started and finished and self._local):
            return container
        now = self._clock.now().wall
        read = partial(oom.killed, container.id, started=started, finished=finished, now=now)
        killed = await run_in_daemon(read)
        return replace(container, out_of_memory=container.out_of_memory or killed)

    async def _ensure_network(self, wanted: ContainerSpec) -> None:
        """Its network, asked for again where interfaces came or went meanwhile.

        They do so with every container that starts or ends, and Podman, choosing a subnet, asks
        the kernel for addresses first and for links then (Go's net.InterfaceAddrs). It refuses
        before it has made anything.
        """
        for _ in range(NETWORK_TRIES - 1):
            with suppress(InterfacesMoved):
                return await self._create_network(wanted)
            await anyio.sleep(BETWEEN_LOOKS_S)
        return await self._create_network(wanted)

    async def _create_network(self, wanted: ContainerSpec) -> None:
        """Asks for it at once: it exists only when something interrupted us before."""
        with suppress(NameInUse):
            await self._post("/networks/create", network_body(wanted, isolate=self._isolate))

    async def _create(self, wanted: ContainerSpec) -> None:
        try:
            await self._post("/containers/create", create_body(wanted, self._limits))
        except NameInUse:
            seen = await self._look(wanted.name)
            if seen is None or not seen.container.ours:
                raise

    async def _volumes(self, start: str) -> list[str]:
        wanted = json.dumps({"name": [f"^{start}"]})
        answer = await self._session.get("/volumes/json", timeout_s=READ_S, filters=wanted)
        return [v["Name"] for v in answer.body if v["Name"].startswith(start)]

    async def _delete_container(self, container_id: str, first: Process | None) -> None:
        """Twice: one that ends meanwhile makes Podman stumble, and it can't end every one."""
        options = {"force": "true", "volumes": "true", "timeout": "0"}
        try:
            await self._delete(f"/containers/{container_id}", **options)
        except (RuntimeUnavailable, RuntimeTimeout):
            raise
        except RuntimeFailure:
            if first is not None:
                process.kill(first)
            await self._delete(f"/containers/{container_id}", **options)


def connect(
    url: str,
    *,
    prefix: str,
    limits: MachineLimits,
    clock: Clock,
    credentials: Credentials | None = None,
    pull_deadlines: PullDeadlines = USUAL_DEADLINES,
    isolate: bool = True,
) -> PodmanRuntime:
    """The runtime behind the service at ``url``: ``unix:///path`` or ``tcp://host:port``.

    Nothing is asked yet: a service that is not there shows at the first verb.
    """
    return PodmanRuntime(
        Session(url),
        PodmanStreams(url, prefix=prefix, credentials=credentials, deadlines=pull_deadlines),
        prefix=prefix,
        limits=limits,
        clock=clock,
        local=url.startswith("unix:"),
        isolate=isolate,
    )
