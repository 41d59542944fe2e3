"""Which addresses are this machine's, seen from a network namespace made for the test."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.podman
ROOT = Path(__file__).parents[2]
ASK = """
import json
from appliance.host.names import lan_addresses, own_addresses
print(json.dumps([sorted(own_addresses()), sorted(lan_addresses())]))
"""


class Machine:
    """A namespace with interfaces of its own; ``ip`` runs in it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def ip(self, *arguments: str) -> None:
        subprocess.run(["ip", "-n", self._name, *arguments], check=True, capture_output=True)

    def link(self, name: str, address: str) -> None:
        self.ip("link", "add", name, "type", "veth", "peer", "name", "peer0")
        self.ip("address", "add", address, "dev", name)
        for end in (name, "peer0"):
            self.ip("link", "set", end, "up")

    def addresses(self) -> tuple[list[str], list[str]]:
        """Its own ones, and those in the networks of other machines."""
        done = subprocess.run(
            ["ip", "netns", "exec", self._name, sys.executable, "-c", ASK],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        own, lan = json.loads(done.stdout)
        return own, lan


@pytest.fixture
def machine() -> Iterator[Machine]:
    name = f"nnn{secrets.token_hex(3)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        made = Machine(name)
        made.ip("link", "set", "lo", "up")
        yield made
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_loopback_is_its_own_and_in_nobodys_network(machine: Machine) -> None:
    assert machine.addresses() == (["127.0.0.1", "::1"], [])


def test_an_interface_counts_while_it_is_up(machine: Machine) -> None:
    machine.link("eth7", "192.0.2.7/24")
    assert machine.addresses() == (["127.0.0.1", "192.0.2.7", "::1"], ["192.0.2.7"])
    machine.ip("link", "set", "eth7", "down")
    assert machine.addresses() == (["127.0.0.1", "::1"], [])


@pytest.mark.parametrize("name", ["nn1234", "podman3", "veth9", "docker0", "br-12", "virbr0"])
def test_an_interface_of_containers_does_not_count(machine: Machine, name: str) -> None:
    machine.link(name, "10.99.0.1/24")
    assert machine.addresses() == (["127.0.0.1", "::1"], [])


def test_an_address_without_meaning_outside_its_link_is_left_out(machine: Machine) -> None:
    machine.link("eth7", "fe80::7/64")
    machine.ip("address", "add", "2001:db8::7/64", "dev", "eth7")
    assert machine.addresses() == (["127.0.0.1", "2001:db8::7", "::1"], [])
