"""What callers may send: every body and every query, with what each field may be."""

import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Self, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError

from appliance.domain.deployment import (
    Access,
    HealthCheck,
    Port,
    Protocol,
    RestartPolicy,
    Volume,
)
from appliance.domain.image import complete
from appliance.domain.order import IdleTimeout, Order, SaidResources

B = TypeVar("B", bound=BaseModel)
D = TypeVar("D")

MAX_NAME_LENGTH = 63
MAX_VARIABLES = 256
MAX_VALUE_BYTES = 32 * 1024
MAX_ENV_BYTES = 256 * 1024
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
"""As POSIX has it, and with the dots and hyphens that Java programs read (``discovery.type``)."""

MAX_GPUS = 64
GPU_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,95}")
HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
RESERVED_ENV = ("NVIDIA_", "CUDA_", "LD_")
RESERVED_HOSTNAMES = frozenset({"api", "console", "localhost", "www", "admin", "ca"})
RESERVED_PATHS = ("/", "/proc", "/sys", "/dev")
FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
INVISIBLE = "control, bidirectional and zero-width characters are not allowed"


class Strict(BaseModel):
    """Unknown fields are wrong, types are exact, names are the wire's."""

    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=False
    )


def _name(text: str) -> str:
    """In normal form and without blanks around it; so it is counted, or blanks were a name."""
    if any(unicodedata.category(c) in FORBIDDEN_CATEGORIES for c in text):
        raise ValueError(INVISIBLE)
    name = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise ValueError(f"should have at least 1 and at most {MAX_NAME_LENGTH} characters")
    return name


def _image(text: str) -> str:
    complete(text)
    return text


def _mount_path(path: str) -> str:
    if not path.startswith("/") or posixpath.normpath(path) != path or set(path) & {":", ",", "\0"}:
        raise ValueError("should be an absolute path without '..', '//', ':' or ','")
    if path in RESERVED_PATHS or path.startswith(("/proc/", "/sys/", "/dev/")):
        raise ValueError("may not be /, or in /proc, /sys or /dev")
    return path


def _hostname(label: str) -> str:
    if not HOSTNAME.fullmatch(label):
        raise ValueError("should be 1 to 40 of a-z, 0-9 and -, with no - at its ends")
    if label in RESERVED_HOSTNAMES or label.startswith(("dep-", "xn--")):
        raise ValueError("is a reserved name")
    return label


def _gpus(value: object) -> object:
    """A number, or a list of uuids and indices; one fault for both, not one for each."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_GPUS:
        return value
    if not isinstance(value, list) or not 0 < len(value) <= MAX_GPUS:
        raise ValueError(f"should be a number from 0 to {MAX_GPUS}, or a list of uuids and indices")
    for gpu in value:
        if isinstance(gpu, bool) or not GPU_NAME.fullmatch(str(gpu)):
            raise ValueError(f"{str(gpu)[:40]!r} is no uuid or index of a GPU")
    if len(set(map(str, value))) < len(value):
        raise ValueError("each GPU may stand once")
    return value


def check_variables(values: dict[str, str]) -> dict[str, str]:
    """Names and sizes of variables.

    Raises:
        ValueError: with all that is wrong.
    """
    faults = [fault for name, value in values.items() if (fault := _variable_fault(name, value))]
    if len(values) > MAX_VARIABLES:
        faults.append(f"at most {MAX_VARIABLES} variables")
    if sum(len(k.encode()) + len(v.encode()) for k, v in values.items()) > MAX_ENV_BYTES:
        faults.append(f"at most {MAX_ENV_BYTES} bytes in all")
    if faults:
        raise ValueError("; ".join(faults))
    return values


def _variable_fault(name: str, value: str) -> str | None:
    if not ENV_NAME.fullmatch(name):
        return f"{name[:40]!r} is no variable name (letters, digits, _ . -, first a letter or _)"
    if name.startswith(RESERVED_ENV):
        return f"{name} is reserved"
    if "\0" in value or len(value.encode()) > MAX_VALUE_BYTES:
        return f"the value of {name} may have {MAX_VALUE_BYTES} bytes, none of them NUL"
    return None


Name = Annotated[
    str,
    AfterValidator(_name),
    Field(json_schema_extra={"minLength": 1, "maxLength": MAX_NAME_LENGTH}),
]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Gpus = Annotated[int | list[int | str], BeforeValidator(_gpus)]
Megabytes = Annotated[int, Field(ge=1, le=16_777_216)]
Argument = Annotated[str, StringConstraints(max_length=4096, pattern=r"^[^\x00]*$")]
Hostname = Annotated[
    str,
    AfterValidator(_hostname),
    Field(json_schema_extra={"pattern": f"^{HOSTNAME.pattern}$"}),
]
Variables = Annotated[dict[str, str], AfterValidator(check_variables)]


class PortBody(Strict):
    """A port the container listens on."""

    port: PortNumber
    protocol: Protocol | None = Protocol.HTTP
    name: Name | None = None

    def opened(self) -> Port:
        """As the engine takes it."""
        return Port(self.port, self.protocol or Protocol.HTTP, self.name)


class VolumeBody(Strict):
    """Storage that is kept while the deployment lives."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    path: Annotated[str, StringConstraints(max_length=512), AfterValidator(_mount_path)]

    def volume(self) -> Volume:
        """As the engine takes it."""
        return Volume(self.name, self.path)


