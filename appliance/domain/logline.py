"""One line of a container's log, and the hole a rotation leaves."""

from dataclasses import dataclass, field
from typing import Literal

Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class LogLine:
    """``timestamp`` is RFC 3339 in UTC with nanoseconds ending in ``Z``, as the file has it.

    ``cursor`` says where to resume after this line. It begins with a timestamp, but many lines
    can share one, so it says more; whoever reads it is ``runtime.logrecords.Place``.
    """

    timestamp: str
    stream: Stream
    message: str
    cursor: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class LogGap:
    """Lines are missing here: the file was truncated by its size limit before they were read."""

    after: str | None
