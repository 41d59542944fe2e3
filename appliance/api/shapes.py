"""The shapes of the answers about accounts and the machine, beside those of ``answers.py``."""

from datetime import datetime
from typing import Literal

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
    """One moment; 100 percent is one core; the rates are those since the sample before.

    Requests are those through the front door; ``failuresPerS`` were answered with 5xx.
    """

    at: datetime
    cpu_percent: float | None
    memory_mb: float
    network_rx_bytes_per_s: int | None
    network_tx_bytes_per_s: int | None
    requests_per_s: float | None
    failures_per_s: float | None


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


class Pagination(Answer):
    """Which page of how many."""

    page: int
    limit: int
    total: int
    total_pages: int


class AuditEntryShape(Answer):
    """Who did what, from where, with which result."""

    id: int
    at: datetime
    action: str
    object: str | None
    result: Literal["ok", "denied"]
    code: str | None
    actor_id: str | None
    actor: str | None
    token_id: str | None
    address: str | None


class AuditAnswer(Answer):
    """A page of the audit log, newest first."""

    entries: list[AuditEntryShape]
    pagination: Pagination


class AuditVerdictAnswer(Answer):
    """Whether the log is as it was written; ``firstBroken`` is the first entry that is not."""

    entries: int
    intact: bool
    first_broken: int | None


class SettingShape(Answer):
    """A setting; ``source`` is where it stands: a flag, a variable, the file, or ``default``."""

    name: str
    value: str | None
    source: str
    help: str


class SettingsAnswer(Answer):
    """The settings in force."""

    settings: list[SettingShape]


class SetupAnswer(Answer):
    """Whether the first admin is still to be made."""

    needed: bool


class LinkAnswer(Answer):
    """A one-time link."""

    link: str


class RestoreShape(Answer):
    """A backup that was taken in, and what it holds; ``POST /restore/{id}`` puts it in place."""

    id: str
    bytes: int
    deployments: int
    users: int
    of_this_machine: bool
    warning: str | None


class RestoreAnswer(Answer):
    """What could be restored."""

    restore: RestoreShape
