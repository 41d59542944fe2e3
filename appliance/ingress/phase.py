"""Where a client's connection is."""

from enum import Enum, auto


class Phase(Enum):
    """What it is busy with; each is told below its name."""

    READING = auto()
    """A head, or nothing: it is idle."""

    OPENING = auto()
    """The gate, a waking deployment or the upstream connection is waited for."""

    RELAYING = auto()
    """A request and its answer pass."""

    TUNNEL = auto()
    """A WebSocket."""

    ENDING = auto()
    """The last answer is out; what still comes is thrown away, so that no reset overtakes it."""


READING, OPENING, RELAYING, TUNNEL, ENDING = Phase
"""By themselves: as members of the enumeration they take five times as long to look up."""
