"""Health checks, run by us: Podman's own timers need systemd (measured on both engines)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from appliance.clock import Clock
from appliance.domain.deployment import Deployment, Health, Process
from appliance.domain.errors import RuntimeFailure
from appliance.domain.observed import Container, ImageFacts
from appliance.domain.plan import start_period_ends
from appliance.runtime.port import ContainerRuntime

FIRST_S = 0.02
EAGER_S = 0.25
"""Between checks until the first success, each twice as long as the one before from ``FIRST_S`` up
to this: what waits for it is a person, or a request that is held."""

STEADY_S = 10.0
"""Between checks afterwards."""

TIMEOUT_S = 5.0
FAILURES_TO_UNHEALTHY = 3
STATUS_LINE_BYTES = 1024

Check = Callable[[], Awaitable[bool]]


@dataclass(slots=True)
class _Watch:
    process: Process | None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    health: Health = Health.UNKNOWN


class Probes:
    """One watch for each running container that has a check; ``on_change`` is told of news."""

    def __init__(
        self,
        runtime: ContainerRuntime,
        clock: Clock,
        tasks: TaskGroup,
        on_change: Callable[[str], None],
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._tasks = tasks
        self._on_change = on_change
        self._watches: dict[str, _Watch] = {}

    def health(self, d: Deployment, c: Container, image: ImageFacts | None) -> Health | None:
        """What the check says of this run of the container; None: there is no check.

        The first question about a run begins the watch of it.
        """
        check = self._check(d, c, image)
        if check is None:
            return None
        watch = self._watches.get(c.name)
        if watch is None or watch.process != c.process:
            self.forget(c.name)
            watch = self._watches[c.name] = _Watch(c.process)
            grace_until = start_period_ends(d, c.process) if c.process else 0
            self._tasks.start_soon(self._run, d.id, watch, check, grace_until)
        return watch.health

    def forget(self, name: str) -> None:
        """Ends the watch of a container, if there is one."""
        watch = self._watches.pop(name, None)
        if watch is not None:
            watch.scope.cancel()

    def _check(self, d: Deployment, c: Container, image: ImageFacts | None) -> Check | None:
        asked = d.spec.health
        if asked is not None:
            port = asked.port or next(iter(c.published), None)
            outside = c.published.get(port) if port is not None else None
            return None if outside is None else lambda: answers(outside, asked.path)
        if image is not None and image.healthcheck is not None:
            return lambda: self._runtime.check_health(c.name)
        return None

    async def _run(
        self, deployment_id: str, watch: _Watch, check: Check, grace_until_boot_us: int
    ) -> None:
        failures, pause_s = 0, FIRST_S
        with watch.scope:
            while True:
                failures = 0 if await _succeeds(check) else failures + 1
                in_grace = self._clock.now().boot_us < grace_until_boot_us
                health = _judge(watch.health, failures, in_grace=in_grace)
                if health is not watch.health:
                    watch.health = health
                    self._on_change(deployment_id)
                await self._clock.sleep(pause_s if health is Health.UNKNOWN else STEADY_S)
                pause_s = min(EAGER_S, 2 * pause_s)


def _judge(before: Health, failures: int, *, in_grace: bool) -> Health:
    if failures == 0:
        return Health.HEALTHY
    if failures < FAILURES_TO_UNHEALTHY or in_grace:
        return before
    return Health.UNHEALTHY


async def _succeeds(check: Check) -> bool:
    try:
        with anyio.fail_after(TIMEOUT_S):
            return await check()
    except (OSError, TimeoutError, anyio.EndOfStream, anyio.BrokenResourceError, RuntimeFailure):
        return False


async def answers(port: int, path: str) -> bool:
    """Whether a GET of ``path`` on a loopback port is answered with a status below 400.

    By hand and not by a client library: it reads one line, many times a minute, and an idle
    appliance is to cost next to nothing.

    Raises:
        OSError, anyio.EndOfStream, anyio.BrokenResourceError: nobody answered.
    """
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        await stream.send(request.encode())
        head = b""
        while b"\r\n" not in head and len(head) < STATUS_LINE_BYTES:
            head += await stream.receive(STATUS_LINE_BYTES)
    version, _, rest = head.partition(b" ")
    return version.startswith(b"HTTP/1.") and b"100" <= rest[:3] < b"400"
