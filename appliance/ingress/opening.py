"""From a request's head to where it goes: past the gate, and until the deployment runs."""

from dataclasses import dataclass

from appliance.domain.deployment import Access
from appliance.ingress.directory import Deployed, Place
from appliance.ingress.hall import Hall
from appliance.ingress.head import Head
from appliance.ingress.pages import accepts_html
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
        trouble = await hall.waker.wake(address, hold=not by_a_person(head))
        if trouble is not None:
            return hall.pages.tell(trouble, head)
        place = hall.directory.find(head.host, own_ip)
    aim = hall.aim(place, head.host)
    if isinstance(aim, Trouble):
        return hall.pages.tell(aim, head)
    return Way(head, aim)


def by_a_person(head: Head) -> bool:
    """Whether a page can be shown instead of the answer: it is loaded again by itself."""
    return head.method == b"GET" and not head.websocket and accepts_html(head)
