"""What this machine is called, and where it is."""

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import psutil

LOCAL = "local"
"""The domain of multicast DNS (RFC 6762, 3)."""

CONTAINER_INTERFACES = ("nn", "podman", "veth", "docker", "br-", "cni", "virbr")
"""How interfaces begin that lead to containers and virtual machines: they come and go."""

INTERFACES = Path("/sys/class/net")
UP = ("up", "unknown")
"""What an interface that carries traffic is; those without a carrier to watch don't know."""

IPV4, IPV6 = 4, 6


def machine_name() -> str:
    """The machine's host name, its first label in lower case."""
    return socket.gethostname().lower().partition(".")[0]


def console_host(domain: str) -> str:
    """The host name by which people reach the console.

    It is the domain, but for the bare domain ``local``: nothing can be called that, so it is the
    machine's own name below it.
    """
    return f"{machine_name()}.{LOCAL}" if domain == LOCAL else domain


def own_addresses() -> frozenset[str]:
    """The addresses at which this machine or others reach it, but for those of containers.

    Left out are those that mean nothing without a zone (RFC 4007, 11).
    """
    return frozenset(str(a) for a in _addresses() if not (a.version == IPV6 and a.is_link_local))


def lan_addresses() -> frozenset[str]:
    """Its IPv4 addresses in the networks of other machines."""
    return frozenset(str(a) for a in _addresses() if a.version == IPV4 and not a.is_loopback)


def _addresses() -> Iterator[IPv4Address | IPv6Address]:
    for name, found in psutil.net_if_addrs().items():
        if name.startswith(CONTAINER_INTERFACES) or not _is_up(name):
            continue
        for address in found:
            if address.family in (socket.AF_INET, socket.AF_INET6):
                yield ip_address(address.address.partition("%")[0])


def _is_up(interface: str) -> bool:
    """By its own file: psutil asks about every interface, four questions each."""
    try:
        return (INTERFACES / interface / "operstate").read_text().strip() in UP
    except OSError:  # it is gone
        return False
