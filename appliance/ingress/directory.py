"""What a host name leads to."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from appliance.engine.addresses import Address, Addresses


@dataclass(frozen=True, slots=True)
class Console:
    """The API and the page."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment, and the container's port that the name leads to.

    ``port`` is None where the deployment has none that speaks HTTP. Whether it can be relayed to
    now is the address's to say.
    """

    address: Address
    port: int | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing of ours; ``below_domain`` tells a wrong name from a wrong machine."""

    below_domain: bool


Place = Console | Deployed | Unknown

CONSOLE = Console()


class Directory:
    """Names to places; those may be others whenever ``addresses.edition`` is.

    Exact: no wildcard leads to the console, so that a name which somebody else points at this
    machine (DNS rebinding) opens nothing.
    """

    def __init__(self, domain: str, console_names: Iterable[str], addresses: Addresses) -> None:
        self._below = f".{domain}"
        self._console = frozenset(console_names)
        self.addresses = addresses

    def find(self, host: str, own_ip: str) -> Place:
        """What ``host`` (lower case, no port) leads to; ``own_ip`` is where the client came in."""
        if host in self._console or _is_ip(host, own_ip):
            return CONSOLE
        if not host.endswith(self._below):
            return Unknown(below_domain=False)
        return self._deployed(host[: -len(self._below)]) or Unknown(below_domain=True)

    def _deployed(self, label: str) -> Deployed | None:
        address = self.addresses.named(label)
        if address is not None:
            return Deployed(address, next(iter(address.http), None))
        stem, _, port = label.rpartition("-")
        address = self.addresses.named(stem)
        if address is None or stem != address.label or not _is_port(port):
            return None
        return Deployed(address, int(port) if int(port) in address.http else None)


def plain_ip(text: str) -> str:
    """An address as one text, also where IPv4 comes as IPv6 (``::ffff:127.0.0.1``)."""
    parsed = ip_address(text.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def _is_ip(host: str, own_ip: str) -> bool:
    if not (host[0] == "[" or host[-1].isdigit()):
        return False
    try:
        return plain_ip(host.strip("[]")) == own_ip
    except ValueError:
        return False


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and text[0] != "0" and len(text) <= 5  # noqa: PLR2004 - 65535
