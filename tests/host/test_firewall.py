"""The rules, by real nft in network namespaces made for the test: a host and its container."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

import pytest

from appliance.host.firewall import ruleset
from tests.box import wait_for

pytestmark = pytest.mark.podman
POOL = IPv4Network("10.99.0.0/24")
LISTEN = """
import socket
listener = socket.create_server(("{ip}", {port}))
print("on", flush=True)
while True: listener.accept()[0].close()
"""
CONNECT = "import socket; socket.create_connection(('{ip}', {port}), 1).close()"


def run(*argv: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@dataclass
class Pair:
    """``host`` has 10.99.0.1 and 192.0.2.1, ``inside`` 10.99.0.2 and 192.0.2.2 outside the pool."""

    host: str
    inside: str

    def reaches(self, start: str, ip: str, port: int) -> bool:
        code = CONNECT.format(ip=ip, port=port)
        return run("ip", "netns", "exec", start, sys.executable, "-c", code).returncode == 0


@pytest.fixture
def pair() -> Iterator[Pair]:
    tag = secrets.token_hex(3)
    made = Pair(f"nnh{tag}", f"nni{tag}")
    listeners: list[subprocess.Popen[str]] = []
    try:
        for name in (made.host, made.inside):
            assert run("ip", "netns", "add", name).returncode == 0
        run("ip", "link", "add", f"h{tag}", "netns", made.host, "type", "veth", "peer", "name",
            f"i{tag}", "netns", made.inside)  # fmt: skip
        for name, link, last in ((made.host, f"h{tag}", 1), (made.inside, f"i{tag}", 2)):
            for ip in (f"10.99.0.{last}/24", f"192.0.2.{last}/24"):
                run("ip", "-n", name, "addr", "add", ip, "dev", link)
            run("ip", "-n", name, "link", "set", link, "up")
        for name, ip, port in ((made.host, "0.0.0.0", 8000), (made.host, "0.0.0.0", 53),
                               (made.inside, "0.0.0.0", 8000)):  # fmt: skip
            listeners.append(listen(name, ip, port))
        yield made
    finally:
        for listener in listeners:
            listener.kill()
            listener.communicate()
        for name in (made.host, made.inside):
            run("ip", "netns", "del", name)


def listen(name: str, ip: str, port: int) -> "subprocess.Popen[str]":
    code = LISTEN.format(ip=ip, port=port)
    argv = ["ip", "netns", "exec", name, sys.executable, "-c", code]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    return process


def test_a_container_reaches_dns_and_answers_but_no_service_of_the_host(pair: Pair) -> None:
    wait_for(lambda: pair.reaches(pair.inside, "10.99.0.1", 8000))
    for _ in range(2):  # put in place again, it replaces itself
        done = run("ip", "netns", "exec", pair.host, "nft", ruleset("appliance_t", POOL))
        assert done.returncode == 0, done.stderr
    assert not pair.reaches(pair.inside, "10.99.0.1", 8000)
    assert pair.reaches(pair.inside, "10.99.0.1", 53)
    assert pair.reaches(pair.host, "10.99.0.2", 8000)


def test_where_rules_can_not_be_set_the_trial_says_so() -> None:
    """Root in a user namespace of its own, without the right to this machine's rules."""
    code = (
        "from ipaddress import IPv4Network; from appliance.host.firewall import unavailable;"
        f"print(unavailable(IPv4Network('{POOL}')))"
    )
    root = ("unshare", "--user", "--map-root-user")
    assert "Operation not permitted" in run(*root, sys.executable, "-c", code).stdout
    assert run(*root, "--net", sys.executable, "-c", code).stdout == "None\n"
