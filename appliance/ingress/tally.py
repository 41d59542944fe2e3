"""One connection's entries in the books of the deployment it talks to."""

from appliance.engine.activity import Traffic
from appliance.ingress.directory import Console, Deployed, Place
from appliance.ingress.hall import Hall


class Tally:
    """Counts a connection, its requests one at a time, and its bytes.

    Until the first request has named its host, bytes are counted apart; those of a connection
    that leads nowhere stay there. ``traffic`` may be added to directly.
    """

    __slots__ = ("_hall", "_open", "_placed", "traffic")

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._placed = False
        self._open = False
        self.traffic = Traffic()

    def begin(self, place: Place) -> None:
        """A request was read."""
        if not self._placed:
            self._settle(place)
        self._open = True
        traffic = self.traffic
        traffic.requests += 1
        traffic.open_requests += 1
        traffic.last_activity_boot_us = self._hall.boot_us

    def end(self, status: int) -> None:
        """It was answered; again means nothing."""
        if self._open:
            self._open = False
            traffic = self.traffic
            traffic.open_requests -= 1
            traffic.answers[status // 100] += 1
            traffic.last_activity_boot_us = self._hall.boot_us

    def gone(self, status: int) -> None:
        """The connection ended; a request still open counts as ``status``."""
        self.end(status)
        self.traffic.open_connections -= 1

    def _settle(self, place: Place) -> None:
        before, self._placed = self.traffic, True
        if isinstance(place, Deployed):
            self.traffic = self._hall.activity.of(place.address.deployment_id)
        elif isinstance(place, Console):
            self.traffic = self._hall.activity.console
        self.traffic.bytes_in += before.bytes_in
        self.traffic.open_connections += 1
