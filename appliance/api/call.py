"""One request, read: caller, path, query and body, checked against the route's own models."""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import anyio
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect, Request

from appliance.api.services import Services
from appliance.api.standing import until_barred
from appliance.domain.errors import (
    ApplianceError,
    FieldError,
    InvalidRequest,
    MalformedRequest,
)
from appliance.domain.permissions import Principal

MAX_BODY_BYTES = 256 * 1024
MAX_DEPTH = 20
MOST_PARAMETERS = 64
"""A stranger may send thousands, and each costs 60 µs to be told of (measured)."""

HIDDEN = frozenset({"secrets", "password", "current", "new", "code"})
"""Fields whose values no error repeats."""

SHOWN_LENGTH = 60

M = TypeVar("M", bound=BaseModel)


class BodyTooLarge(ApplianceError):
    """The body is longer than the API reads."""

    code = "body_too_large"


class UnsupportedMediaType(ApplianceError):
    """The body is not JSON by its content type."""

    code = "unsupported_media_type"


@dataclass(slots=True)
class Call:
    """A request, and its caller once they have passed the route's policy.

    ``tried_email`` is who somebody without a token says they are.
    """

    request: Request
    services: Services
    caller: Principal
    raw_body: bytes = b""
    tried_email: str = ""

    def path(self, name: str) -> str:
        """A parameter of the path."""
        return str(self.request.path_params[name])

    def header(self, name: str) -> str | None:
        """A header's value."""
        return self.request.headers.get(name)

    @property
    def address(self) -> str | None:
        """Where the request comes from, None over a socket of this machine."""
        return self.request.client.host if self.request.client else None

    @property
    def body_sha256(self) -> bytes:
        """The digest of the body as it came."""
        return hashlib.sha256(self.raw_body).digest()

    async def over(self) -> None:
        """Returns when a stream of the caller's has to end: by the appliance's stop, or theirs."""
        async with anyio.create_task_group() as tasks:
            barred = partial(until_barred, self.services.accounts, self.caller)
            for end in (self.services.stopping.wait, barred):
                tasks.start_soon(_first, end, tasks.cancel_scope)

    def query(self, model: type[M]) -> M:
        """The query string as ``model``; a blank parameter is not given, as in ``?status=&page=1``.

        Raises:
            InvalidRequest: with every wrong parameter.
        """
        items = self.request.query_params.multi_items()
        if len(items) > MOST_PARAMETERS:
            raise InvalidRequest(FieldError("query", f"has more than {MOST_PARAMETERS} parameters"))
        times = Counter(name for name, _ in items)
        twice = sorted(name for name, count in times.items() if count > 1)
        if twice:
            raise InvalidRequest(*(FieldError(name, "may be given once") for name in twice))
        known = {field.alias or name for name, field in model.model_fields.items()}
        given = {name: value for name, value in items if value or name not in known}
        try:
            return model.model_validate_strings(given)
        except ValidationError as error:
            raise InvalidRequest(*_field_errors(error, what="parameter")) from error

    async def body(self, model: type[M]) -> M:
        """The JSON body as ``model``.

        Raises:
            UnsupportedMediaType, BodyTooLarge, MalformedRequest: it can't be read.
            InvalidRequest: with every wrong field.
        """
        self.raw_body = await self._read()
        _check_json(self.raw_body)
        try:
            return model.model_validate_json(self.raw_body)
        except ValidationError as error:
            _refuse_unread(error)
            raise InvalidRequest(*_field_errors(error, what="field")) from error

    async def pieces(self, most_bytes: int) -> AsyncIterator[bytes]:
        """The body as it comes.

        Raises:
            BodyTooLarge: it has more than ``most_bytes``.
            MalformedRequest: the client has gone before its end.
        """
        size = 0
        try:
            async for piece in self.request.stream():
                size += len(piece)
                if size > most_bytes:
                    raise BodyTooLarge(f"the body may have {most_bytes} bytes")
                yield piece
        except ClientDisconnect as gone:
            raise MalformedRequest("the body broke off before its end") from gone

    async def _read(self) -> bytes:
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise UnsupportedMediaType(f"send application/json, not {kind or 'nothing'}")
        body = bytearray()
        async for piece in self.pieces(MAX_BODY_BYTES):
            body += piece
        return bytes(body)


async def _first(end: Callable[[], Awaitable[None]], others: anyio.CancelScope) -> None:
    await end()
    others.cancel()


def _check_json(body: bytes) -> None:
    """JSON as RFC 8259 and I-JSON want it: UTF-8, no NaN, no key twice, not too deep."""
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedRequest("the body has to be a JSON object")
    if _depth(value) > MAX_DEPTH:
        raise MalformedRequest(f"the body is nested deeper than {MAX_DEPTH}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in the same object")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _depth(value: object) -> int:
    """How deep objects and arrays are nested, told level by level: the input chooses the depth."""
    level, depth = [value], 0
    while level:
        depth += 1
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return depth


def _refuse_unread(error: ValidationError) -> None:
    """What Python reads as JSON and pydantic does not: half a surrogate pair, for one.

    The input of such an error is the whole body, passwords and all: it is never shown.
    """
    [first, *_] = error.errors(include_url=False, include_input=False)
    if first["type"] == "json_invalid":
        said = first["msg"].removeprefix("Invalid JSON: ")
        raise MalformedRequest(f"the body is not JSON: {said}") from error


def _field_errors(error: ValidationError, *, what: str) -> list[FieldError]:
    return [_field_error(detail, what) for detail in error.errors(include_url=False)]


def _field_error(detail: ErrorDetails, what: str) -> FieldError:
    path = [str(part) for part in detail["loc"] if part != "[key]"]
    field = ".".join(path) or "body"
    if detail["type"] == "extra_forbidden":
        return FieldError(field, f"unknown {what}")
    if detail["type"] == "missing":
        return FieldError(field, "is required")
    message = detail["msg"].removeprefix("Value error, ").replace("Input should", "should")
    shown = detail["input"]
    if HIDDEN & set(path) or isinstance(shown, dict | list):
        return FieldError(field, message)
    return FieldError(field, f"{message}; was {str(shown)[:SHOWN_LENGTH]!r}")
