"""The steps ``plan()`` can answer with, and what a ``Become`` makes of a row."""

from dataclasses import dataclass, replace
from enum import StrEnum

from appliance.domain.deployment import Asked, Deployment, Health, Reason, Status, Verb
from appliance.domain.instant import Instant, to_us
from appliance.domain.observed import Container, ImageFacts
from appliance.domain.transitions import legal


class Turn(StrEnum):
    """What becomes of an update.

    Its spec takes over, it is dropped, the old one makes room for it, or another container is made.
    """

    ADOPT = "adopt"
    GIVE_UP = "give_up"
    HAND_OVER = "hand_over"
    ANEW = "anew"


@dataclass(frozen=True, slots=True)
class Create:
    """Create the container of the current generation from the image that was seen.

    ``candidate`` here and below: that of the update. ``start``: and start it, if no order came
    meanwhile.
    """

    image: ImageFacts
    candidate: bool = False
    start: bool = False


@dataclass(frozen=True, slots=True)
class Become:
    """Write this into the row, with an event of type ``event`` saying ``message``.

    ``accept`` takes up the newest order (and forgives earlier failures), ``at_rest`` notes that
    the container was found not running. ``container`` records its facts, ``ended`` deals with the
    end of its last run. ``retry_in_s`` postpones the next try. An empty message writes no event.
    ``then`` is done next without another look; that Podman is asked for it is in the same write.
    """

    status: Status
    event: str
    message: str
    reason: Reason | None = None
    accept: bool = False
    at_rest: bool = False
    container: Container | None = None
    ended: Container | None = None
    health: Health | None = None
    failures: int | None = None
    refusals: int | None = None
    retry_in_s: float | None = None
    restarted: bool = False
    new_generation: bool = False
    turn: Turn | None = None
    then: Create | None = None


@dataclass(frozen=True, slots=True)
class Pull:
    """Fetch the image."""

    candidate: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """Get in line for GPUs, and take them if they are free."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Remove a container that started without the devices it was promised, and fail."""

    name: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """Start the container."""

    candidate: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the container, with grace."""


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Have the running container take back the GPU memory that it gave up for another."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a container of ours by force."""

    name: str


@dataclass(frozen=True, slots=True)
class Retire:
    """Stop a container of ours with grace, then remove it: another one serves in its place."""

    name: str


@dataclass(frozen=True, slots=True)
class Bury:
    """Nothing of a deleted deployment is left to remove: purge its network and volumes, close."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until a nudge, or until that moment of the boot clock."""

    until_boot_us: int | None = None


Act = Pull | Claim | Create | Start | Reject | Stop | TakeBack | Remove | Retire | Bury
Step = Become | Act | Wait

SETTLED = Wait()


def advance(before: Deployment, step: Become, now: Instant) -> Deployment:
    """The row after ``step``.

    Raises:
        ValueError: the transition table does not allow it (a defect in ``plan()``).
    """
    if not legal(before.status, step.status):
        raise ValueError(f"{before.status} can't become {step.status}")
    after = replace(
        before,
        status=step.status,
        reason=step.reason,
        restart_count=before.restart_count + step.restarted,
        retry_boot_us=_retry(step, now),
        asked=_asked(before, step),
        updated_at=now.wall,
    )
    for change in (_accepted, _recorded, _ended, _timed, _turned):
        after = change(before, after, step, now)
    return after


def _retry(step: Become, now: Instant) -> int | None:
    return None if step.retry_in_s is None else now.boot_us + round(step.retry_in_s * 1_000_000)


def asked_by(d: Deployment, step: Create | Start) -> Asked:
    """What Podman is asked for by ``step``, as it is put on record."""
    generation = d.update.generation if step.candidate and d.update else d.generation
    to_start = isinstance(step, Start) or step.start
    return Asked(Verb.START if to_start else Verb.CREATE, generation)


def _asked(before: Deployment, step: Become) -> Asked | None:
    """What was asked is answered by a container that was seen to have done it."""
    if step.then is not None:
        return asked_by(before, step.then)
    seen = step.container or step.ended
    if before.asked is None or seen is None or seen.generation != before.asked.generation:
        return before.asked
    return None


def _accepted(before: Deployment, after: Deployment, step: Become, now: Instant) -> Deployment:  # noqa: ARG001 - the five changes share one signature
    failures = before.failures if step.failures is None else step.failures
    return replace(
        after,
        failures=0 if step.accept else failures,
        refusals=_refusals(before, step),
        observed_intent=before.intent if step.accept else before.observed_intent,
        started_intent=before.intent if step.at_rest else before.started_intent,
    )


def _refusals(before: Deployment, step: Become) -> int:
    """In a row: a run that was seen, or its end, comes between."""
    if step.accept or step.ended is not None or step.status is Status.RUNNING:
        return 0
    return before.refusals if step.refusals is None else step.refusals


def _recorded(before: Deployment, after: Deployment, step: Become, now: Instant) -> Deployment:  # noqa: ARG001 - the five changes share one signature
    health = step.health or (before.health if step.status is before.status else Health.UNKNOWN)
    after = replace(after, health=health)
    if step.container is None:
        return after
    return replace(
        after,
        container_id=step.container.id,
        process=step.container.process,
        log_path=step.container.log_path,
        published=step.container.published,
    )


def _ended(before: Deployment, after: Deployment, step: Become, now: Instant) -> Deployment:  # noqa: ARG001 - the five changes share one signature
    run = step.ended
    if run is None:
        return replace(after, exit_code=None) if step.status is Status.RUNNING else after
    handled = None if run.started_at is None else to_us(run.started_at)
    after = replace(after, process=None, exit_code=run.exit_code, handled_run_us=handled)
    return replace(after, log_path=run.log_path or before.log_path)


def _turned(before: Deployment, after: Deployment, step: Become, now: Instant) -> Deployment:  # noqa: ARG001 - the five changes share one signature
    update = before.update
    if step.new_generation:
        fresh = before.last_generation + 1
        return replace(after, generation=fresh, last_generation=fresh)
    if update is None or step.turn is None:
        return after
    match step.turn:
        case Turn.ADOPT:
            return replace(
                after, generation=update.generation, spec=update.spec, secrets=update.secrets,
                rate_cents=update.rate_cents, update=None,
            )  # fmt: skip
        case Turn.GIVE_UP:
            return replace(after, update=None)
        case Turn.HAND_OVER:
            return replace(after, update=replace(update, handover=True))
        case Turn.ANEW:
            fresh = before.last_generation + 1
            return replace(after, update=replace(update, generation=fresh), last_generation=fresh)


def _timed(before: Deployment, after: Deployment, step: Become, now: Instant) -> Deployment:
    counts_anew = step.accept or step.ended or step.retry_in_s is not None
    if step.status is before.status and not counts_anew:
        return after
    after = replace(after, boot_id=now.boot_id, since_boot_us=now.boot_us)
    if step.status is before.status:
        return after
    if step.status is Status.RUNNING:
        return replace(after, started_at=now.wall)
    if before.status is Status.RUNNING:
        return replace(after, stopped_at=now.wall)
    return after
