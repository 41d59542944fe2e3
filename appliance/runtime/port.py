"""What the engine may ask of containers: one Protocol, each verb with its promises.

Every verb raises only ``RuntimeFailure`` and its subclasses (``appliance.domain.errors``).
Every verb has a deadline, which for a change begins when its turn has come: few are asked for at
once. Past it ``RuntimeTimeout`` is raised and the effect is *unknown*: Podman finishes a start or a
removal though its caller is gone, and 5.4 forgets a stop that still waits for the container
(measured). So every mutating verb is idempotent, by name.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from appliance.domain.observed import Container, ImageFacts, Listed


@dataclass(frozen=True, slots=True)
class RuntimeInfo:
    """The engine behind the port, as far as it can be read; ``version`` such as ``4.3.1``."""

    version: str


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """Exactly what one container is created with. Only ``spec.build_spec`` makes these.

    ``published`` lists container ports, each put on a free port of 127.0.0.1. ``volumes`` maps
    volume names to paths. ``labels`` always holds every key of ours, since an image can carry
    them too. ``cpus`` in cores, sizes in bytes. ``health_command`` is run by ``check_health``.
    ``devices`` are CDI names such as ``nvidia.com/gpu=0``, and the only devices there are.
    """

    name: str
    image: str
    network: str
    command: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    published: tuple[int, ...] = ()
    volumes: Mapping[str, str] = field(default_factory=dict)
    cpus: float | None = None
    memory_bytes: int | None = None
    shm_bytes: int | None = None
    pids: int = 512
    log_bytes: int = 10 * 1024 * 1024
    health_command: tuple[str, ...] | None = None
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull is. Bytes are None where the registry did not tell."""

    layers_done: int
    layers_total: int
    bytes_done: int | None = None
    bytes_total: int | None = None


@dataclass(frozen=True, slots=True)
class RuntimeEvent:
    """A hint that a container changed: look, do not believe."""

    container_name: str
    action: str


@dataclass(frozen=True, slots=True)
class ContainerStats:
    """One reading. CPU in nanoseconds since start; rates are the reader's to compute."""

    cpu_ns: int
    memory_bytes: int
    memory_limit_bytes: int | None
    network_rx_bytes: int | None
    network_tx_bytes: int | None
    block_read_bytes: int | None
    block_write_bytes: int | None
    pids: int | None


class Terminal(Protocol):
    """A program in a container on a pseudo-terminal, while it lives."""

    async def receive(self) -> bytes:
        """What it wrote next; empty when it has ended."""

    async def send(self, data: bytes) -> None:
        """Types ``data``; a program that has ended hears nothing."""

    async def resize(self, columns: int, rows: int) -> None:
        """Tells it how large the window is."""


class ContainerRuntime(Protocol):
    """Containers by name. A ``name`` is always the full container name."""

    async def ping(self) -> RuntimeInfo:
        """The service answers. Deadline 3 s."""

    async def image(self, reference: str) -> ImageFacts | None:
        """The facts of a local image, None if it is not on this machine. Deadline 10 s."""

    async def pull(self, reference: str, on_progress: Callable[[PullProgress], None]) -> None:
        """Fetches an image; returns when it is on this machine.

        Deadlines: 10 s to connect, 60 s without any progress, 30 min in all. Cancelling closes
        the stream, which makes Podman stop the download; finished layers stay.

        Raises:
            ImageFailure: with its stable code.
        """

    async def create(self, spec: ContainerSpec) -> None:
        """Creates the container, its network and its volumes. Deadline 60 s.

        Idempotent: a container of that name that is ours is taken as made.

        Raises:
            NameInUse: the name belongs to a container that is not ours.
            StartRefused: Podman refuses the specification itself.
            ImageFailure: the image is not on this machine (``image_not_found``).
        """

    async def start(self, name: str) -> None:
        """Starts it; one that runs already is success. Deadline 60 s.

        Raises:
            NoSuchContainer, PortTaken, ContainerWedged, StartRefused.
        """

    async def stop(self, name: str, *, grace_s: int) -> None:
        """SIGTERM, then SIGKILL after ``grace_s``; one that is stopped or gone is success.

        Deadline ``grace_s`` + 20 s.
        """

    async def remove(self, name: str) -> None:
        """Kills and removes it and verifies that its process is gone; one gone is success.

        Deadline 60 s. Networks and volumes stay: see ``purge``.
        """

    async def purge(self, deployment_id: str) -> None:
        """Removes the network and the volumes of a deployment; what is gone is success.

        Deadline 60 s.
        """

    async def inspect(self, name: str) -> Container | None:
        """The container of that name, None if there is none. Deadline 10 s."""

    async def missing_devices(self, name: str, paths: Sequence[str]) -> tuple[str, ...]:
        """Those of ``paths`` that are no device inside the running container. Deadline 10 s.

        None is missing where nobody can look: on another machine, or when it has just ended.
        """

    async def list_containers(self) -> Sequence[Listed]:
        """Every container whose name starts with this instance's prefix. Deadline 20 s."""

    def events(self) -> AsyncIterator[RuntimeEvent]:
        """Hints from now on, of this instance's containers; ends when the connection does.

        Raises:
            RuntimeUnavailable: it could not be opened.
        """

    async def check_health(self, name: str) -> bool:
        """Runs the container's own health command once. Deadline 30 s."""

    def execute(self, name: str, argv: Sequence[str]) -> AsyncIterator[bytes]:
        """Runs ``argv`` in a running container and yields its output (both streams) as it comes.

        Cancelling closes the stream; the command inside may go on.

        Raises:
            StartRefused: it could not be started, or ended with a code other than 0.
            RuntimeUnavailable: it was not begun.
            RuntimeTimeout: nobody can tell; it may run, or may yet.
        """

    def open_terminal(
        self, name: str, argv: Sequence[str]
    ) -> AbstractAsyncContextManager[Terminal]:
        """Runs ``argv`` in a running container on a terminal; leaving ends it (SIGHUP).

        Raises:
            NoSuchContainer, RuntimeUnavailable: it could not be opened.
            RuntimeFailure: it does not run.
        """

    async def stats(self, name: str) -> ContainerStats | None:
        """One reading of a running container, None if it does not run. Deadline 10 s."""

    async def all_stats(self) -> Mapping[str, ContainerStats]:
        """One reading of every running container of this instance, by name. Deadline 10 s."""
