"""A deployment's network where other interfaces come and go, as those of containers do."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from anyio import to_thread

from tests.podman_harness import PodmanLab, apart, listening
from tests.runtime.subjects import a_spec, new_deployment
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.anyio, pytest.mark.podman]

RESTLESS = 12
NETWORKS = 8
COMES_AND_GOES = (
    "while :; do printf 'link add {0} type bridge\\naddr add 192.0.2.1/32 dev {0}\\n"
    "link set {0} up\\nlink del {0}\\n' | ip -batch -; done &"
)


@pytest.fixture
def restless(podman_lab: PodmanLab) -> Iterator[str]:
    """The lab's Podman in a network namespace whose interfaces come and go all the time."""
    path = podman_lab.home.directory / "restless.sock"
    service = podman_lab.service_command(f"unix://{path}")
    with _running(podman_lab, "unshare", "--net", *service) as podman:
        apart(listening, path)
        script = "".join(COMES_AND_GOES.format(f"nnmove{n}") for n in range(RESTLESS))
        namespace = f"--net=/proc/{podman.pid}/ns/net"
        with _running(podman_lab, "nsenter", namespace, "sh", "-c", f"{script} wait"):
            yield f"unix://{path}"


async def test_a_network_is_made_while_others_come_and_go(
    podman_lab: PodmanLab, restless: str, prefix: str
) -> None:
    """Podman 4.3.1 refuses about half of them; 5.4.2 was not seen to."""
    async with podman_lab.runtime(prefix, url=restless) as runtime:
        specs = [a_spec(prefix, new_deployment()) for _ in range(NETWORKS)]
        for spec in specs:
            await runtime.create(spec)
        made = await to_thread.run_sync(podman_lab.podman, "network", "ls", "--format={{.Name}}")
        assert {spec.network for spec in specs} <= set(made.split())


@contextmanager
def _running(lab: PodmanLab, *command: str) -> "Iterator[subprocess.Popen[bytes]]":
    """The command, as a session of its own that ends with the block, all of it."""
    child = lab.spawn(*command)
    try:
        yield child
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(PATIENCE_S)
