"""The trial: what works on this machine is found by running it, and remembered."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.host.welcome import find_busybox
from appliance.runtime.home import PodmanHome
from appliance.runtime.trial import allowed_limits, find_runtime, read_result
from tests.podman_harness import random_pool, remove_lab

pytestmark = [pytest.mark.anyio, pytest.mark.podman]


@pytest.fixture
def home() -> Iterator[PodmanHome]:
    top = Path(tempfile.mkdtemp(prefix="nnlab-", dir="/tmp"))
    home = PodmanHome(top / "home", top / "root", random_pool())
    home.prepare()
    yield home
    remove_lab(top, home.pool)


async def test_something_works_here_and_failures_tell_their_real_error(home: PodmanHome) -> None:
    result = await find_runtime(home, find_busybox(), environ())
    assert result.works
    *failed, used = result.attempts
    assert used.error is None
    assert all(attempt.error for attempt in failed)
    assert result.runtime == used.runtime
    assert result.limits.nofile <= allowed_limits()[0]
    assert f'runtime = "{home.directory / used.runtime}"' in conf(home)


async def test_the_answer_is_remembered_until_something_changes(home: PodmanHome) -> None:
    first = await find_runtime(home, find_busybox(), environ())
    nothing_to_try_with = None
    assert await find_runtime(home, nothing_to_try_with, environ()) == first
    assert read_result(home) == first
    forget_key(home)
    assert read_result(home) is None


async def test_a_runtime_that_refuses_is_passed_over_with_its_words(
    home: PodmanHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "crun"
    broken.write_text("#!/bin/sh\necho 'this machine is not for me' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    result = await find_runtime(home, find_busybox(), environ())
    assert result.works
    assert result.runtime == "runc"
    assert {a.runtime for a in result.attempts[:-1]} >= {"crun"}
    assert "this machine is not for me" in str(result.attempts[0].error)


async def test_without_podman_the_problem_is_told(
    home: PodmanHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    result = await find_runtime(home, find_busybox(), environ())
    assert not result.works
    assert result.problem == "podman is not installed"


async def test_an_answer_that_nothing_works_is_asked_again(home: PodmanHome) -> None:
    assert not (await find_runtime(home, None, environ())).works
    assert (await find_runtime(home, find_busybox(), environ())).works


def test_a_root_of_an_earlier_boot_is_forgotten_and_its_storage_is_kept(home: PodmanHome) -> None:
    assert home.root is not None
    state, stored = home.root / "run" / "libpod", home.root / "storage"
    state.mkdir(parents=True)
    stored.mkdir()
    home.prepare()
    assert state.exists()
    (home.root / "boot-id").write_text("another boot\n")
    home.prepare()
    assert not state.exists()
    assert stored.exists()


def environ() -> dict[str, str]:
    return dict(os.environ)


def conf(home: PodmanHome) -> str:
    return home.containers_conf.read_text()


def forget_key(home: PodmanHome) -> None:
    memory = home.directory / "trial.json"
    kept = json.loads(memory.read_text())
    memory.write_text(json.dumps({**kept, "key": "another boot"}))
