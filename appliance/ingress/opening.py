"""From a request's head to where it goes: past the gate, and until the deployment runs."""

from dataclasses import dataclass

from appliance.domain.deployment import Access
from appliance.ingress.directory import Deployed, Place
from appliance.ingress.hall import Hall
from appliance.ingress.head import Head
from appliance.ingress.rewrite import Sender
from appliance.ingress.seams import Reply, Trouble
from appliance.ingress.upstream import Target


@dataclass(slots=True)
class Way:
    """The request may go on, as ``head``, to ``target``."""

    head: Head
    target: Target


async def find_way(
    hall: Hall, head: Head, place: Place, sender: Sender, own_ip: str
) -> Way | Reply:
    """Where the request goes, or what is answered instead."""
    if isinstance(place, Deployed):
        address = place.address
        if address.access is Access.PRIVATE:
            verdict = await hall.gate.admit(head, address, sender.address, secure=sender.secure)
            if isinstance(verdict, Reply):
                return verdict
            head = verdict.head
        if not address.http:
            await hall.waker.wake(address)
        place = hall.directory.find(head.host, own_ip)
    aim = hall.aim(place, head.host)
    if isinstance(aim, Trouble):
        return hall.pages.tell(aim, head)
    return Way(head, aim)
