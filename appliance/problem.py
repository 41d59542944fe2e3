"""A problem document (RFC 9457): the one shape of every error, the API's and the front door's.

Each is told in the log under its ``errorId``, without a word of what was asked: a secret may be
among that. How many lines strangers can make of it is bounded in ``log.py``.
"""

import json
import logging
from collections.abc import Sequence
from http import HTTPStatus

from appliance.domain.errors import FieldError
from appliance.domain.ids import new_id

log = logging.getLogger(__name__)


def document(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    defect: Exception | None = None,
) -> bytes:
    """The document. Of a ``defect``, an error nobody foresaw, the log tells all."""
    error_id = new_id("err")
    told = {"errorId": error_id, "code": code, "status": status}
    if defect is not None:
        log.error("unexpected error", exc_info=defect, extra=told)
    else:
        ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        log.log(logging.WARNING if ours else logging.INFO, "problem", extra=told)
    body: dict[str, object] = {
        "type": f"urn:neuranet:appliance:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "errorId": error_id,
    }
    if errors:
        body["errors"] = [{"field": e.field, "message": e.message} for e in errors]
    return json.dumps(body, ensure_ascii=False).encode()
