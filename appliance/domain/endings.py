"""Why a container's run ended, in words a person can act on."""

import re
from collections.abc import Iterable

from appliance.domain.deployment import Reason
from appliance.domain.observed import Container, ContainerState

SIGNALS = {1: "SIGHUP", 2: "SIGINT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
           9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}  # fmt: skip
NOT_EXECUTABLE = 126
NOT_FOUND = 127
SIGNALLED = 128
WORDS_LENGTH = 160
MASK = "***"
INIT_SAYS = re.compile(r"ERROR \(catatonit:[0-9]+\): failed to exec pid1: (.+)")
ESCAPE_SEQUENCE = re.compile(r"[\x1b␛](\[[0-?]*[ -/]*[@-~])?")
"""A colour or a move of the cursor (ECMA-48, 5.4), also as our log reader shows it."""


def describe(c: Container, memory_mb: int | None) -> Reason:
    """The reason for the end of the last run of ``c``, with its last words if they are known."""
    unbegun = never_began(c)
    if unbegun is not None:
        return unbegun
    why = _why(c, memory_mb)
    return why if c.last_words is None else Reason(why.code, f"{why.message}: {c.last_words}")


def never_began(c: Container) -> Reason | None:
    """Why the command could not be started at all: no restart heals that.

    Podman's init starts well and only then finds nothing to run, so to Podman it is an exit like
    another; what tells it apart is what the init says (catatonit, the one that Podman brings).
    """
    said = INIT_SAYS.fullmatch(c.last_words or "") if c.exit_code else None
    if said is None:
        return None
    if said[1] == "No such file or directory":
        text = "The command, or the interpreter that it names, is not in the image"
        return Reason("command_not_found", text)
    return Reason("command_not_executable", f"The command can't be executed: {said[1]}")


def fit_words(message: str, secrets: Iterable[str]) -> str | None:
    """A log line as it may be shown: printable, short, secrets masked; None if nothing is left.

    A program may print anything, also the secrets it was given. They are masked before the cut,
    lest one be told in part; of one of several lines, each line.
    """
    words = _printable(message)
    lines = {_printable(line).strip() for value in secrets for line in value.splitlines()}
    for line in sorted(lines - {""}, key=len, reverse=True):
        words = words.replace(line, MASK)
    words = words.strip()
    return (words if len(words) <= WORDS_LENGTH else f"{words[: WORDS_LENGTH - 1]}…") or None


def _printable(text: str) -> str:
    plain = ESCAPE_SEQUENCE.sub("", text).replace("\t", " ")
    return "".join(character for character in plain if character.isprintable())


def _why(c: Container, memory_mb: int | None) -> Reason:
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
