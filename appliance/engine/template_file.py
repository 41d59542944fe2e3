"""One template's TOML file: what may stand in it, and how it becomes a ``Template``.

Keys are the domain's own names. Nothing is guessed: an unknown key, a number in quotes or a port
of 70000 is refused with the field and what it may be.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from appliance.domain.deployment import (
    Access,
    HealthCheck,
    Port,
    Protocol,
    Resources,
    Volume,
)
from appliance.domain.errors import FieldError
from appliance.domain.template import (
    GpuWish,
    Soften,
    Template,
    TemplateParameter,
    TemplateVariable,
)


def parse_template(document: Mapping[str, object]) -> Template | tuple[FieldError, ...]:
    """The template that a parsed TOML ``document`` describes, or everything wrong with it."""
    try:
        template = TemplateFile.model_validate(document).value()
    except ValidationError as error:
        return tuple(_field_error(detail) for detail in error.errors())
    return tuple(_contradictions(template)) or template


def _matching(pattern: str, meaning: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise ValueError(f"must be {meaning}, not {value!r}")
        return value

    return AfterValidator(check)


Slug = Annotated[
    str, _matching("[a-z0-9][a-z0-9-]{0,62}", "lower-case letters, digits and hyphens")
]
Words = Annotated[str, _matching(r"\S[^\n]*", "one line of text")]
VariableName = Annotated[
    str, _matching("[A-Za-z_][A-Za-z0-9_.-]{0,127}", "letters, digits, _, . and -")
]
AbsolutePath = Annotated[str, _matching(r"/[^\0:,]*[^\0:,/]", "an absolute path below /")]
UrlPath = Annotated[str, _matching(r"/[^\s#]*", "a path that starts with /")]
OpenPath = Annotated[
    str, _matching(r"(/[\w~-][\w.~-]*)+/?", "a plain path such as /health, or /v1/ for all below")
]
Image = Annotated[
    str,
    _matching(
        r"(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+)(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+"
        r"(:\w[\w.-]{0,127}|@sha256:[0-9a-f]{64})",
        "a full reference such as docker.io/library/nginx:stable",
    ),
]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
# TOML knows lists and strings only: these two take them although all else is strict.
Command = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
Spoken = Annotated[Protocol, Field(strict=False)]


class _Table(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PortTable(_Table):
    """``[[ports]]``."""

    port: PortNumber
    protocol: Spoken = Protocol.HTTP
    name: Slug | None = None

    def value(self) -> Port:
        """The domain's own."""
        return Port(port=self.port, protocol=self.protocol, name=self.name)


class VariableTable(_Table):
    """``[[env]]``."""

    name: VariableName
    description: str = ""
    default: str | None = None
    required: bool = False
    secret: bool = False

    def value(self) -> TemplateVariable:
        """The domain's own."""
        return TemplateVariable(
            name=self.name,
            description=self.description,
            default=self.default,
            required=self.required,
            secret=self.secret,
        )


class ParameterTable(_Table):
    """``[[parameters]]``."""

    name: VariableName
    description: Words
    command: Command
    separator: Annotated[str, Field(min_length=1)] = ","

    def value(self) -> TemplateParameter:
        """The domain's own."""
        return TemplateParameter(
            name=self.name,
            description=self.description,
            command=self.command,
            separator=self.separator,
        )


class VolumeTable(_Table):
    """``[[volumes]]``."""

    name: Slug
    path: AbsolutePath

    def value(self) -> Volume:
        """The domain's own."""
        return Volume(name=self.name, path=self.path)


class ResourcesTable(_Table):
    """``[resources]``."""

    cpus: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    memory_mb: Annotated[int, Field(ge=1)] | None = None
    shm_mb: Annotated[int, Field(ge=1)] | None = None
    gpus: Annotated[int, Field(ge=0)] = 0

    def value(self) -> Resources:
        """The domain's own."""
        return Resources(
            cpus=self.cpus, memory_mb=self.memory_mb, shm_mb=self.shm_mb, gpus=self.gpus
        )


class GpuTable(_Table):
    """``[gpu]``."""

    required: bool = False
    min_vram_mb: Annotated[int, Field(ge=1)] | None = None

    def value(self) -> GpuWish:
        """The domain's own."""
        return GpuWish(required=self.required, min_vram_mb=self.min_vram_mb)


