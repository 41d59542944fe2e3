"""How a command ends: exit codes that scripts can use, and the one exception that carries them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What ``$?`` is. Ctrl-C ends with 130, as in a shell."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    NOT_PERMITTED = 5
    TIMED_OUT = 6
    TRY_LATER = 7


MEANINGS = {
    ExitCode.OK: "it worked",
    ExitCode.FAILED: "it failed; the message says why",
    ExitCode.USAGE: "the command, a value in it or a setting is wrong",
    ExitCode.UNREACHABLE: "no appliance answers there",
    ExitCode.NOT_FOUND: "no such deployment, template, user or token",
    ExitCode.NOT_PERMITTED: "no valid token, or one that may not do this",
    ExitCode.TIMED_OUT: "it was not done in time; it may be done later",
    ExitCode.TRY_LATER: "not now: Podman is away, or too many tries",
}


class CommandFailed(Exception):
    """Ends the command: ``str(error)`` is told on stderr, then each of ``details`` on its own line.

    The message is a sentence a person can act on.
    """

    def __init__(
        self, message: str, code: ExitCode = ExitCode.FAILED, details: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.details = details
