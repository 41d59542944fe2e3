"""Why a container's run ended, in words a person can act on."""

from appliance.domain.deployment import Reason
from appliance.domain.observed import Container, ContainerState

SIGNALS = {1: "SIGHUP", 2: "SIGINT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
           9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}  # fmt: skip
NOT_EXECUTABLE = 126
NOT_FOUND = 127
SIGNALLED = 128


def describe(c: Container, memory_mb: int | None) -> Reason:
    """The reason for the end of the last run of ``c``."""
    if c.state is ContainerState.LOST:
        return Reason("process_lost", "The container's process vanished without an exit code")
    code = c.exit_code
    if c.out_of_memory:
        limit = "" if memory_mb is None else f" (limit {memory_mb} MiB)"
        return Reason("out_of_memory", f"Killed for want of memory{limit}, exit code {code}")
    if code == NOT_EXECUTABLE:
        return Reason("command_not_executable", "The command can't be executed (exit code 126)")
    if code == NOT_FOUND:
        return Reason("command_not_found", "The command was not found (exit code 127)")
    if code is not None and code - SIGNALLED in SIGNALS:
        name = SIGNALS[code - SIGNALLED]
        return Reason("killed", f"Ended by signal {name} (exit code {code})")
    return Reason("exited", f"Exited with code {code}")
