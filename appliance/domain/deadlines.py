"""How long what is under way may last, and from when its time counts.

Time counts while something can be done, so not before the next try is due, and not from before
Podman last came back: it was away, the appliance was stopped or the machine asleep. So every
status ends in bounded time as long as Podman answers:

- ``pending`` is not bounded: it waits for what the machine lacks or for the next try, and says so.
- ``pulling`` needs no deadline here. Each pull has its own (``pull_stall_s``, ``pull_total_s``),
  those before it in line too, and a few that failed end it (``MAX_TRIES``, ``engine/pulls.py``).
- ``starting`` fails after ``DEADLINE_S``. What fails by an answer is given up long before that; it
  is for calls whose answers are lost again and again.
- ``stopping`` has the stop's grace, which is the owner's, and then ``DEADLINE_S``. A stop that was
  cut short is asked for again, with all of its grace. The last one may begin just before the end;
  after that the container is removed by force, which is tried for as long as it takes.
- ``running`` and those at rest stay.
- An update is given up after ``UPDATE_S``, not counting the download of its image.
"""

from appliance.domain.deployment import Deployment, Status, Update
from appliance.domain.instant import Instant
from appliance.domain.observed import Observed

SECOND_US = 1_000_000

DEADLINE_S: dict[Status, int] = {
    Status.STARTING: 15 * 60,
    Status.STOPPING: 30,
}
"""How long a transitional status may last, a stop beyond its grace, before the way out is taken."""

UPDATE_S = 60 * 60
"""Longer than the longest start period of a health check, with a start and a hand-over before."""


def is_overdue(d: Deployment, status: Status, seen: Observed, now: Instant) -> bool:
    """Whether ``d`` has been for too long at what ``status`` stands for."""
    limit_s = DEADLINE_S.get(status)
    if limit_s is None:
        return False
    if status is Status.STOPPING:
        limit_s += seen.stop_grace_s
    since = max(d.since_boot_us, d.retry_boot_us or 0) if d.boot_id == now.boot_id else 0
    return now.boot_us - max(since, seen.answering_boot_us) > limit_s * SECOND_US


def update_ends(u: Update, seen: Observed, now: Instant) -> int:
    """The moment of the boot clock at which an update that is not done is given up."""
    fetching = seen.candidate.fetching_boot_us if seen.candidate is not None else None
    since = max(u.since(now), seen.answering_boot_us, fetching or 0)
    return since + UPDATE_S * SECOND_US
