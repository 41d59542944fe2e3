"""The one decision: what is wanted against what is seen, answered with one step.

``plan()`` touches nothing and costs nothing. The driver takes the step, looks again and asks
again, until the answer is to wait. A crash between any two lines leaves a row and a world from
which ``plan()`` answers the right next step, for it remembers nothing.
"""

from collections.abc import Callable
from dataclasses import replace

from appliance.domain.deadlines import DEADLINE_S, SECOND_US, is_overdue
from appliance.domain.deployment import (
    AT_REST,
    Deployment,
    Desired,
    Health,
    Process,
    Reason,
    RestartPolicy,
    Status,
)
from appliance.domain.doubt import is_doubtful
from appliance.domain.endings import describe, never_began
from appliance.domain.gpu_ledger import Loan
from appliance.domain.instant import Instant, to_us
from appliance.domain.observed import UP, Container, ContainerState, Drain, Observed
from appliance.domain.steps import (
    SETTLED,
    Become,
    Bury,
    Claim,
    Create,
    Pull,
    Reject,
    Remove,
    Retire,
    Start,
    Step,
    Stop,
    TakeBack,
    Wait,
)
from appliance.domain.update import (
    LOCAL,
    look_for_newer,
    take_over,
    take_over_at_stop,
    try_out,
    why_asleep,
)

STEADY_US = 600 * SECOND_US
"""A run of ten minutes is a good one: the next crash starts the back-off anew."""

DRAIN_LOOK_US = SECOND_US // 2
"""How often a replaced container is looked at that still answers somebody."""

DEFAULT_START_PERIOD_S = 60
"""For an image's own check; Docker's default of 0 would call everything running at once."""


def backoff_s(failures: int) -> float:
    """Seconds before the next try after that many failures: 0, 10, 20, 40 … 300 (KEP-4603)."""
    return 0.0 if failures == 0 else min(300.0, 10.0 * 2.0 ** (failures - 1))


def plan(d: Deployment, seen: Observed, now: Instant) -> Step:
    """The next step for ``d``, given what was just seen."""
    if not seen.strays:
        return _wanted(d, seen, now)
    if d.desired is Desired.RUNNING and seen.drain is not None and _drains(seen.drain, now):
        return _beside_a_drain(d, seen, now)
    stray = seen.strays[0]
    return Remove(stray) if d.desired is Desired.DELETED else Retire(stray)


def _drains(drain: Drain, now: Instant) -> bool:
    return drain.open_requests > 0 and now.boot_us < drain.until_boot_us


def _beside_a_drain(d: Deployment, seen: Observed, now: Instant) -> Step:
    """The replaced container ends its answers; a further update waits: never three at once."""
    step = _wanted(replace(d, update=None), seen, now)
    if not isinstance(step, Wait):
        return step
    look_boot_us = now.boot_us + DRAIN_LOOK_US
    return Wait(min(look_boot_us, step.until_boot_us or look_boot_us))


def _wanted(d: Deployment, seen: Observed, now: Instant) -> Step:
    """Nothing is built on a container that may yet be started, least of all that it rests."""
    trial = seen.candidate.container if seen.candidate is not None else None
    for c in (seen.container, trial):
        if c is not None and c.ours and is_doubtful(d, c.generation, c):
            return Remove(c.name)
    return WANTED[d.desired](d, seen, now)


def _delete(d: Deployment, seen: Observed, _now: Instant) -> Step:
    if d.status is Status.RUNNING:
        return Become(Status.STOPPING, "stopping", "Deleting")
    if seen.container is not None and seen.container.ours:
        return Remove(seen.container.name)
    return Bury()


def _rest(d: Deployment, seen: Observed, now: Instant) -> Step:
    rest, message = RESTS[d.desired]
    c = seen.container if seen.container is not None and seen.container.ours else None
    if c is not None and c.state in UP:
        return _halt(d, seen, c, now)
    if c is not None and c.state is ContainerState.LOST:
        return Remove(c.name)
    resting = d.status is rest and d.intent == d.observed_intent
    if d.update is not None:
        newer = look_for_newer(d, d.update, c, seen, now)
        if newer is None:
            return take_over_at_stop(d, c, seen, rest)
        if resting:
            return newer
    if resting:
        return SETTLED
    return Become(
        rest, rest.value, message, reason=why_asleep(d), accept=True, at_rest=True, ended=c
    )


