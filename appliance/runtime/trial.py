"""Which OCI runtime and which limits work on this machine, found out by running a container.

Machines differ in ways no version number tells: crun refuses a hybrid cgroup layout, and the usual
limits may be above what this process may set. The answer is kept for as long as the machine runs
with the same programs.
"""

import hashlib
import json
import os
import resource
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anyio import to_thread

from appliance.clock import BOOT_ID_FILE
from appliance.runtime.home import PodmanHome, file_stamp
from appliance.runtime.spec import MachineLimits

RUNTIMES = ("crun", "runc")  # the order in which Podman itself looks for them
PROGRAMS = ("podman", "conmon", "catatonit", *RUNTIMES)
CATATONIT_PLACES = ("/usr/libexec/podman/catatonit", "/usr/bin/catatonit")
USUAL_LIMIT = 65_536
TRY_S = 30
LONGEST_ERROR = 600
LOOK_FOR = 'for path; do test -c "$path" || { echo "$path is not inside" >&2; exit 1; }; done'


@dataclass(frozen=True, slots=True)
class Attempt:
    """One container that was tried; ``error`` is what Podman said, None if it ran."""

    runtime: str
    nofile: int
    nproc: int
    error: str | None


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What was tried, in order; the last one is what is used.

    ``problem`` says why nothing could be tried; ``init`` that catatonit is there.
    """

    attempts: tuple[Attempt, ...]
    init: bool
    problem: str | None = None

    @property
    def works(self) -> bool:
        """Whether a container ran."""
        return bool(self.attempts) and self.attempts[-1].error is None

    @property
    def runtime(self) -> str:
        """The OCI runtime to use."""
        return self.attempts[-1].runtime if self.attempts else RUNTIMES[0]

    @property
    def limits(self) -> MachineLimits:
        """What every container may have."""
        nofile, nproc = allowed_limits()
        if self.attempts:
            nofile, nproc = self.attempts[-1].nofile, self.attempts[-1].nproc
        return MachineLimits(nofile=nofile, nproc=nproc, init=self.init)


async def find_runtime(
    home: PodmanHome, busybox: Path | None, environ: Mapping[str, str]
) -> TrialResult:
    """Tries until a container runs, writes containers.conf accordingly, and remembers.

    Args:
        home: prepared.
        busybox: a statically linked BusyBox, all that the container consists of.
        environ: what Podman inherits.
    """
    return await to_thread.run_sync(_find, home, busybox, environ)


def read_result(home: PodmanHome) -> TrialResult | None:
    """The remembered answer, None if there is none for this boot and these programs."""
    try:
        kept = json.loads(_memory(home).read_text())
    except (OSError, ValueError):
        return None
    return _from_json(kept["result"]) if kept["key"] == _key(home) else None


def allowed_limits() -> tuple[int, int]:
    """The most files and processes this process may allow another.

    Podman sets a container's process limit from a process that has at most pid_max itself.
    """
    pid_max = int(Path("/proc/sys/kernel/pid_max").read_text())
    files = _hard(resource.RLIMIT_NOFILE)
    return min(files, USUAL_LIMIT), min(_hard(resource.RLIMIT_NPROC), pid_max, USUAL_LIMIT)


def _find(home: PodmanHome, busybox: Path | None, environ: Mapping[str, str]) -> TrialResult:
    result = read_result(home)
    if result is None or not result.works:
        result = _try_all(home, busybox, environ)
        memory = json.dumps({"key": _key(home), "result": asdict(result)})
        _memory(home).write_text(memory)
    home.write_conf(result.runtime, result.limits)
    return result


def _try_all(home: PodmanHome, busybox: Path | None, environ: Mapping[str, str]) -> TrialResult:
    init = any(Path(place).exists() for place in CATATONIT_PLACES) or has("catatonit")
    problem = _missing(busybox)
    if problem or busybox is None:
        return TrialResult((), init, problem)
    rootfs = _make_rootfs(home, busybox)
    attempts: list[Attempt] = []
    for runtime, nofile, nproc in _candidates():
        limits = MachineLimits(nofile=nofile, nproc=nproc, init=init)
        home.write_conf(runtime, limits)
        error = _run(home, limits, rootfs, environ)
        attempts.append(Attempt(runtime, nofile, nproc, error))
        if error is None:
            break
    shutil.rmtree(rootfs)
    return TrialResult(tuple(attempts), init)


def missing_nodes(
    home: PodmanHome,
    busybox: Path,
    limits: MachineLimits,
    environ: Mapping[str, str],
    *,
    device: str,
    paths: Sequence[str],
) -> str | None:
    """Runs a container with that CDI device and looks for ``paths`` inside; what is wrong."""
    rootfs = _make_rootfs(home, busybox, name=f"trial-{secrets.token_hex(4)}")
    command = ("sh", "-c", LOOK_FOR, "look", *paths)
    try:
        return _run(home, limits, rootfs, environ, command=command, device=device)
    finally:
        shutil.rmtree(rootfs, ignore_errors=True)


def _missing(busybox: Path | None) -> str | None:
    if not has("podman"):
        return "podman is not installed"
    if not any(map(has, RUNTIMES)):
        return "there is no OCI runtime: install crun or runc"
    return "there is no statically linked busybox to try with" if busybox is None else None


def has(program: str) -> bool:
    """Whether it is on the PATH."""
    return shutil.which(program) is not None


def _candidates() -> Iterator[tuple[str, int, int]]:
    usual, allowed = (USUAL_LIMIT, USUAL_LIMIT), allowed_limits()
    for runtime in filter(has, RUNTIMES):
        yield (runtime, *usual)
        if allowed != usual:
            yield (runtime, *allowed)


def _make_rootfs(home: PodmanHome, busybox: Path, name: str = "trial") -> Path:
    rootfs = home.directory / name
    shutil.rmtree(rootfs, ignore_errors=True)
    (rootfs / "bin").mkdir(parents=True)
    shutil.copy(busybox, rootfs / "bin" / "busybox")
    return rootfs


def _run(
    home: PodmanHome,
    limits: MachineLimits,
    rootfs: Path,
    environ: Mapping[str, str],
    *,
    command: Sequence[str] = ("true",),
    device: str | None = None,
) -> str | None:
    """Runs one container as ours are run; what went wrong, or None."""
    name = f"appliance-trial-{secrets.token_hex(4)}"
    podman = ["podman", *home.arguments()]
    options = [
        f"--name={name}",
        "--rm",
        "--network=none",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
        "--memory=64m",
        "--pids-limit=64",
        f"--ulimit=nofile={limits.nofile}:{limits.nofile}",
        f"--ulimit=nproc={limits.nproc}:{limits.nproc}",
        *(["--init"] if limits.init else []),
        *([f"--device={device}"] if device else []),
    ]
    run = [*podman, "run", *options, "--rootfs", str(rootfs), "/bin/busybox", *command]
    error = _complaint(run, home.environment(environ))
    if error is not None:
        _complaint([*podman, "rm", "--force", "--ignore", name], home.environment(environ))
    return error


def _complaint(command: list[str], environment: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments, no shell
            command, env=environment, capture_output=True, text=True, timeout=TRY_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it did not end within {TRY_S} s"
    if done.returncode == 0:
        return None
    return _last_line(done.stderr) or f"it ended with code {done.returncode}"


def _last_line(stderr: str) -> str:
    """What went wrong comes last; before it Podman warns of everything else it met."""
    return stderr.strip().rpartition("\n")[2].removeprefix("Error: ")[-LONGEST_ERROR:]


def _memory(home: PodmanHome) -> Path:
    return home.directory / "trial.json"


def _key(home: PodmanHome) -> str:
    """What the answer depends on."""
    programs = [file_stamp(Path(shutil.which(p) or p)) for p in PROGRAMS]
    facts = [BOOT_ID_FILE.read_text(), str(home.root), str(os.geteuid()), *programs]
    facts += [str(limit) for limit in allowed_limits()]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _from_json(kept: dict[str, Any]) -> TrialResult:
    attempts = tuple(Attempt(**attempt) for attempt in kept["attempts"])
    return TrialResult(attempts, kept["init"], kept["problem"])


def _hard(kind: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return USUAL_LIMIT if hard == resource.RLIM_INFINITY else hard
