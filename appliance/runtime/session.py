"""Requests to libpod's API that are answered at once. The only file that knows podman-py.

podman-py's request layer is used as it is (connection pool, unix socket, API version); its
objects are not: they ask twice where once is enough and silently ignore options (5.8.0, measured).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import requests
from anyio import CapacityLimiter
from podman import PodmanClient
from podman.api.client import APIResponse
from podman.errors import APIError

from appliance.domain.errors import RuntimeTimeout, RuntimeUnavailable
from appliance.runtime.failures import refusal
from appliance.runtime.threads import run_in_daemon

API_VERSION = "4.0.0"  # the oldest that every supported Podman serves; podman-py can't negotiate
CONNECTIONS = 32
THREADS = 8
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
        self._client = PodmanClient(base_url=url, version=API_VERSION, max_pool_size=CONNECTIONS)
        self._client.api.trust_env = False  # proxies and netrc are not for Podman's socket
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
        await run_in_daemon(self._client.close)

    def _send(self, request: Request) -> Answer:
        try:
            response = self._verb(request)(
                request.path, params=request.params, timeout=request.timeout_s
            )
        except APIError as error:
            if isinstance(error.__cause__, requests.Timeout):
                text = f"Podman did not answer within {request.timeout_s:g} s."
                raise RuntimeTimeout(text) from error
            raise RuntimeUnavailable("Podman's service does not answer.") from error
        answer = Answer(response.status_code, _json(response), response.headers.get("Server", ""))
        if answer.status < FIRST_ERROR_STATUS or (request.absent_ok and not answer.found):
            return answer
        raise refusal(answer.status, answer.body)

    def _verb(self, request: Request) -> Callable[..., APIResponse]:
        if request.method != "POST":
            return {"GET": self._client.api.get, "DELETE": self._client.api.delete}[request.method]
        data, headers = json.dumps(request.body), {"Content-Type": "application/json"}
        return partial(self._client.api.post, data=data, headers=headers)


def _json(response: APIResponse) -> Any:  # noqa: ANN401 - what JSON holds
    """The body: JSON where it is, else its text; None if it is empty."""
    try:
        return response.json() if response.content else None
    except ValueError:
        return response.text