class HealthTable(_Table):
    """``[health]``."""

    path: UrlPath
    port: PortNumber | None = None
    start_period_s: Annotated[int, Field(ge=0, le=900)] = 60

    def value(self) -> HealthCheck:
        """The domain's own."""
        return HealthCheck(path=self.path, port=self.port, start_period_s=self.start_period_s)


class SoftenTable(_Table):
    """``[soften]``."""

    command: Command
    undo: Command | None = None

    def value(self) -> Soften:
        """The domain's own."""
        return Soften(command=self.command, undo=self.undo)


class TemplateFile(_Table):
    """The whole file."""

    id: Slug
    name: Words
    description: Words
    category: Slug
    image: Image
    command: Command | None = None
    ports: Annotated[tuple[PortTable, ...], Field(strict=False)] = ()
    env: Annotated[tuple[VariableTable, ...], Field(strict=False)] = ()
    parameters: Annotated[tuple[ParameterTable, ...], Field(strict=False)] = ()
    volumes: Annotated[tuple[VolumeTable, ...], Field(strict=False)] = ()
    resources: ResourcesTable = ResourcesTable()
    gpu: GpuTable = GpuTable()
    health: HealthTable | None = None
    access: Annotated[Access, Field(strict=False)]
    paths: Annotated[tuple[OpenPath, ...], Field(strict=False)] | None = None
    idle_timeout_minutes: Annotated[float, Field(ge=0.1, le=43_200)] | None = None
    soften: SoftenTable | None = None

    def value(self) -> Template:
        """The domain's own."""
        return Template(
            id=self.id,
            name=self.name,
            description=self.description,
            category=self.category,
            image=self.image,
            command=self.command,
            ports=tuple(p.value() for p in self.ports),
            env=tuple(v.value() for v in self.env),
            parameters=tuple(p.value() for p in self.parameters),
            volumes=tuple(v.value() for v in self.volumes),
            resources=self.resources.value(),
            gpu=self.gpu.value(),
            health=self.health.value() if self.health else None,
            access=self.access,
            idle_timeout_minutes=self.idle_timeout_minutes,
            soften=self.soften.value() if self.soften else None,
            paths=self.paths,
        )


TABLES: Mapping[str, type[_Table]] = {
    "ports": PortTable,
    "env": VariableTable,
    "parameters": ParameterTable,
    "volumes": VolumeTable,
    "resources": ResourcesTable,
    "gpu": GpuTable,
    "health": HealthTable,
    "soften": SoftenTable,
}


def _field_error(detail: ErrorDetails) -> FieldError:
    field = ".".join(str(part) for part in detail["loc"])
    match detail["type"]:
        case "extra_forbidden":
            return FieldError(field, f"is no field; it may be {_allowed(detail['loc'])}")
        case "missing":
            return FieldError(field, "must be given")
        case "value_error":
            return FieldError(field, str(detail["ctx"]["error"]))
        case _:
            return FieldError(field, f"{detail['msg']}, not {detail['input']!r}")


def _allowed(loc: tuple[int | str, ...]) -> str:
    table: type[_Table] = TemplateFile if len(loc) == 1 else TABLES[str(loc[0])]
    return ", ".join(table.model_fields)


def _contradictions(template: Template) -> Iterator[FieldError]:
    """What is right field by field but can't be true together."""
    ports = [p.port for p in template.ports]
    parameters = [p.name for p in template.parameters]
    yield from _repeated("ports", ports)
    yield from _repeated("env", [*(v.name for v in template.env), *parameters])
    yield from _repeated("volumes", [v.name for v in template.volumes])
    yield from _repeated("volumes", [v.path for v in template.volumes])
    if template.health and (template.health.port not in (None, *ports) or not ports):
        yield FieldError("health.port", f"must be one of the ports {ports}")
    if template.paths is not None and any(p.protocol is Protocol.TCP for p in template.ports):
        yield FieldError("paths", "can't be told apart on a raw port")
    if template.gpu.required and not template.resources.gpus:
        yield FieldError("resources.gpus", "must be at least 1 where a GPU is required")
    for number, parameter in enumerate(template.parameters):
        if not any("{value}" in word for word in parameter.command):
            yield FieldError(f"parameters.{number}.command", "must hold {value}")


def _repeated(field: str, values: Iterable[object]) -> Iterator[FieldError]:
    for value, times in Counter(values).items():
        if times > 1:
            yield FieldError(field, f"{value} stands there {times} times")
