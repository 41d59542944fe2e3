"""A new spec for a deployment that runs: the new container is tried, the old one kept till then.

Beside the one that serves, where they share nothing. Two containers must not write one volume,
nor hold one GPU: there the old one is stopped for the new one (the hand-over), and started again
if the new one fails. What is asked for while nothing serves is simply taken over.
"""

from dataclasses import replace

from appliance.domain.deadlines import SECOND_US, UPDATE_S, is_overdue, update_ends
from appliance.domain.deployment import Deployment, Desired, Health, Reason, Status, Update
from appliance.domain.doubt import is_doubtful
from appliance.domain.endings import describe
from appliance.domain.idleness import ASLEEP
from appliance.domain.instant import Instant, to_us
from appliance.domain.observed import UP, Container, ContainerState, Observed
from appliance.domain.steps import Become, Create, Pull, Remove, Start, Step, Stop, Turn, Wait

LOCAL = "localhost/"
"""Images of this machine alone are called so; there is nowhere to fetch them from."""

SETTLE_US = 2 * SECOND_US
"""Without a health check: a container that is still up after so long has started."""


def candidate(d: Deployment) -> Deployment:
    """The deployment as it would be after its update: the one whose container is tried.

    Raises:
        ValueError: there is no update.
    """
    if d.update is None:
        raise ValueError(f"{d.id} has no update")
    u = d.update
    return replace(d, spec=u.spec, secrets=u.secrets, generation=u.generation, update=None)


def try_out(d: Deployment, u: Update, seen: Observed, now: Instant) -> Step:
    """The next step of an update while the old container serves, or rests for the new one."""
    old, trial = seen.container, seen.candidate or Observed()
    new = trial.container
    if u.handover and old is not None and _ended_unnoted(d, old):
        return Become(d.status, "updating", "", reason=d.reason, ended=old)
    failure = _failure(d, u, seen, now)
    if failure is not None:
        return give_up(d, u, failure)
    if new is None:
        return look_for_newer(d, u, old, seen, now) or _make(d, u, trial)
    if new.state is ContainerState.CREATED:
        return _start(d, u, seen, trial, now)
    ready_at = _ready_at(u, seen, new, now)
    if ready_at > now.boot_us:
        return Wait(ready_at)
    return Become(
        Status.RUNNING, "updated", f"Updated: {u.spec.image} runs", accept=u.handover,
        at_rest=u.handover, container=new, health=trial.health, turn=Turn.ADOPT,
    )  # fmt: skip


def look_for_newer(
    d: Deployment, u: Update, c: Container | None, seen: Observed, now: Instant
) -> Step | None:
    """Where the image is to be fetched anew: the fetch, and the end if nothing is newer than ``c``.

    None: go on. An image of this machine alone is only compared.
    """
    trial = seen.candidate or Observed()
    if not u.refresh or trial.container is not None:
        return None
    fetched = trial.fetched_boot_us is not None and trial.fetched_boot_us >= u.since(now)
    if not fetched and not u.spec.image.startswith(LOCAL):
        return Pull(candidate=True)
    same = (u.spec, u.secrets) == (d.spec, d.secrets)
    if same and c is not None and trial.image is not None and c.image_id == trial.image.id:
        words = f"Already newest: {u.spec.image}"
        return Become(d.status, "newest", words, reason=d.reason, turn=Turn.GIVE_UP)
    return None


def take_over(d: Deployment, c: Container | None) -> Become:
    """Nothing serves: the new spec is the spec from now on. A rest is not disturbed by it."""
    if d.status is Status.STOPPED and d.intent == d.observed_intent:
        return Become(
            Status.STOPPED, "updated", "Updated; it counts from the next start",
            reason=d.reason, ended=c, turn=Turn.ADOPT,
        )  # fmt: skip
    return Become(
        Status.PENDING, "updated", "Updated", accept=True, at_rest=True, ended=c, turn=Turn.ADOPT
    )


def _make(d: Deployment, u: Update, trial: Observed) -> Step:
    if is_doubtful(d, u.generation, None):
        return Become(d.status, "updating", "", reason=d.reason, turn=Turn.ANEW)
    return Pull(candidate=True) if trial.image is None else Create(trial.image, candidate=True)


