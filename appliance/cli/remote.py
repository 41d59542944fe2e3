"""The running appliance, as the command line sees it: requests, and answers that went wrong."""

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx

from appliance import __version__
from appliance.cli import sse
from appliance.cli.exits import CommandFailed, ExitCode
from appliance.config import control_socket

JsonObject = dict[str, Any]

ANSWER_S = 60.0
"""No answer takes longer; streams, which send heartbeats, may be silent for so long."""

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Where nothing is TLS: all that httpx would trust takes longer to read than the whole answer."""

PAGE_LIMIT = 100

EXIT_OF_STATUS: Mapping[int, ExitCode] = {
    HTTPStatus.BAD_REQUEST: ExitCode.USAGE,
    HTTPStatus.UNAUTHORIZED: ExitCode.NOT_PERMITTED,
    HTTPStatus.FORBIDDEN: ExitCode.NOT_PERMITTED,
    HTTPStatus.NOT_FOUND: ExitCode.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ExitCode.USAGE,
    HTTPStatus.UNPROCESSABLE_ENTITY: ExitCode.USAGE,
    HTTPStatus.TOO_MANY_REQUESTS: ExitCode.TRY_LATER,
    HTTPStatus.SERVICE_UNAVAILABLE: ExitCode.TRY_LATER,
}


class Remote:
    """Every method raises ``CommandFailed`` for an answer that is none or says no."""

    def __init__(self, http: httpx.Client, where: str) -> None:
        self._http = http
        self._where = where

    def get(self, path: str, **params: str | int | None) -> JsonObject:
        """The JSON object at ``path``; parameters that are None are left out."""
        return self._call("GET", path, params=_given(params))

    def post(self, path: str, body: JsonObject | None = None) -> JsonObject:
        """The JSON object answered to ``body``."""
        return self._call("POST", path, json=body)

    def patch(self, path: str, body: JsonObject) -> JsonObject:
        """The JSON object answered to ``body``."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str) -> JsonObject:
        """The JSON object answered; empty if there is none."""
        return self._call("DELETE", path)

    def listing(self, path: str, key: str, **params: str | int | None) -> list[JsonObject]:
        """Everything under ``key`` on all pages of ``path``."""
        found: list[JsonObject] = []
        page, pages = 0, 1
        while page < pages:
            page += 1
            answer = self.get(path, page=page, limit=PAGE_LIMIT, **params)
            found += answer[key]
            pages = answer["pagination"]["totalPages"]
        return found

    def messages(self, path: str, **params: str | int | None) -> Iterator[sse.Message]:
        """The server-sent events of ``path``, until the server ends them."""
        headers = {"Accept": "text/event-stream"}
        with self._stream("GET", path, params=_given(params), headers=headers) as response:
            yield from sse.parse(sse.lines(response.iter_bytes()))

    def chunks(self, path: str) -> Iterator[bytes]:
        """The body answered to an empty ``POST``, piece by piece."""
        with self._stream("POST", path) as response:
            yield from response.iter_bytes()

    def _call(self, method: str, path: str, **options: Any) -> JsonObject:  # noqa: ANN401 - httpx's own
        with self._stream(method, path, **options) as response:
            text = response.read()
        return self._json(text) if text else {}

    @contextmanager
    def _stream(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:  # noqa: ANN401 - httpx's own
        try:
            with self._http.stream(method, path, **options) as response:
                if response.is_error:
                    response.read()
                    raise refusal(response)
                yield response
        except UnicodeEncodeError as error:
            raise CommandFailed("what was typed is no UTF-8", ExitCode.USAGE) from error
        except httpx.ReadTimeout as error:
            message = f"no answer from {self._where} for {ANSWER_S:.0f} s"
            raise CommandFailed(message, ExitCode.TIMED_OUT) from error
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _json(self, text: bytes) -> JsonObject:
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise CommandFailed(f"what answers at {self._where} is no appliance")
        return answer

    def _unreachable(self, error: httpx.TransportError) -> CommandFailed:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            hint = (
                f"if it is yours, {self._where}/trust says how to trust it (SSL_CERT_FILE does too)"
            )
            message = f"the certificate of {self._where} is not trusted here: {error}"
            return CommandFailed(message, ExitCode.UNREACHABLE, (hint,))
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return _nobody(self._where, error)
        message = f"the connection to {self._where} broke: {error}"
        return CommandFailed(message, ExitCode.UNREACHABLE)


@contextmanager
def connect(url: str | None, token: str | None, data_dir: Path) -> Iterator[Remote]:
    """The appliance at ``url``, or the one of ``data_dir`` on this machine.

    Raises:
        CommandFailed: nobody listens on the socket, or it may not be opened; ``url`` is none, or
            would show the token to the network; ``token`` can be none.
    """
    if url is None:
        where = str(control_socket(data_dir))
        _knock(where)
        transport = httpx.HTTPTransport(uds=where, verify=_NO_TLS)
        # a proxy of the environment must not come between us and our own socket
        http = httpx.Client(transport=transport, base_url="http://appliance", trust_env=False)
    else:
        headers = {"Authorization": f"Bearer {_fit(token)}"} if token else {}
        # nor between us and a loopback address: the token would go to the proxy in the clear
        base = _checked(url)
        sealed = base.scheme == "https"
        # The authorities of this system, as curl trusts them, and not those that httpx brings: the
        # appliance's own can be among them.
        trusted = ssl.create_default_context() if sealed else _NO_TLS
        http = httpx.Client(base_url=base, headers=headers, trust_env=sealed, verify=trusted)
        where = url
    http.timeout = httpx.Timeout(ANSWER_S, connect=10)
    http.headers["User-Agent"] = f"appliance-cli/{__version__}"
    with http:
        yield Remote(http, where)


def _knock(where: str) -> None:
    """Tells why the socket can't be opened, which httpx would wrap in words of its own."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(where)
    except PermissionError as error:
        hint = "run it as the appliance's user (sudo), or use --url and APPLIANCE_TOKEN"
        message = f"you may not open {where}"
        raise CommandFailed(message, ExitCode.NOT_PERMITTED, (hint,)) from error
    except OSError as error:
        raise _nobody(where, error.strerror or error) from error


def _nobody(where: str, why: object) -> CommandFailed:
    hint = "start it with `appliance serve`; --data-dir or --url lead to another one"
    message = f"no appliance answers at {where}: {why}"
    return CommandFailed(message, ExitCode.UNREACHABLE, (hint,))


def refusal(response: httpx.Response) -> CommandFailed:
    """What a problem+json answer says (RFC 9457), or the status of any other."""
    problem = _problem(response)
    status = f"{response.status_code} {response.reason_phrase}"
    message = problem.get("detail") or problem.get("title") or f"the answer was {status}"
    faults = [f"{e.get('field')}: {e.get('message')}" for e in problem.get("errors") or ()]
    if message == "; ".join(faults) and len(faults) > 1:
        message = f"{len(faults)} fields are wrong"
    details = [fault for fault in faults if fault != message]
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        details.append("set APPLIANCE_TOKEN to a token of `appliance token create`")
    if "Retry-After" in response.headers:
        details.append(f"try again in {response.headers['Retry-After']} s")
    if response.is_server_error and problem.get("errorId"):
        details.append(f"errorId: {problem['errorId']} (the appliance's log has it too)")
    code = EXIT_OF_STATUS.get(response.status_code, ExitCode.FAILED)
    return CommandFailed(message, code, tuple(details))


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _given(params: Mapping[str, str | int | None]) -> dict[str, str | int]:
    return {name: value for name, value in params.items() if value is not None}


def _checked(url: str) -> httpx.URL:
    """Only the loopback address is spoken to without TLS: a token is a password."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise CommandFailed(f"{url!r} must be http://… or https://…", ExitCode.USAGE)
    if parsed.scheme == "http" and _far(parsed.host):
        message = f"{url!r} must be https://…: the network would see the token"
        raise CommandFailed(message, ExitCode.USAGE)
    return parsed


def _fit(token: str) -> str:
    """A header takes nothing else; what came along by accident is not shown either."""
    if not (token.isascii() and token.isprintable()):
        message = "APPLIANCE_TOKEN holds a line break, or another character that no token has"
        raise CommandFailed(message, ExitCode.USAGE)
    return token


def _far(host: str) -> bool:
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"