class ResourcesBody(Strict):
    """Limits; what is left out, or null, is the template's, without one the machine's own.

    ``gpus`` is how many, or which: a list of uuids and indices. ``exclusive`` false shares them,
    and then says by ``vramMb`` how much of each it needs.
    """

    cpus: Annotated[float, Field(ge=0.01, le=1024)] | None = None
    memory_mb: Annotated[int, Field(ge=16, le=16_777_216)] | None = None
    shm_mb: Annotated[int, Field(ge=1, le=1_048_576)] | None = None
    gpus: Gpus | None = None
    min_vram_mb: Megabytes | None = None
    vram_mb: Megabytes | None = None
    exclusive: bool | None = None

    def said(self) -> SaidResources:
        """As the engine takes it."""
        said: dict[str, Any] = {name: value for name, value in self if value is not None}
        if isinstance(self.gpus, list):
            said["gpus"] = tuple(map(str, self.gpus))
        return cast("SaidResources", said)


class HealthBody(Strict):
    """An HTTP GET that has to be answered below 400."""

    path: Annotated[str, StringConstraints(max_length=512, pattern=r"^/[!-~]*$")]
    port: PortNumber | None = None

    def check(self) -> HealthCheck:
        """As the engine takes it."""
        return HealthCheck(self.path, self.port)


def _ports_once(ports: list[PortBody]) -> list[PortBody]:
    numbers = [p.port for p in ports]
    if len(set(numbers)) < len(numbers):
        raise ValueError("each port may stand once")
    return ports


def _volumes_once(volumes: list[VolumeBody]) -> list[VolumeBody]:
    for values in ([v.name for v in volumes], [v.path for v in volumes]):
        if len(set(values)) < len(values):
            raise ValueError("each name and each path may stand once")
    return volumes


Image = Annotated[str, AfterValidator(_image)]
Command = Annotated[list[Argument], Field(min_length=1, max_length=256)]
Ports = Annotated[list[PortBody], Field(max_length=32), AfterValidator(_ports_once)]
Volumes = Annotated[list[VolumeBody], Field(max_length=32), AfterValidator(_volumes_once)]


def _contradictions(body: dict[str, Any]) -> Iterator[PydanticCustomError]:
    """Between the fields of a new deployment, which may be wrong in themselves."""
    if (body.get("templateId") is None) == (body.get("customImage") is None):
        text = "exactly one of templateId and customImage is required"
        yield PydanticCustomError("contradiction", text)
    env, secrets = body.get("env"), body.get("secrets")
    if isinstance(env, dict) and isinstance(secrets, dict) and env.keys() & secrets.keys():
        twice = ", ".join(name[:40] for name in sorted(env.keys() & secrets.keys()))
        yield PydanticCustomError(
            "contradiction", "env and secrets both hold {twice}", {"twice": twice}
        )


IdleMinutes = Annotated[float, Field(ge=0.1, le=43_200, allow_inf_nan=False)]
"""From six seconds to thirty days."""


class DeploymentBody(Strict):
    """``POST /deployments``: exactly one of ``templateId`` and ``customImage``.

    Null is as if it were not there, except that ``idleTimeoutMinutes`` null is never, also where
    the template has a time of its own.
    """

    node_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    template_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    custom_image: Image | None = None
    name: Name | None = None
    env: Variables | None = None
    secrets: Variables | None = None
    command: Command | None = None
    ports: Ports | None = None
    volumes: Volumes | None = None
    resources: ResourcesBody | None = None
    access: Access | None = None
    hostname: Hostname | None = None
    health: HealthBody | None = None
    restart_policy: RestartPolicy | None = None
    idle_timeout_minutes: IdleMinutes | None = None
    evictable: bool | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, data: dict[str, Any], whole: ModelWrapValidatorHandler[Self]) -> Self:
        """What fields contradict each other in is told beside what is wrong with each."""
        wrong = [InitErrorDetails(type=text, input=data) for text in _contradictions(data)]
        try:
            made = whole(data)
        except ValidationError as error:
            wrong += cast("list[InitErrorDetails]", error.errors(include_url=False))
        if wrong:
            raise ValidationError.from_exception_data(cls.__name__, wrong)
        return made

    def order(self) -> Order:
        """As the engine takes it."""
        return Order(
            node_id=self.node_id,
            template_id=self.template_id,
            custom_image=self.custom_image,
            name=self.name,
            env=self.env or {},
            secrets=self.secrets or {},
            command=None if self.command is None else tuple(self.command),
            ports=_tuple(self.ports, PortBody.opened),
            volumes=_tuple(self.volumes, VolumeBody.volume),
            resources=SaidResources() if self.resources is None else self.resources.said(),
            access=self.access,
            hostname=self.hostname,
            health=None if self.health is None else self.health.check(),
            restart_policy=self.restart_policy,
            idle_timeout=self._idle_timeout(),
            evictable=bool(self.evictable),
        )

    def _idle_timeout(self) -> IdleTimeout | None:
        said = "idle_timeout_minutes" in self.model_fields_set
        return IdleTimeout(self.idle_timeout_minutes) if said else None


def _tuple(items: list[B] | None, make: Callable[[B], D]) -> tuple[D, ...] | None:
    return None if items is None else tuple(map(make, items))
