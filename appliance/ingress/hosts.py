"""The host names and addresses that lead to this appliance."""

from appliance.config.parse import DNS_NAME
from appliance.engine.addresses import Address
from appliance.host.names import LOCAL, console_host, machine_name, own_addresses


def console_names(domain: str) -> frozenset[str]:
    """Every name the console answers to: domain, ``localhost``, machine, and its addresses."""
    machine = machine_name()
    names = {console_host(domain), "localhost", machine, f"{machine}.{LOCAL}"}
    return frozenset({n for n in names if DNS_NAME.fullmatch(n)} | own_addresses())


def hosts_of(address: Address, domain: str) -> frozenset[str]:
    """Every host name of a deployment, as far as its ports are known."""
    labels = [address.label, *(f"{address.label}-{port}" for port in list(address.http)[1:])]
    if address.hostname is not None:
        labels.append(address.hostname)
    return frozenset(f"{label}.{domain}" for label in labels)
