"""Where one connection leads: to one host for life, wherever that leads at the moment."""

from appliance.domain.deployment import AT_REST, Access, Status
from appliance.engine.addresses import Address
from appliance.ingress.directory import CONSOLE, Console, Deployed, Place, Unknown
from appliance.ingress.hall import Hall
from appliance.ingress.head import Head, Refused
from appliance.ingress.seams import Grant, Reply, Trouble
from appliance.ingress.upstream import Target

NOWHERE = Target()
RETRY_S = 2
OVER = AT_REST | {Status.PENDING, Status.PULLING}
"""A deployment of these statuses has no container that could still be answering."""


class Destination:
    """``place`` and ``aim`` are those of the last request; ``straight``: nobody is asked first.

    ``inside``: a container, and not the API, gets the requests.
    """

    __slots__ = ("_edition", "_hall", "_own_ip", "_redirects", "aim", "host", "inside", "place",
                 "straight")  # fmt: skip

    def __init__(self, hall: Hall, own_ip: str, *, redirects: bool) -> None:
        self._hall = hall
        self._own_ip = own_ip
        self._redirects = redirects
        self._edition = -1
        self.host = ""
        self.place: Place = CONSOLE
        self.aim: Target | Trouble = NOWHERE
        self.straight = False
        self.inside = False

    def settle(self, host: str, asked: str | None) -> None:
        """The first request names the host of all; ``asked`` is the one TLS has named.

        Raises:
            Refused: a later one names another, or TLS has named another.
        """
        if self.host or asked not in (None, host):
            raise Refused(421, "misdirected", f"this connection is for {self.host or asked}")
        self.host = host

    def look(self) -> None:
        """Where the host leads now; looked up again only when names may lead elsewhere."""
        directory = self._hall.directory
        edition = directory.addresses.edition
        if self._edition == edition:
            return
        self._edition = edition
        self.place = place = directory.find(self.host, self._own_ip)
        self.aim = self._hall.aim(place, self.host)
        self.inside = not isinstance(place, Console)
        self.straight = not self._redirects and (
            isinstance(place, Console) or (isinstance(place, Deployed) and _is_open(place.address))
        )

    def dead_end(self, head: Head) -> Reply | None:
        """What is answered where nobody has to be asked and nothing can be waited for."""
        if self._redirects and not isinstance(self.place, Unknown):
            return self._hall.redirect(head)
        if isinstance(self.aim, Trouble) and not isinstance(self.place, Deployed):
            return self._hall.pages.tell(self.aim, head)
        return None

    def trouble(self, status: int, code: str, message: str) -> Trouble:
        """Something that went wrong there, and may be right soon."""
        address = self.place.address if isinstance(self.place, Deployed) else None
        return Trouble(status, code, message, address, self.host, RETRY_S)

    def lets_in(self, grant: Grant | None) -> bool:
        """Whether a request with that grant, None if it was not asked for any, may be there now."""
        place = self.place
        private = isinstance(place, Deployed) and place.address.access is Access.PRIVATE
        return grant is not None or not private

    def is_of(self, address: Address) -> bool:
        """Whether it is that deployment."""
        place = self.place
        return isinstance(place, Deployed) and (
            place.address.deployment_id == address.deployment_id
        )


def _is_open(address: Address) -> bool:
    """Whether everybody may ask it for everything."""
    return address.access is Access.PUBLIC and address.paths is None


def is_over(address: Address, port: int) -> bool:
    """Whether what listened on loopback ``port`` is certainly no more.

    While it stops or restarts, what is under way is left to the container's own grace, and while
    one that was replaced is still there, to the engine's (``Address.leaving``).
    """
    if address.gone or address.status in OVER:
        return True
    return bool(address.http) and port not in {*address.http.values(), *address.leaving}
