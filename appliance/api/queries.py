"""The smaller things callers send: query strings, and the bodies about accounts."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints

from appliance.api.models import Name, Strict
from appliance.domain.billing import GroupBy
from appliance.domain.deployment import Status
from appliance.domain.permissions import Role, Scope

YEARS = range(1970, 9999)
NUMBER = re.compile(r"-?[0-9]{1,30}")


def _moment(value: object) -> object:
    """An ISO 8601 timestamp; without an offset it is UTC."""
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("should be an ISO 8601 timestamp such as 2024-01-15T10:30:00Z")
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise ValueError(
            f"should be an ISO 8601 timestamp such as 2024-01-15T10:30:00Z ({error})"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _with_plus(value: object) -> object:
    """A ``+`` that was not encoded arrives as a space (WHATWG URL, 5.1); no offset begins so."""
    return re.sub(r" (?=\d\d:?\d\d$)", "+", value) if isinstance(value, str) else value


def _reckonable(moment: datetime) -> datetime:
    """In UTC too, and weeks before and after it, there has to be a date."""
    if moment.year not in YEARS:
        raise ValueError(f"should be in the years {YEARS[0]} to {YEARS[-1]}")
    return moment


def _digits(value: object) -> object:
    """Pydantic would take 1_0, 1.0 and +1 for numbers too."""
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        raise ValueError("should be a valid integer")
    return value


def _email(text: str) -> str:
    local, at, host = text.partition("@")
    if not (local and at and host) or "@" in host or any(c.isspace() for c in text):
        raise ValueError("should be an e-mail address")
    return text


DIGITS = BeforeValidator(_digits)
"""Stands after the limits: before them, they would be ``ge`` and ``le`` in the OpenAPI document."""
Moment = Annotated[datetime, BeforeValidator(_moment)]
AskedMoment = Annotated[Moment, BeforeValidator(_with_plus)]
Reckonable = Annotated[AskedMoment, AfterValidator(_reckonable)]
Email = Annotated[str, StringConstraints(min_length=3, max_length=254), AfterValidator(_email)]
Password = Annotated[str, StringConstraints(min_length=8, max_length=512)]


class Query(Strict):
    """Query strings arrive as text, so types are read from it."""

    model_config = ConfigDict(strict=False)


class NoQuery(Query):
    """No parameters."""


class TicketQuery(Query):
    """``port``: the container's, where the deployment has several; by default the first."""

    port: Annotated[int, Field(ge=1, le=65535), DIGITS] | None = None


class PageQuery(Query):
    """Which page."""

    page: Annotated[int, Field(ge=1, le=1_000_000), DIGITS] = 1
    limit: Annotated[int, Field(ge=1, le=100), DIGITS] = 20


class DeploymentsQuery(PageQuery):
    """``GET /deployments``: ``q`` stands in the name, the id or the image."""

    status: Status | None = None
    q: Annotated[str, StringConstraints(max_length=200)] | None = None


class NodesQuery(PageQuery):
    """``GET /nodes``: what the node must at least have."""

    status: Literal["online", "offline", "maintenance"] | None = None
    has_gpu: bool | None = None
    min_gpu_vram: Annotated[int, Field(ge=0), DIGITS] | None = None
    min_cpu_cores: Annotated[int, Field(ge=0), DIGITS] | None = None
    min_ram_mb: Annotated[int, Field(ge=0), DIGITS] | None = None
    region: str | None = None
    max_hourly_rate: Annotated[int, Field(ge=0), DIGITS] | None = None


class LogsQuery(Query):
    """``GET /deployments/:id/logs``."""

    tail: Annotated[int, Field(ge=1, le=10_000), DIGITS] = 100
    since: AskedMoment | None = None
    follow: bool = False


class SamplesQuery(Query):
    """``GET /deployments/:id/stats/history``."""

    since: AskedMoment | None = None


class HistoryQuery(Query):
    """``GET /deployments/:id/events``: after that event, so many."""

    after: Annotated[int, Field(ge=0, le=2**62), DIGITS] = 0
    limit: Annotated[int, Field(ge=1, le=1000), DIGITS] = 100


class UsageQuery(Query):
    """``GET /usage``: which time, by what, as what; by default the last 30 days."""

    start: Annotated[Reckonable | None, Field(alias="from")] = None
    to: Reckonable | None = None
    group_by: GroupBy = GroupBy.DEPLOYMENT
    format: Literal["json", "csv"] | None = None


class LoginBody(Strict):
    """``POST /auth/login``."""

    email: Annotated[str, StringConstraints(max_length=254)]
    password: Annotated[str, StringConstraints(max_length=512)]


class SetupBody(Strict):
    """``POST /setup``: the code of the one-time link, and who the first admin is."""

    code: Annotated[str, StringConstraints(max_length=64)]
    email: Email
    password: Password


class PasswordBody(Strict):
    """``POST /auth/password``."""

    current: Annotated[str, StringConstraints(max_length=512)]
    new: Password


class RegistryBody(Strict):
    """``PUT /registries/:host``."""

    username: Annotated[
        str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^:\x00-\x1f]+$")
    ]
    password: Annotated[str, StringConstraints(min_length=1, max_length=8192)]


class TokenBody(Strict):
    """``POST /auth/tokens``."""

    name: Name
    scope: Scope = Scope.WRITE
    expires_at: Moment | None = None


class UserBody(Strict):
    """``POST /users``."""

    email: Email
    password: Password
    role: Role = Role.USER


class UserChangeBody(Strict):
    """``PATCH /users/:id``: only what is to change."""

    role: Role | None = None
    disabled: bool | None = None
    password: Password | None = None