def take_over_at_stop(d: Deployment, old: Container | None, seen: Observed, rest: Status) -> Become:
    """As ``take_over`` where ``rest`` is wanted; a new container that is up is stopped next."""
    new = seen.candidate.container if seen.candidate is not None else None
    up = new is not None and new.ours and new.state in UP
    settled = d.status is rest
    return Become(
        Status.STOPPING if up else rest, "updated" if settled else rest.value,
        "Updated; it counts from the next start" if settled else rest.value.capitalize(),
        reason=why_asleep(d), accept=True, at_rest=not up, ended=old, turn=Turn.ADOPT,
    )  # fmt: skip


def why_asleep(d: Deployment) -> Reason | None:
    """Why it was put to sleep, for as long as it is."""
    told = d.desired is Desired.SLEEPING and d.reason is not None and d.reason.code in ASLEEP
    return d.reason if told else None


def give_up(d: Deployment, u: Update, why: Reason) -> Become:
    """The new container does not do: the deployment stays, or becomes again, what it was."""
    words = f"The update failed and the deployment stays as it was: {why.message}"
    return Become(
        Status.STARTING if u.handover else d.status, "update_failed", words,
        reason=Reason("update_failed", words), accept=u.handover, at_rest=u.handover,
        turn=Turn.GIVE_UP,
    )  # fmt: skip


def _ended_unnoted(d: Deployment, old: Container) -> bool:
    """Whether the old container's stop for the new one has yet to be noted: it was no crash."""
    if old.state is not ContainerState.EXITED or old.started_at is None:
        return False
    return d.handled_run_us != to_us(old.started_at)


def _failure(d: Deployment, u: Update, seen: Observed, now: Instant) -> Reason | None:
    trial = seen.candidate or Observed()
    c = trial.container
    if c is not None and not c.ours:
        return Reason("name_conflict", f"a container named {c.name} exists that is not ours")
    if c is not None and c.state in (ContainerState.EXITED, ContainerState.LOST):
        return describe(c, u.spec.resources.memory_mb)
    if trial.health is Health.UNHEALTHY:
        return Reason("unhealthy", "its health check fails")
    if now.boot_us > update_ends(u, seen, now):
        return Reason("start_timeout", f"it was not up in {UPDATE_S // 60} min")
    return _gpu_failure(d, u, trial)


def _gpu_failure(d: Deployment, u: Update, trial: Observed) -> Reason | None:
    """The new container gets the GPUs that the old one has: others would have to be waited for."""
    if trial.gpus.missing:
        return Reason("gpu_missing", f"{', '.join(trial.gpus.missing)} is not in the container")
    if u.spec.resources.gpu_need != d.spec.resources.gpu_need:
        return Reason("gpu_unavailable", "its GPUs can be changed only while it does not run")
    return None


def _start(d: Deployment, u: Update, seen: Observed, trial: Observed, now: Instant) -> Step:
    """The new container may start once nobody has what it needs for itself."""
    if not _exclusive(u, trial):
        return Start(candidate=True)
    if not u.handover:
        text = "Stopped for the update: the old and the new container share a volume or a GPU"
        return Become(
            Status.STARTING, "updating", text, reason=Reason("updating", text), turn=Turn.HAND_OVER
        )
    old = seen.container
    if old is None or not old.ours or old.state not in UP:
        return Start(candidate=True)
    return Remove(old.name) if is_overdue(d, Status.STOPPING, seen, now) else Stop()


def _exclusive(u: Update, trial: Observed) -> bool:
    image_volumes = trial.image.volumes if trial.image is not None else ()
    return bool(u.spec.volumes or image_volumes or u.spec.resources.gpu_need)


def _ready_at(u: Update, seen: Observed, new: Container, now: Instant) -> int:
    """When the new container may take over; a health check that says nothing yet nudges."""
    health = seen.candidate.health if seen.candidate is not None else None
    if health is Health.HEALTHY or new.process is None:
        return now.boot_us
    if health is None and new.state is not ContainerState.STOPPING:
        return new.process.started_boot_us + SETTLE_US
    return update_ends(u, seen, now) + SECOND_US
