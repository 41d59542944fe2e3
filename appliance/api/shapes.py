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


class SetupAnswer(Answer):
    """Whether the first admin is still to be made."""

    needed: bool


class LinkAnswer(Answer):
    """A one-time link."""

    link: str
