"""From a request's head to where it goes: past the gate, until the deployment runs, and there."""

from appliance.domain.deployment import Access
from appliance.ingress.destination import Destination
from appliance.ingress.directory import Deployed, Place
from appliance.ingress.hall import Hall
from appliance.ingress.head import Head
from appliance.ingress.rewrite import Sender
from appliance.ingress.seams import Passed, Trouble, Verdict
from appliance.ingress.upstream import Asker, Upstream, connect


async def admit(hall: Hall, head: Head, place: Place, sender: Sender) -> Verdict:
    """Past the gate, and until what sleeps is awake; or what is answered instead."""
    if not isinstance(place, Deployed):
        return Passed()
    address, verdict = place.address, Passed()
    if address.access is Access.PRIVATE:
        asked = await hall.gate.admit(head, address, sender.address, secure=sender.secure)
        if not isinstance(asked, Passed):
            return asked
        verdict = asked
    if not address.http:
        await hall.waker.wake(address)
    return verdict


async def reach(
    asker: Asker, destination: Destination, upstream: Upstream | None
) -> Upstream | Trouble:
    """A connection to where ``destination`` leads now: the one that is there, or a new one.

    While a new one is made it may come to lead elsewhere, to a container that has just taken
    over say: nothing was asked yet, so it is asked there.
    """
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
        upstream = await connect(asker, aim)
        destination.look()
        if upstream is None and destination.aim == aim:
            return destination.trouble(502, "unreachable", "it runs, but does not take connections")
