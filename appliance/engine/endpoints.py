"""The addresses a caller is shown for a running deployment."""

from appliance.domain.deployment import Deployment
from appliance.engine.addresses import Address, address_of
from appliance.engine.views import Endpoint, web_url


def endpoints(d: Deployment, domain: str, https_port: int) -> tuple[Endpoint, ...]:
    """Where it answers, the primary port first; nothing while it does not run.

    ``https_port`` is the front door's.
    """
    address = address_of(d)
    web = [
        Endpoint("https", web_url(f"{label}.{domain}", https_port), internal)
        for internal, label in zip(address.http, _labels(address), strict=True)
    ]
    raw = [
        Endpoint("tcp", f"tcp://127.0.0.1:{outside}", internal)
        for internal, outside in address.tcp.items()
    ]
    return (*web, *raw)


def _labels(address: Address) -> tuple[str, ...]:
    """The chosen name or that of the id, then the id's with each further port."""
    first, *further = address.http or (None,)
    if first is None:
        return ()
    return (address.hostname or address.label, *(f"{address.label}-{port}" for port in further))
