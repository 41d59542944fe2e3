"""What Podman shows, in our words; the other half of every decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from appliance.domain.deployment import Health, Process
from appliance.domain.gpu_ledger import Loan, Place


class ContainerState(StrEnum):
    """Podman's many states as the few that decide something.

    CREATED: never ran, or ran before the machine was rebooted (Podman forgets then).
    RUNNING: its process was seen alive just now. PAUSED: frozen by somebody with Podman.
    STOPPING: a stop is under way. EXITED: it ended, ``exit_code`` and ``finished_at`` hold.
    LOST: Podman says it runs, but its process is gone; only removal helps.
    """

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    EXITED = "exited"
    LOST = "lost"


UP = frozenset({ContainerState.RUNNING, ContainerState.PAUSED, ContainerState.STOPPING})
"""The states in which a container has a process."""


@dataclass(frozen=True, slots=True)
class Container:
    """One container as inspected.

    ``ours`` is true when all of our labels hold the values its name promises: a name alone, or
    labels alone (an image can carry them), do not make a container ours. ``published`` maps
    container ports to the host's loopback ports. ``devices`` are the CDI names it was created
    with. ``started_at`` is Podman's name for the last run, noted while the program runs already;
    nothing of that run is older than ``prepared_at``. ``out_of_memory`` is read from the cgroup.
    ``last_words`` is what the run that ended said last, fit to be shown; read only where its end
    is news.
    """

    id: str
    name: str
    state: ContainerState
    ours: bool
    image_id: str
    prepared_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    out_of_memory: bool = False
    process: Process | None = None
    log_path: str | None = None
    last_words: str | None = None
    published: Mapping[int, int] = field(default_factory=dict)
    devices: tuple[str, ...] = ()

    @property
    def generation(self) -> int:
        """The last part of its name, which is always one of ours."""
        return int(self.name.rpartition("-g")[2])


@dataclass(frozen=True, slots=True)
class ContainerName:
    """``<prefix>-<deployment id>-g<generation>``: the name is the truth, labels are claims.

    ``prefix`` carries the instance, so that two appliances on one Podman never meet. An id's
    underscore becomes a hyphen: ``nnab12cd34-dep-4k2v9xq0m7ab-g1``.
    """

    prefix: str
    deployment_id: str
    generation: int

    def __str__(self) -> str:
        return f"{self.prefix}-{self.deployment_id.replace('_', '-')}-g{self.generation}"

    @classmethod
    def parse(cls, text: str, *, prefix: str) -> "ContainerName | None":
        """The name's parts, or None if it is not one of the instance's."""
        start, _, tail = text.partition("-dep-")
        core, _, generation = tail.rpartition("-g")
        if start != prefix or not core or not generation.isdecimal():
            return None
        return cls(prefix, f"dep_{core}", int(generation))


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the full list: enough to see whose it is and whether it still runs."""

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image says of itself. Ports are TCP; ``healthcheck`` its own command, if any.

    ``runs``: it has an entrypoint or a command.
    """

    id: str
    exposed_ports: tuple[int, ...] = ()
    healthcheck: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    runs: bool = True


@dataclass(frozen=True, slots=True)
class GpuView:
    """The GPUs as one deployment may see them, by their CDI names.

    ``held``: those it holds, None if it holds none though it needs some. ``place``: where it
    stands in line for them, None if nobody has put it there yet. ``lost``: what is wrong with
    one that it holds. ``missing``: what should be in its running container and is not. ``loan``:
    whether others may have the share of it.
    """

    held: tuple[str, ...] | None = ()
    place: Place | None = None
    lost: str | None = None
    missing: tuple[str, ...] = ()
    loan: Loan | None = None


@dataclass(frozen=True, slots=True)
class Drain:
    """What a replaced container has still to answer, and until when (boot clock) it may."""

    open_requests: int
    until_boot_us: int


@dataclass(frozen=True, slots=True)
class Observed:
    """All that ``plan()`` may know of the world.

    ``container`` bears the current generation's name; ``strays`` are names of other generations
    still there. ``image`` None means not on this machine. ``health`` None means there is no
    check to wait for. ``candidate`` is the same of the container that an update tries out; None
    where there is no update. ``drain`` is of the stray that an update has replaced, None if no
    stray serves anybody. ``fetched_boot_us`` is when the last download of the image began, and
    ``fetching_boot_us`` when one was last waited for or under way, as far as this process knows.
    ``answering_boot_us``: since when Podman has answered without a break; before that nothing could
    be done. ``stop_grace_s`` is what a stop may take before it is a kill.
    """

    container: Container | None = None
    strays: tuple[str, ...] = ()
    image: ImageFacts | None = None
    health: Health | None = None
    gpus: GpuView = field(default_factory=GpuView)
    candidate: "Observed | None" = None
    drain: Drain | None = None
    fetched_boot_us: int | None = None
    fetching_boot_us: int | None = None
    answering_boot_us: int = 0
    stop_grace_s: int = 10
