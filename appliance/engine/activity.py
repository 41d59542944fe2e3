"""What goes through the front door, counted for each deployment: the door writes, others read."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from appliance.clock import Clock
from appliance.domain.idleness import Use

CLASSES = 6
"""Status classes are the first digit of a status; 0 is no class and stays 0."""


@dataclass(slots=True)
class Traffic:
    """One deployment's counters since the appliance started; gauges are the ``open_`` ones.

    ``bytes_in`` came from clients and ``bytes_out`` went to them, heads included. ``answers`` are
    counted by status class: ``answers[2]`` are the 2xx. ``open_requests`` are under way, WebSockets
    and streams among them; ``engagements`` are what goes on in it without the door: terminals,
    errands. ``last_activity_boot_us`` is the last moment anything of it all began or ended, to the
    second, None before the first; while ``open_requests`` or ``engagements`` are not 0 the
    deployment is in use whatever that moment says.
    """

    open_connections: int = 0
    open_requests: int = 0
    engagements: int = 0
    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    answers: list[int] = field(default_factory=lambda: [0] * CLASSES)
    last_activity_boot_us: int | None = None


class Activity:
    """The counters of every deployment that was asked for at least once, and of the API."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_boot_us = clock.now().boot_us
        self.console = Traffic()
        self._traffic: dict[str, Traffic] = {}

    def of(self, deployment_id: str) -> Traffic:
        """The counters of a deployment, to read or to count on."""
        traffic = self._traffic.get(deployment_id)
        if traffic is None:
            traffic = self._traffic[deployment_id] = Traffic()
        return traffic

    def all(self) -> Mapping[str, Traffic]:
        """Every deployment's counters."""
        return self._traffic

    def engagements(self, deployment_id: str) -> int:
        """How much goes on in it without the door."""
        traffic = self._traffic.get(deployment_id)
        return 0 if traffic is None else traffic.engagements

    def idle_s(self, deployment_id: str) -> int | None:
        """Seconds since it was last used; 0 while it is, None if it never was."""
        traffic = self._traffic.get(deployment_id)
        if traffic is None or traffic.last_activity_boot_us is None:
            return None
        use = self.use(deployment_id, 0)
        return use.idle_us(self._clock.now().boot_us) // 1_000_000

    def use(self, deployment_id: str, running_since_boot_us: int) -> Use:
        """How a deployment is used. What was before this process began is not known."""
        since = max(self._began_boot_us, running_since_boot_us)
        traffic = self._traffic.get(deployment_id)
        if traffic is None:
            return Use(0, since)
        last = traffic.last_activity_boot_us or 0
        return Use(traffic.open_requests + traffic.engagements, max(since, last))

    @contextmanager
    def engaged(self, deployment_id: str) -> Iterator[None]:
        """It is in use for as long as the block lasts, though the door knows nothing of it."""
        traffic = self.of(deployment_id)
        traffic.engagements += 1
        try:
            yield
        finally:
            traffic.engagements -= 1
            traffic.last_activity_boot_us = self._clock.now().boot_us

    def forget(self, deployment_id: str) -> None:
        """The deployment is gone."""
        self._traffic.pop(deployment_id, None)
