"""Requests to libpod's API that are answered at once. The only file that knows podman-py.

podman-py's connections are used as they are (the unix socket, the pool of them). Its objects are
not: they ask twice where once is enough and silently ignore options (5.8.0, measured). Nor is the
layer of requests between them: it takes twice the time of the connection itself (1.5 ms of the
processor for a request, 0.8 without, measured), and a start waits for five of them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

import urllib3
from anyio import CapacityLimiter
from podman.api.uds import UDSConnectionPool
from podman.errors import APIError

from appliance.domain.errors import RuntimeTimeout, RuntimeUnavailable
from appliance.runtime.failures import refusal
from appliance.runtime.threads import run_in_daemon

LIBPOD = "/v4.0.0/libpod"  # the oldest that every supported Podman serves
CONNECTIONS = 32
THREADS = 8
JSON = {"Content-Type": "application/json"}
FIRST_ERROR_STATUS = 400
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no error; ``body`` is None where there was none."""

    status: int
    body: Any
    server: str

    @property
    def found(self) -> bool:
        """Whether the thing asked about is there."""
        return self.status != NOT_FOUND


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. ``absent_ok`` makes a 404 an answer instead of an error."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    timeout_s: float
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    absent_ok: bool = False


class Session:
    """libpod's API at ``url`` (``unix://`` or ``tcp://``), each request in a worker thread.

    A caller that gives up leaves its thread behind; the request's own time-out ends that one too,
    so a hung service can't use up the threads for good.
    """

    def __init__(self, url: str) -> None:
        self._pool = _pool(url)
        self._threads = CapacityLimiter(THREADS)

    async def get(self, path: str, *, timeout_s: float, **params: str) -> Answer:
        """A read, tried twice: a pooled connection may have died with the last service.

        Raises:
            RuntimeUnavailable, RuntimeTimeout, or what ``failures.refusal`` makes of a no; that
            the thing is not there is an answer.
        """
        request = Request("GET", path, timeout_s, params, absent_ok=True)
        try:
            return await self.ask(request)
        except RuntimeUnavailable:
            return await self.ask(request)

    async def ask(self, request: Request, *, threads: CapacityLimiter | None = None) -> Answer:
        """One request, once. ``threads`` are for what waits long and must not hold up others.

        Raises: as ``get``.
        """
        async with threads or self._threads:
            return await run_in_daemon(partial(self._send, request))

    async def aclose(self) -> None:
        """Closes the pooled connections; requests under way end by themselves."""
        await run_in_daemon(self._pool.close)

    def _send(self, request: Request) -> Answer:
        try:
            response = self._exchange(request)
        except urllib3.exceptions.ReadTimeoutError as error:
            text = f"Podman did not answer within {request.timeout_s:g} s."
            raise RuntimeTimeout(text) from error
        except (urllib3.exceptions.HTTPError, APIError) as error:
            raise RuntimeUnavailable("Podman's service does not answer.") from error
        answer = Answer(response.status, _body(response.data), response.headers.get("Server", ""))
        if answer.status < FIRST_ERROR_STATUS or (request.absent_ok and not answer.found):
            return answer
        raise refusal(answer.status, answer.body)

    def _exchange(self, request: Request) -> urllib3.BaseHTTPResponse:
        query = f"?{urlencode(request.params)}" if request.params else ""
        return self._pool.urlopen(
            request.method,
            f"{LIBPOD}{request.path}{query}",
            body=json.dumps(request.body) if request.method == "POST" else None,
            headers=JSON if request.method == "POST" else None,
            timeout=request.timeout_s,
            retries=False,
        )


def _pool(url: str) -> urllib3.HTTPConnectionPool:
    if url.startswith("unix://"):
        path = quote_plus(url.removeprefix("unix://"))
        return UDSConnectionPool("podman", maxsize=CONNECTIONS, uds=f"http+unix://{path}")
    return urllib3.connection_from_url(url.replace("tcp:", "http:", 1), maxsize=CONNECTIONS)


def _body(data: bytes) -> Any:  # noqa: ANN401 - what JSON holds
    """JSON where it is, else its text; None if it is empty."""
    try:
        return json.loads(data) if data else None
    except ValueError:
        return data.decode(errors="replace")
