"""A process is its number and its start; a number alone may be another's by now."""

import os
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from appliance.runtime import process
from tests.waiting import eventually


def test_this_process_is_alive_and_a_namesake_is_not() -> None:
    me = process.read(os.getpid())
    assert me is not None
    assert process.alive(me)
    assert not process.alive(replace(me, start_ticks=me.start_ticks + 1))


def test_a_name_with_brackets_and_spaces_is_read() -> None:
    script = "import time; open('/proc/self/comm', 'w').write('a) b (c'); print(flush=True)"
    command = ["python3", "-c", f"{script}; time.sleep(60)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = process.read(child.pid)
        assert found is not None
        assert found.start_ticks > 0
        child.kill()


def test_a_zombie_is_gone() -> None:
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process.read(child.pid) is None


def test_kill_ends_that_very_process_and_no_namesake() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        found = process.read(child.pid)
        assert found is not None
        process.kill(replace(found, start_ticks=found.start_ticks + 1))
        assert process.alive(found)
        process.kill(found)
        child.wait()
    process.kill(found)


def test_a_process_outside_the_container_is_not_its_own() -> None:
    assert process.of_container(os.getpid(), "f" * 64) is None
    assert process.of_container(0, "f" * 64) is None
    assert process.of_container(2**22 + 1, "f" * 64) is None


@pytest.mark.anyio
async def test_without_a_cgroup_of_its_own_it_is_the_child_of_the_containers_monitor() -> None:
    monitor = "import subprocess; subprocess.run(['sleep', '60'])"
    with subprocess.Popen([sys.executable, "-c", monitor, "-c", "f" * 64]) as parent:
        watched = psutil.Process(parent.pid)
        await eventually(lambda: bool(watched.children()))
        [child] = watched.children()
        assert process.of_container(child.pid, "f" * 64) == process.read(child.pid) is not None
        assert process.of_container(child.pid, "e" * 64) is None
        child.kill()
