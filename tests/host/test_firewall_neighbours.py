"""Whom the rules stop and whom they leave alone: containers, the host itself, a neighbour of it.

Five network namespaces made for the test and real nft; the machine's own rules are not touched.
"""

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network

import pytest

from appliance.host.firewall import ruleset

pytestmark = pytest.mark.podman

POOL = IPv4Network("10.99.0.0/16")
GATEWAY, LINK_LOCAL = "10.99.1.1", "fe80::1"
HOST, HOST_V6, NEIGHBOUR, METADATA = "192.0.2.1", "fd00:2::1", "192.0.2.2", "169.254.169.254"
OTHER, STRANGER = "10.99.2.2", "10.88.0.2"
EVERYBODY = ("container", "other", "stranger", "host", "neighbour")
PORT = 8000

LISTEN = """
import socket
listener = socket.create_server(
    ("::", {port}), family=socket.AF_INET6, dualstack_ipv6=True
)
print("on", flush=True)
while True: listener.accept()[0].close()
"""
CONNECT = "import socket; socket.create_connection(({ip!r}, {port}), 1).close()"


def run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (argv, done.stderr)


@dataclass(frozen=True)
class Street:
    """``container`` and ``other``, each on a network of the pool, ``stranger`` on one of Podman's
    own, their ``host``, and a ``neighbour`` of the host."""

    tag: str

    def name(self, who: str) -> str:
        return f"nnt{self.tag}{who}"

    def inside(self, who: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name(who))

    def reaches(self, who: str, ip: str) -> bool:
        code = CONNECT.format(ip=ip, port=PORT)
        argv = [*self.inside(who), sys.executable, "-c", code]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

    def protect(self) -> None:
        run(*self.inside("host"), "nft", ruleset("appliance_t", POOL))

    def build(self) -> None:
        for who in EVERYBODY:
            run("ip", "netns", "add", self.name(who))
            run(*self.inside(who), "sysctl", "-qw", "net.ipv4.ip_forward=1",
                "net.ipv6.conf.default.accept_dad=0")  # fmt: skip
            run("ip", "-n", self.name(who), "link", "set", "lo", "up")
        self.join("nnbridge", (f"{GATEWAY}/24", f"{LINK_LOCAL}/64"), "container", "10.99.1.2/24")
        self.join("nnother", ("10.99.2.1/24",), "other", f"{OTHER}/24")
        self.join("podman0", ("10.88.0.1/16",), "stranger", f"{STRANGER}/16")
        self.join("lan0", (f"{HOST}/24", f"{HOST_V6}/64"), "neighbour", f"{NEIGHBOUR}/24")
        self.address("neighbour", "eth0", "fd00:2::2/64", f"{METADATA}/32")
        self.route("container", "default", GATEWAY)
        self.route("other", "default", "10.99.2.1")
        self.route("stranger", "default", "10.88.0.1")
        self.route("neighbour", "default", HOST)
        self.route("host", "169.254.0.0/16", NEIGHBOUR)

    def join(self, link: str, addresses: tuple[str, ...], who: str, theirs: str) -> None:
        run("ip", "link", "add", link, "netns", self.name("host"), "type", "veth",
            "peer", "name", "eth0", "netns", self.name(who))  # fmt: skip
        self.address("host", link, *addresses)
        self.address(who, "eth0", theirs)

    def address(self, who: str, link: str, *addresses: str) -> None:
        for address in addresses:
            run("ip", "-n", self.name(who), "addr", "add", address, "dev", link)
        run("ip", "-n", self.name(who), "link", "set", link, "up")

    def route(self, who: str, target: str, via: str) -> None:
        run("ip", "-n", self.name(who), "route", "add", target, "via", via)

    def listen(self, who: str) -> "subprocess.Popen[str]":
        argv = [*self.inside(who), sys.executable, "-c", LISTEN.format(port=PORT)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        return process


EVERY_WAY = [
    ("container", GATEWAY), ("container", HOST), ("container", f"{LINK_LOCAL}%eth0"),
    ("container", NEIGHBOUR), ("container", METADATA), ("container", OTHER),
    ("container", STRANGER), ("stranger", "10.99.1.2"), ("stranger", NEIGHBOUR),
    ("host", "127.0.0.1"), ("host", "::1"), ("host", GATEWAY), ("host", "10.99.1.2"),
    ("neighbour", HOST), ("neighbour", HOST_V6),
]  # fmt: skip


def within(deadline_s: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture(scope="module")
def open_street() -> Iterator[Street]:
    made = Street(secrets.token_hex(2))
    listeners = []
    try:
        made.build()
        listeners += [made.listen(who) for who in EVERYBODY]
        for who, ip in EVERY_WAY:  # the links come up in their own time
            assert within(10, partial(made.reaches, who, ip)), (who, ip)
        yield made
    finally:
        for listener in listeners:
            listener.kill()
            listener.communicate()
        for who in EVERYBODY:
            subprocess.run(["ip", "netns", "del", made.name(who)], check=False)


@pytest.fixture
def street(open_street: Street) -> Iterator[Street]:
    """The street with the rules in place; without them everybody reaches everybody."""
    open_street.protect()
    yield open_street
    run(*open_street.inside("host"), "nft", "delete", "table", "inet", "appliance_t")


@pytest.mark.parametrize(("who", "ip"), EVERY_WAY)
def test_without_the_rules_every_way_is_open(open_street: Street, who: str, ip: str) -> None:
    assert open_street.reaches(who, ip)


@pytest.mark.parametrize("ip", [GATEWAY, HOST, f"{LINK_LOCAL}%eth0"])
def test_a_container_reaches_no_service_of_the_host(street: Street, ip: str) -> None:
    assert not street.reaches("container", ip)


@pytest.mark.parametrize(
    ("who", "ip"), [("container", OTHER), ("container", STRANGER), ("stranger", "10.99.1.2")]
)
def test_containers_of_different_networks_reach_each_other_neither_way(
    street: Street, who: str, ip: str
) -> None:
    assert not street.reaches(who, ip)


def test_a_container_reaches_the_world_but_not_the_clouds_metadata(street: Street) -> None:
    assert street.reaches("container", NEIGHBOUR)
    assert not street.reaches("container", METADATA)


@pytest.mark.parametrize(
    ("who", "ip"),
    [("host", "127.0.0.1"), ("host", "10.99.1.2"), ("neighbour", HOST), ("stranger", NEIGHBOUR)],
)
def test_ways_that_start_at_no_container_stay_open(street: Street, who: str, ip: str) -> None:
    assert street.reaches(who, ip)


@pytest.mark.parametrize(("who", "ip"), [("host", "::1"), ("neighbour", HOST_V6)])
def test_ipv6_that_starts_at_no_container_stays_open(street: Street, who: str, ip: str) -> None:
    assert street.reaches(who, ip)


def test_the_host_reaches_itself_by_a_gateway_of_the_pool(street: Street) -> None:
    assert street.reaches("host", GATEWAY)