def _run(d: Deployment, seen: Observed, now: Instant) -> Step:  # noqa: PLR0911 - a ladder, as below
    c, update = seen.container, d.update
    if update is not None and update.handover:
        return try_out(d, update, seen, now)
    if c is not None and not c.ours:
        return take_over(d, None) if update is not None else _name_conflict(d, c)
    restart_due = d.restart_intent > d.started_intent
    if c is not None and c.state in UP:
        if c.devices != (seen.gpus.held or ()):
            return Remove(c.name)  # not started by us: its GPUs may be another's by now
        ending = restart_due or c.state is ContainerState.STOPPING
        return _halt(d, seen, c, now) if ending else _up(d, seen, c, now)
    if update is not None:
        return look_for_newer(d, update, c, seen, now) or take_over(d, c)
    if restart_due or d.intent > d.observed_intent:
        return _take_up(c)
    if d.status in AT_REST:
        return SETTLED
    return _rise(d, seen, now)


WANTED: dict[Desired, Callable[[Deployment, Observed, Instant], Step]] = {
    Desired.RUNNING: _run,
    Desired.STOPPED: _rest,
    Desired.SLEEPING: _rest,
    Desired.DELETED: _delete,
}

RESTS: dict[Desired, tuple[Status, str]] = {
    Desired.STOPPED: (Status.STOPPED, "Stopped"),
    Desired.SLEEPING: (Status.SLEEPING, "Asleep; the next request wakes it"),
}
"""How each wish for rest is fulfilled, and the words for it."""


def _halt(d: Deployment, seen: Observed, c: Container, now: Instant) -> Step:
    if d.status is not Status.STOPPING:
        why = why_asleep(d)
        return Become(Status.STOPPING, "stopping", "Stopping", reason=why, accept=True)
    if is_overdue(d, Status.STOPPING, seen, now):
        return Remove(c.name)
    return Stop()


def _name_conflict(d: Deployment, c: Container) -> Step:
    if d.status is Status.FAILED and d.intent == d.observed_intent:
        return SETTLED
    reason = Reason("name_conflict", f"A container named {c.name} exists that is not ours")
    return Become(Status.FAILED, "failed", reason.message, reason=reason, accept=True)


def _take_up(c: Container | None) -> Step:
    status = Status.PENDING if c is None else Status.STARTING
    return Become(status, "accepted", "", accept=True, at_rest=True, ended=c)


def _up(d: Deployment, seen: Observed, c: Container, now: Instant) -> Step:
    heard = seen.health or Health.UNKNOWN
    health = d.health if heard is Health.UNKNOWN else heard
    known = (d.container_id, d.process, dict(d.published)) == (c.id, c.process, dict(c.published))
    if d.status is Status.RUNNING:
        if known and d.intent == d.observed_intent and d.health is health:
            return _beside_the_run(d, seen, c, now)
        return _still_running(d, c, health)
    if seen.gpus.missing:
        return Reject(c.name, seen.gpus.missing)
    ready_at = _ready_at(d, seen, c, now)
    if ready_at <= now.boot_us:
        at_rest = d.restart_intent <= d.started_intent
        return Become(
            Status.RUNNING, "running", "Running", reason=_lasting(d),
            accept=d.intent > d.observed_intent, at_rest=at_rest, container=c, health=health,
        )  # fmt: skip
    if not known:
        return Become(d.status, "started", "Container started", reason=d.reason, container=c)
    return Wait(ready_at)


def _beside_the_run(d: Deployment, seen: Observed, c: Container, now: Instant) -> Step:
    """It runs as it should: its share of a GPU, if it was lent, and then its update."""
    if seen.gpus.loan is Loan.RETURNED and c.state is ContainerState.RUNNING:
        return TakeBack()
    if d.update is None:
        return SETTLED
    if seen.gpus.loan is None:
        return try_out(d, d.update, seen, now)
    return Claim() if seen.gpus.place is None else SETTLED


def _lasting(d: Deployment) -> Reason | None:
    """That an update failed is to be seen also once the old container runs again."""
    return d.reason if d.reason is not None and d.reason.code == "update_failed" else None


def _still_running(d: Deployment, c: Container, health: Health) -> Step:
    changed = health is not d.health and Health.UNKNOWN not in (health, d.health)
    message = f"Health check: {health}" if changed else ""
    accept = d.intent > d.observed_intent
    return Become(
        Status.RUNNING, "health", message, reason=_lasting(d), accept=accept, container=c,
        health=health, failures=d.failures,
    )  # fmt: skip


def _ready_at(d: Deployment, seen: Observed, c: Container, now: Instant) -> int:
    """When the deployment may be called running: at once, or when its start period is over."""
    if seen.health in (None, Health.HEALTHY) or c.process is None:
        return now.boot_us
    return start_period_ends(d, c.process)


def start_period_ends(d: Deployment, process: Process) -> int:
    """The moment of the boot clock from which failures of the health check count."""
    period_s = d.spec.health.start_period_s if d.spec.health else DEFAULT_START_PERIOD_S
    return process.started_boot_us + period_s * SECOND_US


