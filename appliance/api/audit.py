"""What of the API's traffic goes on record, and the handlers that show the record."""

import json
from http import HTTPStatus

from starlette.responses import Response
from starlette.websockets import WebSocket

from appliance.api import render, render_machine
from appliance.api.call import Call
from appliance.api.queries import PageQuery
from appliance.api.render import answer
from appliance.api.services import Services
from appliance.domain.permissions import Policy
from appliance.store.audit import NewEntry

DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})


async def record(call: Call, action: str, policy: Policy, response: Response) -> None:
    """Puts orders that were taken, admin acts, logins and every denial on record; no reads."""
    denied = response.status_code in DENIED
    changes = call.request.method not in ("GET", "HEAD") or policy is Policy.ADMIN_WRITE
    if denied or (changes and response.status_code < HTTPStatus.BAD_REQUEST):
        await call.services.audit.record(_entry(call, action, response, denied=denied))


async def record_refusal(websocket: WebSocket, services: Services, response: Response) -> None:
    """Puts a WebSocket that was denied on record; who opens one has bought a ticket on record."""
    if response.status_code in DENIED:
        entry = NewEntry(
            action="open_terminal",
            result="denied",
            object=_visible(str(websocket.path_params.get("id", ""))),
            code=json.loads(bytes(response.body))["code"],
            address=websocket.client.host if websocket.client else None,
        )
        await services.audit.record(entry)


async def list_audit(call: Call) -> Response:
    """Lists who did what, newest first."""
    q = call.query(PageQuery)
    found, total = await call.services.audit.page(number=q.page, limit=q.limit)
    shown = [render_machine.audit_entry(e) for e in found]
    return answer(render.page("entries", shown, number=q.page, limit=q.limit, total=total))


async def verify_audit(call: Call) -> Response:
    """Tells whether every entry is as it was written."""
    verdict = await call.services.audit.verify()
    intact = verdict.first_broken is None
    return answer(
        {"entries": verdict.entries, "intact": intact, "firstBroken": verdict.first_broken}
    )


def _entry(call: Call, action: str, response: Response, *, denied: bool) -> NewEntry:
    caller = call.caller
    return NewEntry(
        action=action,
        result="denied" if denied else "ok",
        object=_object(call, response),
        code=json.loads(bytes(response.body))["code"] if denied else None,
        actor_id=caller.user_id or None,
        actor=_visible(caller.email or call.tried_email),
        token_id=caller.token_id,
        address=call.address,
    )


def _object(call: Call, response: Response) -> str | None:
    """The thing in the path, or the new one that the answer leads to."""
    named = next(iter(call.request.path_params.values()), None)
    made = response.headers.get("location", "").rpartition("/")[2]
    return _visible(str(named or made))


def _visible(text: str) -> str | None:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)[:254] or None
