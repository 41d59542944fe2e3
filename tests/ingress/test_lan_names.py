"""Names below .local: two machines on one wire, each a network namespace of its own."""

import gc
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from appliance.ingress import lan_names
from appliance.ingress.lan_names import LanNames
from tests.ingress.tls import ShiftedClock
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]

PUBLISH = """
import sys
import anyio
from appliance.clock import SystemClock
from appliance.ingress.lan_names import LanNames

async def main():
    hosts = {"box.local", "dep-a.box.local"}
    names = LanNames(lambda: frozenset(hosts), 8443, SystemClock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(names.run)
        while line := await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            verb, host = line.split()
            hosts.add(host) if verb == "add" else hosts.discard(host)
            names.notice()
        tasks.cancel_scope.cancel()

anyio.run(main)
"""

RESOLVE = """
import sys, time
from zeroconf import AddressResolverIPv4, IPVersion, Zeroconf

name, wanted = sys.argv[1] + ".", sys.argv[2]
zeroconf = Zeroconf(interfaces=["10.77.0.2"], ip_version=IPVersion.V4Only)
deadline = time.monotonic() + 20
found = []
while time.monotonic() < deadline:
    resolver = AddressResolverIPv4(name)
    found = resolver.parsed_addresses() if resolver.request(zeroconf, 700) else []
    if (wanted in found) if wanted != "nothing" else not found:
        print("as wanted")
        break
    zeroconf.cache.cache.clear()
zeroconf.close()
"""


def ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True, capture_output=True)


def inside(space: str, program: str, *arguments: str) -> list[str]:
    return ["ip", "netns", "exec", space, sys.executable, "-c", program, *arguments]


@pytest.fixture
def wire() -> Iterator[tuple[str, str]]:
    """Two namespaces joined by a cable: 10.77.0.1 and 10.77.0.2."""
    if os.geteuid() != 0:
        pytest.fail("network namespaces need root: packaging/test.sh is run as root")
    tag = uuid.uuid4().hex[:6]
    ends = (f"nnt{tag}a", f"nnt{tag}b")
    try:
        for space in ends:
            ip("netns", "add", space)
        ip("link", "add", "eth0", "netns", ends[0], "type", "veth",
           "peer", "name", "eth0", "netns", ends[1])  # fmt: skip
        for number, space in enumerate(ends, start=1):
            ip("-n", space, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "lo", "up")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "route", "add", "default", "dev", "eth0")
        yield ends
    finally:
        for space in ends:
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def resolves(space: str, host: str, to: str) -> bool:
    done = subprocess.run(
        inside(space, RESOLVE, host, to), cwd=ROOT, capture_output=True, text=True, check=True
    )
    return "as wanted" in done.stdout


def test_a_neighbour_resolves_console_and_deployments_as_they_come_and_go(
    wire: tuple[str, str],
) -> None:
    here, there = wire
    with subprocess.Popen(
        inside(here, PUBLISH), cwd=ROOT, stdin=subprocess.PIPE, text=True
    ) as publisher:
        assert publisher.stdin is not None
        assert resolves(there, "box.local", "10.77.0.1")
        assert resolves(there, "dep-a.box.local", "10.77.0.1")
        publisher.stdin.write("add dep-b.box.local\n")
        publisher.stdin.flush()
        assert resolves(there, "dep-b.box.local", "10.77.0.1")
        publisher.stdin.write("drop dep-b.box.local\n")
        publisher.stdin.flush()
        assert resolves(there, "dep-b.box.local", "nothing")
        assert resolves(there, "box.local", "10.77.0.1")
        publisher.stdin.close()
        assert publisher.wait(10) == 0


@pytest.mark.anyio
# zeroconf leaves the socket that could not join to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_machine_without_multicast_is_told_and_everything_else_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # An address of nobody's here: the kernel refuses to join the group on it.
    monkeypatch.setattr(lan_names, "lan_addresses", lambda: frozenset({"203.0.113.77"}))
    names = LanNames(lambda: frozenset({"box.local"}), 8443, ShiftedClock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(names.run)
        await eventually(lambda: "names below .local are not published" in caplog.text)
        tasks.cancel_scope.cancel()
    caplog.clear()  # its record of the error holds on to the socket
    gc.collect()
