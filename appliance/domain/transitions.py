"""The status machine as one table; ``tests/domain/test_transitions.py`` walks every pair."""

from appliance.domain.deployment import ON_THE_WAY, Desired, Status

_HALTED = frozenset({Status.STOPPING, Status.STOPPED, Status.SLEEPING, Status.FAILED})

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: ON_THE_WAY | _HALTED | {Status.RUNNING},
    Status.PULLING: ON_THE_WAY | _HALTED | {Status.RUNNING},
    Status.STARTING: ON_THE_WAY | _HALTED | {Status.RUNNING},
    Status.RUNNING: _HALTED | {Status.PENDING, Status.STARTING},
    Status.STOPPING: frozenset(Status),
    Status.STOPPED: frozenset(Status) - {Status.PULLING},
    Status.SLEEPING: frozenset(Status) - {Status.PULLING},
    Status.FAILED: frozenset(Status) - {Status.PULLING},
}
"""Each status and those it may become. Staying (with a new reason) is always legal."""


def legal(before: Status, after: Status) -> bool:
    """Whether a deployment may go from ``before`` to ``after``."""
    return before == after or after in TRANSITIONS[before]


def actions(desired: Desired, shown: Status) -> tuple[str, ...]:
    """The verbs that change something for a deployment now; delete always does."""
    if desired is Desired.DELETED:
        return ()
    if shown in (Status.STOPPED, Status.FAILED):
        return ("start", "restart", "delete")
    if desired is Desired.SLEEPING:
        return ("start", "stop", "delete")
    if shown is Status.STOPPING:
        return ("start", "delete")
    return ("stop", "restart", "delete")
