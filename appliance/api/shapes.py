"""The shapes of the answers about accounts and the machine, beside those of ``answers.py``."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from appliance.domain.permissions import Role


class Answer(BaseModel):
    """Field names are the wire's; nothing else is sent."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class UserShape(Answer):
    """A user."""

    id: str
    email: str
    role: Role
    disabled: bool
    created_at: datetime


class LoginAnswer(Answer):
    """A token and whose it is."""

    token: str
    expires_at: datetime
    user: UserShape


class TicketAnswer(Answer):
    """Opens one WebSocket: ``/deployments/{id}/terminal?ticket=…``."""

    ticket: str
    expires_at: datetime


class SampleShape(Answer):
    """One moment; 100 percent is one core; the rates are those since the sample before."""

    at: datetime
    cpu_percent: float | None
    memory_mb: float
    network_rx_bytes_per_s: int | None
    network_tx_bytes_per_s: int | None


class SamplesAnswer(Answer):
    """The last hour, oldest first; a gap where it did not run or nobody could tell."""

    interval_s: int
    samples: list[SampleShape]


class RegistryShape(Answer):
    """A login at a registry."""

    host: str
    username: str


class RegistryAnswer(Answer):
    """One login."""

    registry: RegistryShape


class RegistriesAnswer(Answer):
    """Every login, by host."""

    registries: list[RegistryShape]


class SetupAnswer(Answer):
    """Whether the first admin is still to be made."""

    needed: bool


class LinkAnswer(Answer):
    """A one-time link."""

    link: str
