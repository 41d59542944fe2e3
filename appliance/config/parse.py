"""From a setting's text to its value; each ``ValueError`` says what the text may be."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from pathlib import Path

LOG_LEVELS = ("debug", "info", "warning", "error")
PORT_MAX = 65_535
DNS_NAME_MAX = 200  # of 253; the rest is for the deployment's own label
LABEL_MAX = 64
DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
DNS_NAME = re.compile(rf"{DNS_LABEL}(\.{DNS_LABEL})*")
COUNTRY = re.compile(r"[A-Z]{2}")
POOL_PREFIXES = range(8, 25)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener is bound: an IP address and a TCP port, 0 for a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def address(text: str) -> Address:
    """``127.0.0.1:8080`` or ``[::1]:8080``."""
    host, _, port = text.rpartition(":")
    try:
        parsed = ip_address(host.removeprefix("[").removesuffix("]"))
        number = integer(0, PORT_MAX)(port)
    except ValueError:
        raise ValueError("must be an IP address and a port, such as 127.0.0.1:8080") from None
    return Address(str(parsed), number)


def ip(text: str) -> str:
    """An IP address, as a listener is bound to."""
    try:
        return str(ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        raise ValueError("must be an IP address, such as 0.0.0.0 or 127.0.0.1") from None


def port_range(text: str) -> range:
    """Ports from the first to the last, both included."""
    first, _, last = text.partition("-")
    try:
        ports = range(integer(1, PORT_MAX)(first), integer(1, PORT_MAX)(last) + 1)
    except ValueError:
        ports = range(0)
    if not ports:
        raise ValueError("must be two ports, the lower one first, such as 20000-20099")
    return ports


def integer(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from ``low`` to ``high``, both included."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def path(text: str) -> Path:
    """An absolute path; ``~`` is the home directory."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError("must be a path; that user has no home directory") from None


def paths(text: str) -> tuple[Path, ...]:
    """Absolute paths with a colon between them."""
    return tuple(path(part) for part in text.split(":") if part)


def written(value: object) -> str:
    """A setting's value as one would write it: what its parser reads."""
    match value:
        case range():
            return f"{value[0]}-{value[-1]}"
        case tuple():
            return ":".join(map(str, value))
        case _:
            return str(value)


def domain(text: str) -> str:
    """A DNS name, in lower case."""
    name = text.lower()
    if len(name) > DNS_NAME_MAX or not DNS_NAME.fullmatch(name):
        raise ValueError("must be a DNS name, such as localhost or box.example.org")
    return name


def label(text: str) -> str:
    """A short text on one line."""
    if not text.isprintable() or not text.strip() or len(text) > LABEL_MAX:
        raise ValueError(f"must be 1 to {LABEL_MAX} printable characters")
    return text.strip()


def country(text: str) -> str:
    """Two capital letters."""
    if not COUNTRY.fullmatch(text.upper()):
        raise ValueError("must be two letters (ISO 3166), such as DE")
    return text.upper()


def podman_url(text: str) -> str:
    """A unix socket or a TCP address."""
    scheme, _, rest = text.partition("://")
    if scheme == "unix" and rest.startswith("/"):
        return text
    if scheme == "tcp" and re.fullmatch(r"[^/:\s]+:[0-9]{1,5}/?", rest):
        return text
    raise ValueError("must be unix:///path/to/podman.sock or tcp://host:port")


def network_pool(text: str) -> IPv4Network:
    """A private IPv4 network."""
    try:
        pool = IPv4Network(text)
    except ValueError:
        pool = IPv4Network("0.0.0.0/0")
    if not pool.is_private or pool.prefixlen not in POOL_PREFIXES:
        raise ValueError("must be a private IPv4 network from /8 to /24, such as 10.210.0.0/16")
    return pool


def log_level(text: str) -> str:
    """One of ``LOG_LEVELS``."""
    if text.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return text.lower()
