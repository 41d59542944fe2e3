"""What must be cancelled, or is told as it happens: pull, events, exec, checks, statistics.

httpx on the same socket. podman-py's own streams can't be ended from outside and swallow pull
errors; here leaving the scope closes the connection, and Podman stops what only it wanted.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from typing import Any

import anyio
import httpx

from appliance.domain.errors import (
    ImageFailure,
    NoSuchContainer,
    RuntimeFailure,
    RuntimeTimeout,
    RuntimeUnavailable,
    StartRefused,
)
from appliance.runtime import activity, labels, shapes, wire
from appliance.runtime.credentials import Credentials
from appliance.runtime.failures import deadline, pull_failure, refusal
from appliance.runtime.port import ContainerStats, PullProgress, RuntimeEvent, Terminal
from appliance.runtime.pull import PullDeadlines, StallWatch, Tally
from appliance.runtime.session import LIBPOD
from appliance.runtime.terminal import connector, open_exec
from appliance.runtime.threads import run_in_daemon

IMAGES_CREATE = "/v1.41/images/create"  # libpod's own pull tells no bytes
OPEN_S = 5
READ_S = 10
HEALTH_S = 30
CHECKS_AT_ONCE = 2
FIRST_ERROR_STATUS = 400
BETWEEN_LOOKS_S = 0.05
FRAME_HEADER_BYTES = 8
TOLD = frozenset(
    {"create", "start", "restart", "died", "die", "stop", "kill", "pause", "unpause", "remove"}
)


class PodmanStreams:
    """Long answers and cancellable calls of the service at ``url``.

    Args:
        url: ``unix:///path`` or ``tcp://host:port``.
        prefix: the instance's part of every container name.
        credentials: for private registries; None lets Podman use its own.
        deadlines: of a pull.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        credentials: Credentials | None,
        deadlines: PullDeadlines,
    ) -> None:
        self._socket_path = url.removeprefix("unix://") if url.startswith("unix://") else None
        self._client = wire.client(url, httpx.Timeout(None, connect=deadlines.connect_s))
        self._connect = connector(url)
        self._prefix = prefix
        self._credentials = credentials
        self._deadlines = deadlines
        self._checks = anyio.Semaphore(CHECKS_AT_ONCE)

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._client.aclose()

    async def pull(self, reference: str, on_progress: Callable[[PullProgress], None]) -> None:
        """Fetches an image; see ``ContainerRuntime.pull``."""
        if reference.startswith("localhost/"):
            text = f"{reference} is an image of this machine alone, and it is not here."
            raise ImageFailure("image_not_found", text)
        try:
            with anyio.fail_after(self._deadlines.total_s):
                await self._pull(reference, on_progress)
        except TimeoutError as late:
            text = f"{reference} was not here after {self._deadlines.total_s:g} s."
            raise ImageFailure("pull_timeout", text) from late

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        """Hints from now on; ends when the connection does."""
        wanted = {"type": ["container"], "label": [f"{labels.INSTANCE}={self._prefix}"]}
        params = {"stream": "true", "filters": json.dumps(wanted)}
        request = self._client.build_request("GET", f"{LIBPOD}/events", params=params)
        last_ns = 0
        async with self._open_soon(request) as answer:
            async for line in _lines(answer):
                time_ns, event = _event(line)
                # At a rotation of its file Podman tells old events again (measured).
                if time_ns <= last_ns:
                    continue
                last_ns = time_ns
                if event.action in TOLD and event.container_name.startswith(f"{self._prefix}-"):
                    yield event

    async def check_health(self, name: str) -> bool:
        """Runs the container's own health command once; at most two run at a time."""
        with deadline(HEALTH_S, "run a health check"):
            async with self._checks:
                answer = await self._ask("GET", f"/containers/{name}/healthcheck")
        return bool(answer.json()["Status"] == "healthy")

    async def execute(self, name: str, argv: Sequence[str]) -> AsyncIterator[bytes]:
        """Runs ``argv`` inside and yields what it writes."""
        session = await self._prepare(name, argv)
        path, body = f"{LIBPOD}/exec/{session}/start", {"Detach": False, "Tty": False}
        request = self._client.build_request("POST", path, json=body)
        with _perhaps_begun(argv[0]):
            async with self._open_soon(request) as answer:
                async for piece in _payloads(answer):
                    yield piece
            with deadline(READ_S, "tell how a command ended"):
                code = await self._exit_code(session)
        if code:
            raise StartRefused(f"{argv[0]} ended with code {code} in {name}.")

    def open_terminal(
        self, name: str, argv: Sequence[str]
    ) -> AbstractAsyncContextManager[Terminal]:
        """A program on a terminal inside; see ``terminal.py``."""

        async def ask(
            method: str,
            path: str,
            body: Mapping[str, Any] | None,
            params: Mapping[str, str] | None,
        ) -> Any:  # noqa: ANN401 - JSON
            with deadline(READ_S, "open a terminal"):
                answer = await self._ask(method, path, json=body, params=params)
            return _body(answer)

        return open_exec(self._connect, ask, name, argv)

    async def stats(self, name: str) -> ContainerStats | None:
        """One reading, None if it does not run."""
        params = {"stream": "false", "containers": name}
        try:
            with deadline(READ_S, "read statistics"):
                answer = await self._ask("GET", "/containers/stats", params=params)
        except NoSuchContainer:
            return None
        return shapes.stats(answer.json(), server=answer.headers.get("server", ""))

    async def all_stats(self) -> Mapping[str, ContainerStats]:
        """One reading of every running container of this instance, by name."""
        with deadline(READ_S, "read statistics"):
            answer = await self._ask("GET", "/containers/stats", params={"stream": "false"})
        server = answer.headers.get("server", "")
        return shapes.all_stats(answer.json(), server=server, prefix=self._prefix)

    async def _pull(self, reference: str, on_progress: Callable[[PullProgress], None]) -> None:
        login = self._credentials.header(reference) if self._credentials else {}
        watch = StallWatch(self._deadlines.stall_s, self._bytes_written)
        failure: RuntimeFailure | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(watch.run, group.cancel_scope)
            failure = await self._follow(reference, login, watch, on_progress)
            group.cancel_scope.cancel()
        if watch.stalled:
            text = f"{reference}: nothing came for {self._deadlines.stall_s:g} s."
            raise ImageFailure("pull_stalled", text)
        if failure is not None:
            raise failure

    async def _follow(
        self,
        reference: str,
        login: Mapping[str, str],
        watch: StallWatch,
        on_progress: Callable[[PullProgress], None],
    ) -> RuntimeFailure | None:
        """Reads a pull to its end; the failure is a value, to leave its task group as itself."""
        request = self._client.build_request(
            "POST", IMAGES_CREATE, params={"fromImage": reference}, headers=login
        )
        tally, shown = Tally(), None
        try:
            async with self._open(request, partial(_refused_pull, reference)) as answer:
                async for line in _lines(answer):
                    tally.add(line)
                    if tally.progress != shown:
                        shown = tally.progress
                        watch.note()
                        on_progress(shown)
        except RuntimeFailure as failure:
            return failure
        return None if tally.error is None else pull_failure(reference, tally.error)

    async def _bytes_written(self) -> int | None:
        if self._socket_path is None:
            return None
        return await run_in_daemon(partial(activity.bytes_written, self._socket_path))

    async def _prepare(self, name: str, argv: Sequence[str]) -> str:
        """Nothing begins by this alone, however late it lands."""
        body = {"Cmd": list(argv), "AttachStdout": True, "AttachStderr": True}
        try:
            with anyio.fail_after(READ_S):
                answer = await self._ask("POST", f"/containers/{name}/exec", json=body)
        except TimeoutError as late:
            raise RuntimeUnavailable(f"Podman did not prepare {argv[0]}.") from late
        except (NoSuchContainer, RuntimeUnavailable):
            raise
        except RuntimeFailure as failure:
            raise StartRefused(str(failure)) from failure
        return str(answer.json()["Id"])

    async def _exit_code(self, session: str) -> int:
        """The output's end comes a moment before Podman knows the code."""
        while True:
            ended = (await self._ask("GET", f"/exec/{session}/json")).json()
            if not ended["Running"]:
                return int(ended["ExitCode"])
            await anyio.sleep(BETWEEN_LOOKS_S)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        request = self._client.build_request(method, f"{LIBPOD}{path}", params=params, json=json)
        async with self._open(request) as answer:
            with _transport():
                await answer.aread()
            return answer

    @asynccontextmanager
    async def _open_soon(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        """As ``_open``, for answers that begin at once; a hung service is then none at all."""
        async with AsyncExitStack() as stack:
            try:
                with anyio.fail_after(OPEN_S):
                    answer = await stack.enter_async_context(self._open(request))
            except TimeoutError as late:
                raise RuntimeUnavailable("Podman's service does not answer.") from late
            yield answer

    @asynccontextmanager
    async def _open(
        self,
        request: httpx.Request,
        refused: Callable[[int, object], RuntimeFailure] = refusal,
    ) -> AsyncIterator[httpx.Response]:
        """The answer, its body still to be read; leaving closes the connection.

        Raises:
            RuntimeUnavailable: the service does not answer; else what ``refused`` makes of it.
        """
        with _transport():
            answer = await self._client.send(request, stream=True)
        try:
            if answer.status_code >= FIRST_ERROR_STATUS:
                with _transport():
                    await answer.aread()
                raise refused(answer.status_code, _body(answer))
            yield answer
        finally:
            await answer.aclose()


@contextmanager
def _transport() -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise RuntimeUnavailable("Podman's service does not answer.") from error


@contextmanager
def _perhaps_begun(program: str) -> Iterator[None]:
    """Whoever is not answered here can't tell whether the program runs."""
    try:
        yield
    except RuntimeUnavailable as error:
        raise RuntimeTimeout(f"Podman did not tell what became of {program}.") from error


async def _lines(answer: httpx.Response) -> AsyncIterator[Mapping[str, Any]]:
    """One JSON object a line.

    Raises:
        RuntimeUnavailable: the service breaks off, be it in the middle of a line.
    """
    with _transport():
        async for line in answer.aiter_lines():
            if line.strip():
                yield _object(line)


def _object(line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise RuntimeUnavailable("Podman's service broke off its answer.")
    return found


def _event(line: Mapping[str, Any]) -> tuple[int, RuntimeEvent]:
    """When it was, in nanoseconds, and what.

    Raises:
        RuntimeFailure: it is none. In the middle of a good answer Podman tells so that it can't
            read on in its own log, where a line was half written, say (4.3.1, measured).
    """
    try:
        name = line["Actor"]["Attributes"].get("name", "")
        return int(line["timeNano"]), RuntimeEvent(str(name), str(line["Action"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RuntimeFailure(f"Podman told no event: {line.get('message', line)}") from error


async def _payloads(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The output without its frames: 1 byte stream, 3 zero, 4 length (Docker's attach format)."""
    buffer = b""
    with _transport():
        async for piece in answer.aiter_raw():
            buffer += piece
            while len(buffer) >= FRAME_HEADER_BYTES:
                end = FRAME_HEADER_BYTES + int.from_bytes(buffer[4:FRAME_HEADER_BYTES], "big")
                if len(buffer) < end:
                    break
                yield buffer[FRAME_HEADER_BYTES:end]
                buffer = buffer[end:]


def _body(answer: httpx.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return answer.text


def _refused_pull(reference: str, _status: int, body: object) -> RuntimeFailure:
    message = body.get("message") if isinstance(body, Mapping) else body
    return pull_failure(reference, str(message))
