"""What the doctor makes of the GPUs: each finding with why it matters and what mends it."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.domain.gpu import Gpu, GpuReading, Survey
from appliance.host.cdi import CdiRegistry, read_registry
from appliance.host.gpu_doctor import FIX, GpuFacts, judge, read, write_spec
from appliance.host.nvml import NO_MATCH
from tests.fake_nvml import write_cdi

CARD = GpuReading(
    Gpu("GPU-a", 0, "RTX 3090", "NVIDIA", 24_576, driver_version="550.54.14"),
    cdi_names=("nvidia.com/gpu=GPU-a", "nvidia.com/gpu=0"),
)
TOOL = """#!/bin/sh
if [ "$1" = --version ]; then echo "NVIDIA Container Toolkit CLI version 1.17.8"; exit 0; fi
echo "$@" >"$(dirname "$0")/asked"
for word; do case $word in --output=*) echo "cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices: [{name: GPU-a, containerEdits: {deviceNodes: [{path: /dev/null}]}}]" >"${word#--output=}"
esac; done
"""


@pytest.fixture
def fine(tmp_path: Path) -> GpuFacts:
    write_cdi(tmp_path / "nvidia.json", ["GPU-a"])
    registry = read_registry([tmp_path])
    return GpuFacts(Survey((CARD,)), registry, "version 1.17.8", frozenset({"550.54.14"}))


def test_a_machine_without_a_gpu_is_fine_as_it_is() -> None:
    assert [c.status for c in judge(GpuFacts(Survey(), CdiRegistry(), None))] == ["ok"]


def test_a_gpu_that_can_be_given_is_fine(fine: GpuFacts) -> None:
    assert {c.name: c.status for c in judge(fine)} == dict.fromkeys(
        ("gpu", "nvidia container toolkit", "cdi spec", "gpu devices"), "ok"
    )


@pytest.mark.parametrize(
    ("change", "name", "status", "remedy"),
    [
        ({"toolkit": None}, "nvidia container toolkit", "warn", "apt-get install"),
        ({"toolkit": "version 1.16.2"}, "nvidia container toolkit", "fail", "apt-get install"),
        ({"registry": CdiRegistry()}, "cdi spec", "fail", FIX),
        ({"registry": CdiRegistry(faults=("x.json is no CDI spec",))}, "cdi spec", "fail", FIX),
        ({"spec_drivers": frozenset({"535.10"})}, "cdi spec", "fail", FIX),
        ({"absent": ("/dev/nvidia0",)}, "gpu devices", "fail", FIX),
        ({"forbidden": ("/dev/nvidia0",)}, "gpu devices", "fail", "chmod 0666 /dev/nvidia0"),
    ],
)
def test_each_finding_says_why_and_what_mends_it(
    fine: GpuFacts, change: dict[str, object], name: str, status: str, remedy: str
) -> None:
    checks = judge(replace(fine, **change))  # type: ignore[arg-type]
    [found] = [c for c in checks if c.name == name]
    assert (found.status, found.remedy.startswith(remedy)) == (status, True)
    assert found.detail
    assert found.why


def test_half_a_driver_update_is_told() -> None:
    [check] = judge(GpuFacts(Survey(findings=(NO_MATCH,)), CdiRegistry(), None))
    assert (check.status, check.remedy, check.detail) == ("fail", "reboot", NO_MATCH.what)


def test_the_spec_is_read_for_its_driver_and_its_nodes(tmp_path: Path) -> None:
    write_cdi(tmp_path / "cdi" / "a.json", ["GPU-a"])
    (tmp_path / "cdi" / "b.yaml").write_text(
        "cdiVersion: 0.5.0\nkind: x.com/y\ndevices:\n- name: z\n  containerEdits:\n"
        "    deviceNodes: [{path: /dev/no-such-node}]\n"
        "    mounts: [{hostPath: /usr/lib/libcuda.so.535.183.01}]\n"
    )
    facts = read(Survey((CARD,)), [tmp_path / "cdi"])
    assert facts.spec_drivers == {"535.183.01"}
    assert facts.absent == ("/dev/no-such-node",)
    assert facts.forbidden == ()


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "bin" / "nvidia-ctk"
    made.parent.mkdir()
    made.write_text(TOOL)
    made.chmod(made.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{made.parent}:{os.environ['PATH']}")
    return made


def test_the_spec_is_written_by_the_toolkit_with_uuids(tool: Path, tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "cdi"
    assert write_spec([folder]).status == "ok"
    asked = (tool.parent / "asked").read_text()
    assert asked.split() == [
        "cdi", "generate", f"--output={folder}/nvidia.yaml", "--device-name-strategy=uuid"
    ]  # fmt: skip
    assert list(read_registry([folder]).devices) == ["nvidia.com/gpu=GPU-a"]
    facts = read(Survey((CARD,)), [folder])
    assert {c.status for c in judge(facts)} == {"ok"}


def test_without_the_toolkit_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    check = write_spec([tmp_path])
    assert (check.status, check.remedy) == ("fail", "apt-get install nvidia-container-toolkit")


def test_a_toolkit_that_fails_is_quoted(tool: Path, tmp_path: Path) -> None:
    tool.write_text("#!/bin/sh\necho 'level=error msg=no driver' >&2\nexit 1\n")
    check = write_spec([tmp_path])
    assert check.status == "fail"
    assert "no driver" in check.detail
