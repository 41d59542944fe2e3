"""What the doctor makes of the facts."""

import os
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from appliance.host import doctor
from appliance.host.doctor import (
    Check,
    Facts,
    can_limit_memory,
    examine,
    judge,
    judge_strangers,
    version_of,
)

GIB = 1024**3
FINE = Facts(
    python=(3, 12), podman="podman version 5.4.2",
    programs=frozenset({"netavark", "aardvark-dns", "catatonit"}), static_busybox=True,
    no_firewall=None, memory_limits=True, free_bytes=50 * GIB, total_bytes=100 * GIB,
    data_mode=0o700, sqlite="3.51.3",
)  # fmt: skip


def status(facts: Facts, name: str) -> str:
    [check] = [c for c in judge(facts) if c.name == name]
    assert check.status == "ok" or check.detail
    return check.status


def test_a_machine_that_has_everything_is_fine() -> None:
    assert {c.status for c in judge(FINE)} == {"ok"}


@pytest.mark.parametrize(
    ("facts", "name", "expected"),
    [
        (replace(FINE, podman=None), "podman", "fail"),
        (replace(FINE, podman="podman version 3.4.4"), "podman", "fail"),
        (replace(FINE, podman="podman version 4.3.1"), "podman", "warn"),
        (replace(FINE, programs=frozenset()), "netavark", "fail"),
        (replace(FINE, programs=frozenset()), "catatonit", "warn"),
        (replace(FINE, static_busybox=False), "busybox", "warn"),
        (replace(FINE, no_firewall="only root can"), "firewall", "warn"),
        (replace(FINE, memory_limits=False), "memory limits", "fail"),
        (replace(FINE, free_bytes=4 * GIB), "disk", "warn"),
        (replace(FINE, free_bytes=9 * GIB), "disk", "warn"),
        (replace(FINE, free_bytes=None), "disk", "unknown"),
        (replace(FINE, data_mode=0o755), "data directory", "fail"),
        (replace(FINE, python=(3, 10)), "python", "fail"),
    ],
)
def test_what_is_wrong_is_told(facts: Facts, name: str, expected: str) -> None:
    assert status(facts, name) == expected


@pytest.mark.parametrize(
    ("root", "v1", "controllers", "holds"),
    [
        (True, True, "", True),
        (True, False, "cpu memory pids", True),
        (True, False, "cpu pids", False),
        (False, True, "", False),
        (False, False, "memory pids", True),
        (False, False, "pids", False),
    ],
)
def test_limits_hold_where_podman_may_use_a_memory_cgroup(
    root: bool, v1: bool, controllers: str, holds: bool
) -> None:
    assert can_limit_memory(root=root, v1=v1, controllers=controllers) is holds


def test_containers_that_no_deployment_knows_are_named_with_what_to_do() -> None:
    check = judge_strangers({"nn1-dep-b-g1", "nn1-dep-a-g2"}, "podman --url unix:///x")
    assert check.status == "warn"
    assert "nn1-dep-a-g2, nn1-dep-b-g1" in check.detail
    assert check.remedy.endswith("podman --url unix:///x rm --force nn1-dep-a-g2 nn1-dep-b-g1")


def test_of_many_unknown_containers_the_first_are_named() -> None:
    check = judge_strangers([f"nn1-dep-{n:02}-g1" for n in range(12)], "podman")
    assert check.detail.endswith("nn1-dep-09-g1 and 2 more")
    assert check.remedy.endswith("nn1-dep-09-g1")


def test_it_is_told_apart_whether_no_container_is_unknown_or_nobody_has_looked() -> None:
    assert judge_strangers(frozenset(), "podman").status == "ok"
    assert judge_strangers(None, "podman").status == "unknown"


def test_versions_are_read_from_words() -> None:
    assert version_of("podman version 4.3.1") == (4, 3, 1)
    assert version_of("none") == ()


def test_this_machine_is_examined_and_the_trial_comes_last(tmp_path: Path) -> None:
    trial = Check("oci runtime", "ok", "runc")
    checks = examine(tmp_path, IPv4Network("10.99.0.0/24"), sqlite_version="3.40.1", trial=trial)
    assert checks[-1] == trial
    assert {c.name for c in checks} >= {"podman", "disk", "firewall"}


def test_a_podman_that_says_nothing_is_told_and_keeps_nobody_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    podman = tmp_path / "podman"
    monkeypatch.setattr(doctor, "VERSION_S", 0.2)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for script in ("#!/bin/sh\nexec sleep 60\n", "#!/nowhere\n", "#!/bin/sh\n"):
        podman.write_text(script)
        podman.chmod(0o755)
        doctor.refuse_old_podman()
        [check] = [
            c
            for c in examine(tmp_path, IPv4Network("10.99.0.0/24"), sqlite_version="3", trial=None)
            if c.name == "podman"
        ]
        assert (check.status, check.remedy) == ("fail", "podman --version")
