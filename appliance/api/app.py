"""The routes as an ASGI app: who calls, may they, what do they get; every error in one shape."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import cache
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from appliance.api import audit, problems
from appliance.api.call import Call
from appliance.api.queries import NoQuery
from appliance.api.render import json_text, text_answer
from appliance.api.routes import SOCKETS, Handler, Route, Socket
from appliance.api.services import Services
from appliance.api.terminal import DEFECT
from appliance.auth.accounts import Accounts
from appliance.domain.errors import ApplianceError, NotAuthenticated, NotPermitted
from appliance.domain.permissions import Policy, Principal, Role, may
from appliance.domain.permissions import Scope as TokenScope

Authenticator = Callable[[Request], Awaitable[Principal]]

NOBODY = Principal("", "", Role.USER, TokenScope.READ)
"""Who calls a public route."""

BEARER = "bearer "


def create_app(services: Services, routes: Iterable[Route], authenticate: Authenticator) -> ASGIApp:
    """An app that serves ``routes``.

    Raises:
        TypeError: a route names no policy.
    """
    served = [*routes]
    served.append(Route("GET", "/openapi.json", _document_of(served), Policy.PUBLIC))
    by_path: dict[str, dict[str, Route]] = {}
    for route in served:
        if not isinstance(route.policy, Policy):
            raise TypeError(f"{route} names no policy")
        by_path.setdefault(route.path, {})[route.method] = route
    table: list[BaseRoute] = [
        StarletteRoute(path, _Resource(methods, services, authenticate))
        for path, methods in by_path.items()
    ]
    table += [WebSocketRoute(socket.path, _Conversation(socket, services)) for socket in SOCKETS]
    app = Starlette(routes=table, exception_handlers={HTTPException: _not_found})
    app.router.redirect_slashes = False
    return _secured(app)


def bearer(accounts: Accounts) -> Authenticator:
    """Callers show a token."""

    async def authenticate(request: Request) -> Principal:
        given = request.headers.get("authorization", "")
        if not given.lower().startswith(BEARER):
            raise NotAuthenticated("send a token: Authorization: Bearer nn_…")
        return await accounts.authenticate(given[len(BEARER) :].strip())

    return authenticate


def owner_or_bearer(accounts: Accounts, owner: Principal) -> Authenticator:
    """Who can open the control socket is the machine's owner; a token, if shown, is honoured."""
    by_token = bearer(accounts)

    async def authenticate(request: Request) -> Principal:
        return await by_token(request) if "authorization" in request.headers else owner

    return authenticate


class _Resource:
    """One path: its verbs, their policies, and the edge where every error becomes an answer."""

    def __init__(
        self, methods: dict[str, Route], services: Services, authenticate: Authenticator
    ) -> None:
        self._methods = methods
        self._services = services
        self._authenticate = authenticate
        heads = ["HEAD"] if "GET" in methods else []
        self._allow = ", ".join([*methods, *heads])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        route = self._methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            detail = f"{request.url.path} takes {self._allow}"
            return problems.problem(405, "method_not_allowed", detail, {"Allow": self._allow})
        call = Call(request, self._services, NOBODY)
        response = await self._handled(call, route)
        await audit.record(call, route.handler.__name__, route.policy, response)
        return response

    async def _handled(self, call: Call, route: Route) -> Response:
        try:
            await self._admit(call, route)
            return await route.handler(call)
        except ApplianceError as error:
            return problems.of_error(error)
        except Exception as error:  # noqa: BLE001 - the edge of the house: a defect becomes an errorId
            return problems.of_defect(error)

    async def _admit(self, call: Call, route: Route) -> None:
        if route.policy is not Policy.PUBLIC:
            await self._authorize(call, route.policy)
        if route.query is NoQuery:
            call.query(NoQuery)

    async def _authorize(self, call: Call, policy: Policy) -> None:
        caller = call.caller = await self._authenticate(call.request)
        if not may(caller, policy):
            needs = policy.replace("_", " ")
            raise NotPermitted(f"needs the right to {needs}; you are {caller.role}, {caller.scope}")


class _Conversation:
    """One WebSocket: the edge where every error becomes a refused upgrade, or a close."""

    def __init__(self, socket: Socket, services: Services) -> None:
        self._socket = socket
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        try:
            await self._socket.converse(websocket, self._services)
        except WebSocketDisconnect:
            return
        except ApplianceError as error:
            await self._refuse(websocket, problems.of_error(error))
        except Exception as error:  # noqa: BLE001 - the edge for sockets: a defect closes it, told
            await self._refuse(websocket, problems.of_defect(error))

    async def _refuse(self, websocket: WebSocket, problem: Response) -> None:
        if websocket.application_state is WebSocketState.CONNECTING:
            await audit.record_refusal(websocket, self._services, problem)
            await websocket.send_denial_response(problem)
        elif websocket.application_state is WebSocketState.CONNECTED:
            await websocket.close(DEFECT)


def _document_of(routes: Sequence[Route]) -> Handler:
    """The document is made when it is first asked for: few do, and it weighs 2 MiB."""

    @cache
    def made() -> str:
        from appliance.api import openapi  # noqa: PLC0415 - it brings the shapes of all answers

        return json_text(openapi.document(routes))

    async def read_openapi(_call: Call) -> Response:
        """Shows this document."""
        return text_answer(await anyio.to_thread.run_sync(made))

    return read_openapi


async def _not_found(request: Request, _error: Exception) -> Response:
    """The router knows nothing of verbs, so this is all that it complains of."""
    return problems.problem(404, "not_found", f"nothing is at {request.url.path}")


SECURITY_HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


def _secured(app: ASGIApp) -> ASGIApp:
    """No answer is kept by a cache or guessed at by a browser."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_secured(message: Any) -> None:  # noqa: ANN401 - an ASGI message
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *SECURITY_HEADERS]
            await send(message)

        await app(scope, receive, send_secured)

    return wrapped
