"""What to do when a step did not work: the other half of ``plan()``, as pure."""

from appliance.domain.deadlines import SECOND_US
from appliance.domain.deployment import Deployment, Reason, Status
from appliance.domain.errors import (
    ContainerWedged,
    ImageFailure,
    NoSuchContainer,
    NotWoken,
    PortTaken,
    RuntimeFailure,
    RuntimeTimeout,
    RuntimeUnavailable,
)
from appliance.domain.instant import Instant
from appliance.domain.plan import backoff_s
from appliance.domain.steps import (
    Act,
    Become,
    Bury,
    Create,
    Pull,
    Remove,
    Retire,
    Start,
    Stop,
    TakeBack,
    Wait,
)
from appliance.domain.update import give_up

LOOK_AGAIN_US = 2 * SECOND_US
MAX_TRIES = 6
"""After that many failed tries in a row the deployment is failed and waits for an order.

Its crashes are no such tries: of those it may have had any number before.
"""


def after_failure(  # noqa: PLR0911 - a ladder: the first rung that holds
    d: Deployment, step: Act, error: RuntimeFailure, now: Instant
) -> Become | Wait:
    """The step after ``step`` failed with ``error``.

    A lost answer is not a failure: look again soon. Podman away is nobody's fault: say so and
    wait for it. Stopping and removing are tried again for as long as it takes. What becomes of a
    container that did not take its GPU memory back is for the next look, which may find it ended.
    What time can heal is tried again with back-off; what it can't is a failure at once.
    """
    if isinstance(step, TakeBack):
        return _not_taken_back(error, now)
    if isinstance(error, RuntimeUnavailable):
        # What is to be retired serves no more: no word of it on the one that does.
        return Wait() if isinstance(step, Retire) else _runtime_away(d, error)
    if isinstance(error, RuntimeTimeout | NoSuchContainer) or isinstance(
        step, Stop | Remove | Retire | Bury
    ):
        return Wait(now.boot_us + LOOK_AGAIN_US)
    if isinstance(step, Create) and isinstance(error, ImageFailure):
        return Wait(now.boot_us)
    if isinstance(step, Pull | Create | Start) and step.candidate and d.update is not None:
        return give_up(d, d.update, Reason(error.code, str(error)))
    if isinstance(error, PortTaken | ContainerWedged) and d.refusals < MAX_TRIES:
        return Become(
            Status.STARTING, "recreated", f"{error}; a new container follows",
            refusals=d.refusals + 1, new_generation=True,
        )  # fmt: skip
    if not error.retryable or d.refusals + 1 >= MAX_TRIES:
        return _give_up(error)
    return _try_again(d, step, error)


def _not_taken_back(error: RuntimeFailure, now: Instant) -> Become | Wait:
    if not isinstance(error, NotWoken):
        away = isinstance(error, RuntimeUnavailable)
        return Wait(now.boot_us + LOOK_AGAIN_US if away else now.boot_us)
    reason = Reason(error.code, f"{error}: it starts anew")
    return Become(Status.STARTING, "not_woken", reason.message, reason=reason, new_generation=True)


def _runtime_away(d: Deployment, error: RuntimeUnavailable) -> Become | Wait:
    reason = Reason(error.code, "Podman does not answer; this goes on when it does")
    if d.reason == reason:
        return Wait()
    return Become(d.status, "waiting", reason.message, reason=reason, failures=d.failures)


def _give_up(error: RuntimeFailure) -> Become:
    reason = Reason(error.code, str(error))
    return Become(Status.FAILED, "failed", reason.message, reason=reason)


def _try_again(d: Deployment, step: Act, error: RuntimeFailure) -> Become:
    status = Status.PENDING if isinstance(step, Pull) else Status.STARTING
    delay_s = backoff_s(d.refusals + 1)
    message = f"{error}; next try in {delay_s:.0f} s"
    return Become(
        status, "retrying", message, reason=Reason(error.code, message),
        refusals=d.refusals + 1, retry_in_s=delay_s,
    )  # fmt: skip
