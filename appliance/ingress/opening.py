"""From a request's head to where it goes: past the gate, until the deployment runs, and there."""

from appliance.domain.deployment import Access
from appliance.ingress.destination import Destination
from appliance.ingress.directory import Deployed, Place
from appliance.ingress.exchange import Exchange
from appliance.ingress.hall import Hall
from appliance.ingress.head import Head
from appliance.ingress.pages import accepts_html
from appliance.ingress.paths import leads_to
from appliance.ingress.rewrite import Sender
from appliance.ingress.seams import Passed, Reply, Trouble, Verdict
from appliance.ingress.upstream import Asker, Upstream, connect


class Opening:
    """What it takes to get a client's requests to their upstream, whose answers ``asker`` gets."""

    def __init__(self, hall: Hall, sender: Sender, destination: Destination, asker: Asker) -> None:
        self._hall = hall
        self._sender = sender
        self._destination = destination
        self._asker = asker

    async def find(self, now: Exchange, upstream: Upstream | None) -> Upstream | Reply:
        """Where to ask, ``upstream`` itself if that is right, or what is answered instead."""
        destination = self._destination
        while True:
            verdict = await self._admit(now.head, destination.place)
            if isinstance(verdict, Reply):
                return verdict
            now.grant = verdict.grant
            found = await self._reach(upstream)
            if isinstance(found, Trouble):
                return self._hall.pages.tell(found, now.head)
            if destination.lets_in(now.grant):
                return found
            upstream = found  # it has just turned private: back to the gate

    async def _admit(self, head: Head, place: Place) -> Verdict:
        """Past the gate, and until what sleeps is awake."""
        if not isinstance(place, Deployed):
            return Passed()
        address, verdict = place.address, Passed()
        if address.access is Access.PRIVATE:
            sender = self._sender
            asked = await self._hall.gate.admit(head, address, sender.address, secure=sender.secure)
            if not isinstance(asked, Passed):
                return asked
            verdict = asked
        if not leads_to(address.paths, head.target):
            trouble = Trouble(404, "no_such_path", "this path is not open", address)
            return self._hall.pages.tell(trouble, head)
        held = await self._hall.waker.wake(address, hold=not by_a_person(head))
        return verdict if held is None else self._hall.pages.tell(held, head)

    async def _reach(self, upstream: Upstream | None) -> Upstream | Trouble:
        """A connection to where the destination leads now: the one that is there, or a new one.

        While a new one is made it may come to lead elsewhere, to a container that has just taken
        over say: nothing was asked yet, so it is asked there.
        """
        destination = self._destination
        while True:
            destination.look()
            aim = destination.aim
            if isinstance(aim, Trouble):
                return aim
            if upstream is not None and upstream.alive and upstream.target == aim:
                upstream.target = aim  # the very same from now on: quick to tell
                return upstream
            if upstream is not None:
                upstream.leave()
            upstream = await connect(self._asker, aim)
            destination.look()
            if upstream is None and destination.aim == aim:
                words = "it runs, but does not take connections"
                return destination.trouble(502, "unreachable", words)


def by_a_person(head: Head) -> bool:
    """Whether a page can be shown instead of the answer: it is loaded again by itself."""
    return head.method == b"GET" and not head.websocket and accepts_html(head)
