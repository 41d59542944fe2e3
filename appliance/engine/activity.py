"""What goes through the front door, counted for each deployment: the door writes, others read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.clock import Clock

CLASSES = 6
"""Status classes are the first digit of a status; 0 is no class and stays 0."""


@dataclass(slots=True)
class Traffic:
    """One deployment's counters since the appliance started; gauges are the ``open_`` ones.

    ``bytes_in`` came from clients and ``bytes_out`` went to them, heads included. ``answers`` are
    counted by status class: ``answers[2]`` are the 2xx. ``last_activity_boot_us`` is the last
    moment a request began or ended, to the second, None before the first; while
    ``open_requests`` is not 0 the deployment is in use whatever that moment says.
    """

    open_connections: int = 0
    open_requests: int = 0
    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    answers: list[int] = field(default_factory=lambda: [0] * CLASSES)
    last_activity_boot_us: int | None = None


class Activity:
    """The counters of every deployment that was asked for at least once, and of the API."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
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

    def open_requests(self, deployment_id: str) -> int:
        """How many requests are under way, WebSockets and streams among them."""
        traffic = self._traffic.get(deployment_id)
        return 0 if traffic is None else traffic.open_requests

    def last_activity_boot_us(self, deployment_id: str) -> int | None:
        """When a request last began or ended (boot clock), None if there was none."""
        traffic = self._traffic.get(deployment_id)
        return None if traffic is None else traffic.last_activity_boot_us

    def idle_s(self, deployment_id: str) -> int | None:
        """Seconds since it was last asked anything; 0 while it is, None if it never was."""
        last_us = self.last_activity_boot_us(deployment_id)
        if last_us is None or self.open_requests(deployment_id):
            return None if last_us is None else 0
        return max(0, self._clock.now().boot_us - last_us) // 1_000_000

    def forget(self, deployment_id: str) -> None:
        """The deployment is gone."""
        self._traffic.pop(deployment_id, None)
