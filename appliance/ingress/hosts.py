"""The host names and addresses that lead to this appliance."""

import socket
from collections.abc import Iterable
from ipaddress import ip_address

import psutil

from appliance.config.parse import DNS_NAME
from appliance.engine.addresses import Address

LOCAL = "local"
"""The domain of multicast DNS (RFC 6762, 3)."""


def console_host(domain: str) -> str:
    """The host name by which people reach the console.

    It is the domain, but for the bare domain ``local``: nobody can be called that, so it is the
    machine's own name below it.
    """
    return f"{machine_name()}.{LOCAL}" if domain == LOCAL else domain


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


def machine_name() -> str:
    """The machine's host name, its first label in lower case."""
    return socket.gethostname().lower().partition(".")[0]


def own_addresses() -> frozenset[str]:
    """The IP addresses of this machine, without those that need a zone (RFC 4007, 11)."""
    families = (socket.AF_INET, socket.AF_INET6)
    found = (a for every in psutil.net_if_addrs().values() for a in every if a.family in families)
    return frozenset(_unzoned(a.address for a in found))


def _unzoned(addresses: Iterable[str]) -> Iterable[str]:
    for text in addresses:
        address = ip_address(text.partition("%")[0])
        if not address.is_link_local:
            yield str(address)
