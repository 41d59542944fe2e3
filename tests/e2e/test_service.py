"""``packaging/up.sh`` where systemd runs: a service of the machine, so only on one made for it."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.box import ROOT, wait_for

pytestmark = pytest.mark.systemd
UNIT = Path("/etc/systemd/system/appliance.service")
REGION = 'the "attic" 100%'
PATIENCE_S = 180.0
"""Every processor may be emulated."""


def run(*argv: str | Path, **environ: str) -> str:
    done = subprocess.run(
        argv, cwd=ROOT, env={**os.environ, **environ}, check=False, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def main_pid() -> int:
    return int(run("systemctl", "show", "--property=MainPID", "--value", "appliance"))


def containers() -> str:
    """Each with its process, which is another one after a restart."""
    return run("podman", "ps", "--format={{.ID}} {{.Pid}}")


def answers() -> bool:
    asked = subprocess.run(["appliance", "ps"], capture_output=True, check=False)
    return asked.returncode == 0


@pytest.fixture(scope="module")
def up() -> str:
    return run("packaging/up.sh", APPLIANCE_REGION=REGION)


def test_up_makes_it_a_service_that_starts_with_the_machine(up: str) -> None:
    assert f"server: started (pid {main_pid()}), its log: journalctl -u appliance" in up
    assert run("systemctl", "is-enabled", "appliance") == "enabled"
    assert "answers" in up
    assert f"server: runs already (pid {main_pid()})" in run("packaging/up.sh")


def test_a_crash_is_made_good_and_no_container_notices(up: str) -> None:
    assert up
    before, crashed = containers(), main_pid()
    os.kill(crashed, signal.SIGKILL)
    wait_for(lambda: main_pid() not in (0, crashed) and answers(), within_s=PATIENCE_S)
    assert containers() == before != ""


def test_a_restart_keeps_the_containers_and_the_settings_of_the_environment(up: str) -> None:
    assert up
    before = containers()
    run("systemctl", "stop", "appliance")
    assert containers() == before != ""
    run("systemctl", "start", "appliance")
    wait_for(answers, within_s=PATIENCE_S)
    assert containers() == before
    assert REGION in run("appliance", "node")


def test_down_takes_the_service_away_and_leaves_the_containers(up: str) -> None:
    assert up
    before = containers()
    assert "server: stopped" in run("packaging/down.sh")
    assert not UNIT.exists()
    assert containers() == before != ""
    assert "welcome: deployed already" in run("packaging/up.sh")
    assert containers() == before
