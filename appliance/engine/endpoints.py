"""The addresses a caller is shown for a running deployment."""

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.domain.deployment import Access, Deployment
from appliance.engine.addresses import Address, address_of, can_be_asked
from appliance.engine.raw_ports import LOOPBACK
from appliance.engine.views import Endpoint, web_url


@dataclass(frozen=True, slots=True)
class Front:
    """How the front door is reached: below ``domain`` by HTTPS, at ``host`` on raw ports."""

    domain: str = "localhost"
    host: str = "localhost"
    https_port: int = 8443

    @property
    def console(self) -> str:
        """Where the console is."""
        return web_url(self.host, self.https_port)


def endpoints(d: Deployment, front: Front, raw_ports: Mapping[int, int]) -> tuple[Endpoint, ...]:
    """Where it answers, the primary port first, also if it has to wake up for that.

    ``raw_ports`` are those of this machine by the container's.
    """
    if not can_be_asked(d):
        return ()
    address = address_of(d)
    web = [
        Endpoint("https", web_url(f"{label}.{front.domain}", front.https_port), internal)
        for internal, label in zip(address.http, _labels(address), strict=True)
    ]
    raw = [
        Endpoint("tcp", f"tcp://{_raw_host(address, front)}:{raw_ports[internal]}", internal)
        for internal in address.tcp
        if internal in raw_ports
    ]
    return (*web, *raw)


def _raw_host(address: Address, front: Front) -> str:
    return front.host if address.access is Access.PUBLIC else LOOPBACK


def _labels(address: Address) -> tuple[str, ...]:
    """The chosen name or that of the id, then the id's with each further port."""
    first, *further = address.http or (None,)
    if first is None:
        return ()
    return (address.hostname or address.label, *(f"{address.label}-{port}" for port in further))
