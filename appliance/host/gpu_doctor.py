"""Whether deployments can be given this machine's GPUs: driver, toolkit, CDI spec, permissions.

A machine without a GPU is fine as it is. Facts are read thinly, and judged purely.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.domain.gpu import GpuReading, Survey
from appliance.host.cdi import CdiRegistry, read_registry
from appliance.host.doctor import Check, version_of

TOOLKIT_FLOOR = (1, 17, 8)
LIBCUDA = re.compile(r"libcuda\.so\.(\d+(?:\.\d+)+)")
TOOL_S = 60
FIX = "appliance doctor --fix"
INSTALL_TOOLKIT = "apt-get install nvidia-container-toolkit"
GIVE = "Deployments can't be given a GPU."


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """What was read. ``toolkit`` is nvidia-ctk's version, None if it is not installed.

    ``spec_drivers`` are the driver versions that CDI specs were written for; ``absent`` and
    ``forbidden`` the device nodes they name that are not there, or not this user's to open.
    """

    survey: Survey
    registry: CdiRegistry
    toolkit: str | None
    spec_drivers: frozenset[str] = frozenset()
    absent: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


def read(survey: Survey, cdi_folders: Sequence[Path]) -> GpuFacts:
    """Looks at the toolkit, the specs and the device nodes they name."""
    registry = read_registry(cdi_folders)
    nodes = sorted({node for d in registry.devices.values() for node in d.host_paths})
    here = [node for node in nodes if Path(node).exists()]
    return GpuFacts(
        survey=survey,
        registry=registry,
        toolkit=_toolkit_version(),
        spec_drivers=frozenset(_spec_drivers(registry.files)),
        absent=tuple(node for node in nodes if node not in here),
        forbidden=tuple(node for node in here if not os.access(node, os.R_OK | os.W_OK)),
    )


def judge(facts: GpuFacts) -> list[Check]:
    """The findings that follow from ``facts``."""
    survey = facts.survey
    if not survey.readings and not survey.findings:
        return [Check("gpu", "ok", "none on this machine")]
    checks = [*_driver(survey)]
    if any(r.gpu.brand == "NVIDIA" for r in survey.readings):
        checks.append(_toolkit(facts))
    if survey.readings:
        checks += [_spec(facts), *_nodes(facts)]
    return checks


def write_spec(cdi_folders: Sequence[Path]) -> Check:
    """Has nvidia-ctk write a CDI spec, in the first folder; devices are named by uuid.

    A uuid is the same card for ever, while an index is another's after a card was added.
    """
    tool = shutil.which("nvidia-ctk")
    if tool is None:
        return Check("cdi spec", "fail", "nvidia-ctk is not installed", INSTALL_TOOLKIT, GIVE)
    file = cdi_folders[0] / "nvidia.yaml"
    command = [tool, "cdi", "generate", f"--output={file}", "--device-name-strategy=uuid"]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        done = _run(command)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("cdi spec", "fail", f"{file} can't be written: {error}", "", GIVE)
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        return Check("cdi spec", "fail", f"nvidia-ctk: {said}", " ".join(command), GIVE)
    return Check("cdi spec", "ok", f"{file} is written")


def _driver(survey: Survey) -> Iterator[Check]:
    for finding in survey.findings:
        if finding.code != "gpu_without_cdi":  # the spec's own check tells more
            yield Check("gpu driver", "fail", finding.what, finding.command, finding.why)
    if survey.readings:
        yield Check("gpu", "ok", ", ".join(_described(r) for r in survey.readings))


def _described(reading: GpuReading) -> str:
    gpu = reading.gpu
    driver = f", driver {gpu.driver_version}" if gpu.driver_version else ""
    return f"{gpu.name or gpu.brand or gpu.key}{driver}"


def _toolkit(facts: GpuFacts) -> Check:
    name = "nvidia container toolkit"
    if facts.toolkit is None:
        why = "Without it nobody writes the CDI spec, or again after a driver update."
        return Check(name, "warn", "not found", INSTALL_TOOLKIT, why)
    if version_of(facts.toolkit) < TOOLKIT_FLOOR:
        why = "Older than 1.17.8 it lets containers out (CVE-2025-23266)."
        return Check(name, "fail", facts.toolkit, INSTALL_TOOLKIT, why)
    return Check(name, "ok", facts.toolkit)


def _spec(facts: GpuFacts) -> Check:
    readings = facts.survey.readings
    named = [r for r in readings if any(n in facts.registry.devices for n in r.cdi_names)]
    if facts.registry.faults:
        return Check("cdi spec", "fail", "; ".join(facts.registry.faults), FIX, GIVE)
    if len(named) < len(readings):
        missing = ", ".join(f"GPU {r.gpu.index}" for r in readings if r not in named)
        return Check("cdi spec", "fail", f"no spec names {missing}", FIX, GIVE)
    drivers = {r.gpu.driver_version for r in readings if r.gpu.brand == "NVIDIA"}
    if stale := facts.spec_drivers - drivers:
        why = "It names files of the old driver, so containers with a GPU don't start."
        return Check("cdi spec", "fail", f"written for driver {', '.join(sorted(stale))}", FIX, why)
    return Check("cdi spec", "ok", f"names all of {len(readings)}")


def _nodes(facts: GpuFacts) -> Iterator[Check]:
    if facts.absent:
        why = "Containers with a GPU don't start: the spec names what is not there."
        yield Check("gpu devices", "fail", f"no {', '.join(facts.absent)}", FIX, why)
    if facts.forbidden:
        names = " ".join(facts.forbidden)
        why = "Rootless Podman opens them as you, and you may not."
        yield Check("gpu devices", "fail", f"not yours to open: {names}",
                    f"chmod 0666 {names}", why)  # fmt: skip
    if facts.registry.devices and not (facts.absent or facts.forbidden):
        yield Check("gpu devices", "ok", "all there")


def _spec_drivers(files: Sequence[Path]) -> Iterator[str]:
    """nvidia-ctk writes the full names of the driver's libraries, which end in its version."""
    for file in files:
        try:
            yield from LIBCUDA.findall(file.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue


def _toolkit_version() -> str | None:
    tool = shutil.which("nvidia-ctk")
    if tool is None:
        return None
    try:
        done = _run([tool, "--version"])
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().partition("\n")[0] or None


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - an absolute path and our own arguments
        command, capture_output=True, text=True, timeout=TOOL_S, check=False
    )
