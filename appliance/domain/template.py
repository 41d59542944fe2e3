"""A template: an image with the facts needed to run it well."""

from dataclasses import dataclass, field

from appliance.domain.deployment import Access, HealthCheck, Port, Resources, Volume


@dataclass(frozen=True, slots=True)
class TemplateVariable:
    """A variable a template knows: what it is for, and whether the caller must give it."""

    name: str
    description: str = ""
    default: str | None = None
    required: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True)
class TemplateParameter:
    """A variable that is a list of values, each run as ``command`` inside the container.

    The container itself never sees the variable. ``{value}`` in ``command`` is replaced.
    """

    name: str
    description: str
    command: tuple[str, ...]
    separator: str = ","


@dataclass(frozen=True, slots=True)
class GpuWish:
    """Whether the template needs a GPU, and with how much memory in MiB."""

    required: bool = False
    min_vram_mb: int | None = None


@dataclass(frozen=True, slots=True)
class Soften:
    """What has a container give GPU memory back without being stopped: ``command``, run inside.

    Without ``undo`` it goes on serving; with it, it serves nobody until that was run.
    """

    command: tuple[str, ...]
    undo: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """One entry of the catalogue. For ``paths`` see ``Spec``."""

    id: str
    name: str
    description: str
    category: str
    image: str
    command: tuple[str, ...] | None = None
    ports: tuple[Port, ...] = ()
    env: tuple[TemplateVariable, ...] = ()
    parameters: tuple[TemplateParameter, ...] = ()
    volumes: tuple[Volume, ...] = ()
    resources: Resources = field(default_factory=Resources)
    gpu: GpuWish = field(default_factory=GpuWish)
    health: HealthCheck | None = None
    access: Access = Access.PUBLIC
    idle_timeout_minutes: float | None = None
    soften: Soften | None = None
    paths: tuple[str, ...] | None = None
