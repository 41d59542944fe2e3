"""What is right and wrong with this machine, put together from the rooms that know.

For the command line, with or without a running appliance, and for the API.
"""

import os
import shlex
from collections.abc import Collection, Iterator, Sequence

from appliance.clock import SystemClock
from appliance.config import Settings
from appliance.domain.gpu import Survey
from appliance.host import gpu_doctor
from appliance.host.cdi import read_registry
from appliance.host.doctor import Check, examine, judge_strangers
from appliance.host.gpus import GpuReader
from appliance.host.welcome import find_busybox
from appliance.ingress.checkup import check_certificates
from appliance.runtime.home import PodmanHome
from appliance.runtime.trial import TrialResult, missing_nodes, read_result
from appliance.store.database import SQLITE_VERSION

SELF_TEST = "gpu self-test"


def diagnose(settings: Settings, survey: Survey | None = None) -> list[Check]:
    """Every finding; ``survey`` is the GPUs' last one, where somebody watches them. Blocks."""
    home = podman_home(settings)
    trial = None if settings.podman_url else read_result(home)
    verdict = None if trial is None else _trial_check(trial)
    checks = examine(
        settings.data_dir, settings.network_pool, sqlite_version=SQLITE_VERSION, trial=verdict
    )
    seen = survey or GpuReader(settings.cdi_dirs).survey()
    checks += gpu_doctor.judge(gpu_doctor.read(seen, settings.cdi_dirs))
    if trial is not None and trial.works:
        checks += _self_tests(settings, seen, trial)
    return [*checks, *check_certificates(settings, SystemClock().now().wall)]


def observed(settings: Settings, strangers: Collection[str] | None) -> list[Check]:
    """What only a running appliance can find; ``strangers`` is what its reconciler last saw."""
    return [judge_strangers(strangers, podman_command(settings))]


def podman_command(settings: Settings) -> str:
    """What an owner types to reach the Podman that holds our containers."""
    if settings.podman_url is not None:
        return shlex.join(["podman", "--url", settings.podman_url])
    home = podman_home(settings)
    if home.root is None:
        return "podman"
    return shlex.join([f"CONTAINERS_CONF={home.containers_conf}", "podman", *home.arguments()])


def fix(settings: Settings) -> Check | None:
    """Writes a CDI spec where an NVIDIA GPU has none that will do; None: nothing to mend."""
    seen = GpuReader(settings.cdi_dirs).survey()
    judged = gpu_doctor.judge(gpu_doctor.read(seen, settings.cdi_dirs))
    wrong = any(check.remedy == gpu_doctor.FIX for check in judged)
    return gpu_doctor.write_spec(settings.cdi_dirs) if wrong else None


def podman_home(settings: Settings) -> PodmanHome:
    """Where our own Podman keeps its things."""
    return PodmanHome(settings.podman_dir, settings.podman_root, settings.network_pool)


def _self_tests(settings: Settings, survey: Survey, trial: TrialResult) -> Iterator[Check]:
    """Runs a container with each GPU, and looks from inside for its device nodes."""
    registry, busybox = read_registry(settings.cdi_dirs), find_busybox()
    for reading in survey.readings if busybox else ():
        device = next((n for n in reading.cdi_names if n in registry.devices), None)
        if device is None or busybox is None:
            continue
        paths: Sequence[str] = registry.devices[device].paths
        error = missing_nodes(
            podman_home(settings), busybox, trial.limits, os.environ, device=device, paths=paths
        )
        if error is None:
            yield Check(SELF_TEST, "ok", f"GPU {reading.gpu.index} is seen from inside a container")
        else:
            yield Check(SELF_TEST, "fail", f"GPU {reading.gpu.index}: {error}", gpu_doctor.FIX,
                        "A deployment with this GPU would not start.")  # fmt: skip


def _trial_check(trial: TrialResult) -> Check:
    """What the trial of OCI runtimes found, in words."""
    failed = [a for a in trial.attempts if a.error is not None]
    why = "; ".join(f"{a.runtime} (nofile {a.nofile}): {a.error}" for a in failed)
    if not trial.works:
        remedy = "install runc or crun, busybox-static, and look at the error"
        return Check("oci runtime", "fail", trial.problem or why, remedy)
    used = f"{trial.runtime}, nofile {trial.limits.nofile}, nproc {trial.limits.nproc}"
    return Check("oci runtime", "ok", f"{used}; did not work: {why}" if why else used)
