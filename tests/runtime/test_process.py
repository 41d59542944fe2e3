"""A process is its number and its start; a number alone may be another's by now."""

import os
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from appliance.runtime import process
from tests import descriptors
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


def test_a_name_may_be_any_bytes() -> None:
    script = "open('/proc/self/comm', 'wb').write(b'\\xff\\xfe'); print(flush=True); input()"
    command = [sys.executable, "-c", script, "\udcff"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = process.read(child.pid)
        assert found is not None
        assert process.alive(found)
        assert not process.watches(child.pid, "f" * 64)
        assert process.of_container(child.pid, "f" * 64) is None
        child.kill()


def test_what_cant_be_looked_at_now_is_neither_dead_nor_sent_a_signal() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        found = process.read(child.pid)
        assert found is not None
        gone = replace(found, start_ticks=found.start_ticks + 1)
        with descriptors.none_left():
            assert process.alive(found)
            assert process.alive(gone)
            assert process.missing_devices(found, ["/dev/not-there"]) == ()
        assert not process.alive(gone)
        assert process.missing_devices(found, ["/dev/not-there"]) == ("/dev/not-there",)
        child.kill()
