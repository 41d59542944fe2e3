"""Every error in one shape, ``application/problem+json`` (RFC 9457), and its HTTP status."""

from http import HTTPStatus

from starlette.responses import Response

from appliance.api.call import BodyTooLarge, UnsupportedMediaType
from appliance.domain import errors
from appliance.domain.errors import ApplianceError
from appliance.problem import document

STATUS: dict[type[ApplianceError], int] = {
    errors.InvalidRequest: 422,
    errors.MalformedRequest: 400,
    errors.NotAuthenticated: 401,
    errors.NotPermitted: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.RateLimited: 429,
    errors.RuntimeFailure: 502,
    errors.RuntimeUnavailable: 503,
    errors.RuntimeTimeout: 503,
    errors.StoreFailure: 503,
    errors.StoreFull: 507,
    errors.StoreUnusable: 503,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
}
"""The status of a class is its own or its nearest ancestor's."""

RETRY_AFTER_S = 5


def status_of(error: ApplianceError) -> int:
    """The HTTP status that tells of ``error``."""
    return next((STATUS[c] for c in type(error).__mro__ if c in STATUS), 500)


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A problem document as an answer."""
    return _answer(document(status, code, detail), status, headers)


def of_error(error: ApplianceError) -> Response:
    """The problem document of an error of ours."""
    status = status_of(error)
    text = document(status, error.code, str(error), errors=error.errors)
    return _answer(text, status, _headers(error, status))


def of_defect(error: Exception) -> Response:
    """What is shown of an error nobody foresaw: its id, under which the log tells all."""
    words = "An unexpected error; its errorId is in the log."
    return _answer(document(500, "internal", words, defect=error), 500)


def _answer(text: bytes, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(text, status, headers, media_type="application/problem+json")


def _headers(error: ApplianceError, status: int) -> dict[str, str]:
    if isinstance(error, errors.NotAuthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, errors.RateLimited):
        return {"Retry-After": str(error.retry_after_s)}
    return {"Retry-After": str(RETRY_AFTER_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