def _rise(d: Deployment, seen: Observed, now: Instant) -> Step:
    """The container is not up but should be, and no new order came."""
    c = seen.container
    if c is not None and unhandled(d, c):
        return _ended(d, c)
    if c is not None and c.state is ContainerState.LOST:
        return Remove(c.name)
    if is_overdue(d, d.status, seen, now):
        reason = Reason("start_timeout", f"Still {d.status} after {DEADLINE_S[d.status] // 60} min")
        return Become(Status.FAILED, "failed", reason.message, reason=reason)
    if d.retry_boot_us is not None and d.boot_id == now.boot_id and d.retry_boot_us > now.boot_us:
        return Wait(d.retry_boot_us)
    if c is None:
        return _bring(d, seen)
    return _start(d, seen, c)


def unhandled(d: Deployment, c: Container) -> bool:
    """Whether the end of the container's last run is news."""
    if c.state is ContainerState.LOST:
        return d.status is Status.RUNNING
    if c.state is not ContainerState.EXITED or c.started_at is None:
        return False
    return to_us(c.started_at) != d.handled_run_us


def _ended(d: Deployment, c: Container) -> Step:
    """The container ended by itself: rest, give up, or start it again after the back-off."""
    why = describe(c, d.spec.resources.memory_mb)
    policy = d.spec.restart_policy
    if c.exit_code == 0 and policy is not RestartPolicy.ALWAYS:
        done = Reason("completed", "Ended by itself with exit code 0")
        return Become(Status.STOPPED, "completed", done.message, reason=done, ended=c)
    if policy is RestartPolicy.NEVER or never_began(c) is not None:
        return Become(Status.FAILED, "failed", why.message, reason=why, ended=c)
    failures = 0 if _steady(c) else d.failures
    delay_s = backoff_s(failures)
    when = f"in {delay_s:.0f} s" if delay_s else "now"
    reason = Reason(why.code, f"{why.message}; restart {d.restart_count + 1} {when}")
    return Become(
        Status.STARTING, "crashed", reason.message, reason=reason, ended=c,
        failures=failures + 1, retry_in_s=delay_s, restarted=True,
    )  # fmt: skip


def _steady(c: Container) -> bool:
    if c.started_at is None or c.finished_at is None:
        return False
    return to_us(c.finished_at) - to_us(c.started_at) >= STEADY_US


def _start(d: Deployment, seen: Observed, c: Container) -> Step:
    gpus = _gpus_awaited(d, seen)
    if gpus is not None:
        return gpus
    if c.devices != seen.gpus.held:
        return Remove(c.name)  # it was made for other GPUs
    if d.status is not Status.STARTING:
        again = "Starting again: the machine was restarted"
        message = again if d.status is Status.RUNNING else "Starting"
        return Become(Status.STARTING, "starting", message)
    return Start()


def _bring(d: Deployment, seen: Observed) -> Step:
    """There is no container: see to what it needs, then create it."""
    if d.status is Status.RUNNING:
        gone = Reason(
            "container_gone", "The container was removed behind our back; a new one follows"
        )
        return Become(Status.PENDING, "container_gone", gone.message, reason=gone)
    gpus = _gpus_awaited(d, seen)
    place = seen.gpus.place
    if gpus is not None and (seen.image is not None or place is None or place.hopeless):
        return gpus
    if seen.image is None:
        return _fetch(d)
    if is_doubtful(d, d.generation, None):
        words = "Podman did not say what became of the container; a new one follows"
        return Become(
            Status.STARTING, "recreated", words, reason=d.reason, failures=d.failures,
            new_generation=True,
        )  # fmt: skip
    at_once = not seen.gpus.held  # else it is looked at what it holds, and has, before each step
    create = Create(seen.image, start=at_once)
    if d.status is Status.STARTING:
        return create
    return Become(Status.STARTING, "starting", "Starting", then=create if at_once else None)


def _gpus_awaited(d: Deployment, seen: Observed) -> Step | None:
    """None if the deployment holds the GPUs it needs, and they are there."""
    gpus = seen.gpus
    if gpus.lost is not None:
        return _wait_for_gpus(d, Reason("gpu_unavailable", gpus.lost))
    if gpus.held is not None:
        return None
    if gpus.place is None:
        return Claim()
    return _wait_for_gpus(d, Reason("gpu_unavailable", gpus.place.why))


def _wait_for_gpus(d: Deployment, reason: Reason) -> Step:
    if d.status is Status.PENDING and d.reason == reason:
        return SETTLED
    return Become(Status.PENDING, "waiting", reason.message, reason=reason)


def _fetch(d: Deployment) -> Step:
    if d.spec.image.startswith(LOCAL):
        reason = Reason("image_not_found", f"{d.spec.image} is not on this machine")
        return Become(Status.FAILED, "failed", reason.message, reason=reason)
    if d.status is not Status.PULLING:
        return Become(Status.PULLING, "pulling", f"Pulling {d.spec.image}")
    return Pull()
