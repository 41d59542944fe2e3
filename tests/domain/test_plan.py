"""plan() over every state of row and world: always a legal step, always an end."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from appliance.domain.deployment import (
    Asked,
    Deployment,
    Desired,
    Health,
    Process,
    Resources,
    RestartPolicy,
    Spec,
    Status,
    Verb,
)
from appliance.domain.errors import (
    ContainerWedged,
    GpuMissing,
    ImageFailure,
    NoSuchContainer,
    NotWoken,
    PortTaken,
    RuntimeFailure,
    RuntimeTimeout,
    RuntimeUnavailable,
    StartRefused,
)
from appliance.domain.gpu_ledger import Loan, Place
from appliance.domain.instant import Instant, to_us
from appliance.domain.observed import Container, ContainerState, GpuView, ImageFacts, Observed
from appliance.domain.plan import backoff_s, plan
from appliance.domain.setbacks import MAX_TRIES, after_failure
from appliance.domain.steps import (
    SETTLED,
    Become,
    Bury,
    Claim,
    Create,
    Pull,
    Reject,
    Remove,
    Start,
    Step,
    Stop,
    TakeBack,
    Wait,
    advance,
)
from appliance.domain.transitions import TRANSITIONS, legal

WALL = datetime(2026, 1, 1, tzinfo=UTC)
NOW = Instant(WALL, 1_000_000_000_000, "boot")
IMAGE = ImageFacts(id="sha256:x")
MANY = 12


def a_row(**changes: object) -> Deployment:
    row = Deployment(
        id="dep_1", owner_id="user_1", node_id="node_1", name="n",
        spec=Spec(image="docker.io/library/app:latest"), secrets=None, rate_cents=0,
        desired=Desired.RUNNING, intent=1, restart_intent=0, version=1, status=Status.PENDING,
        shown=Status.PENDING, observed_intent=0, started_intent=0, generation=1, reason=None,
        health=Health.UNKNOWN, failures=0, restart_count=0, exit_code=None, handled_run_us=None,
        container_id=None, process=None, log_path=None, published={}, boot_id="boot",
        since_boot_us=NOW.boot_us, retry_boot_us=None, created_at=WALL, updated_at=WALL,
        started_at=None, stopped_at=None,
    )  # fmt: skip
    return replace(row, **changes)  # type: ignore[arg-type]


def a_container(state: ContainerState, **changes: object) -> Container:
    up = state in (ContainerState.RUNNING, ContainerState.PAUSED, ContainerState.STOPPING)
    made = Container(
        id="c1", name="nn-dep-1-g1", state=state, ours=True, image_id="sha256:x",
        started_at=None if state is ContainerState.CREATED else WALL,
        finished_at=WALL + timedelta(seconds=5) if state is ContainerState.EXITED else None,
        exit_code=1 if state is ContainerState.EXITED else None,
        process=Process(7, NOW.boot_us // 10_000) if up else None,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def worlds() -> Iterator[Observed]:
    for state in (None, *ContainerState):
        container = None if state is None else a_container(state)
        for image, health in product((None, IMAGE), (None, *Health)):
            yield Observed(container=container, image=image, health=health)
    for state, loan in product((ContainerState.RUNNING, ContainerState.PAUSED), Loan):
        yield Observed(container=a_container(state), gpus=GpuView(loan=loan))


ROWS = [
    a_row(
        desired=desired, status=status, intent=2, observed_intent=observed, restart_intent=restart,
        started_intent=1, spec=Spec(image="docker.io/library/app:latest", restart_policy=policy),
    )
    for desired, status, observed, restart, policy in product(
        Desired, Status, (1, 2), (0, 2), RestartPolicy
    )
]  # fmt: skip


@pytest.mark.parametrize("seen", list(worlds()), ids=str)
def test_whatever_is_seen_the_row_comes_to_an_act_or_to_rest_by_legal_moves(seen: Observed) -> None:
    for row in ROWS:
        d = row
        for _ in range(MANY):
            step = plan(d, seen, NOW)
            if not isinstance(step, Become):
                break
            d = advance(d, step, NOW)
        else:
            pytest.fail(f"never comes to an end: {row} {seen}")


def test_delete_always_ends_in_removal() -> None:
    for row, seen in product([r for r in ROWS if r.desired is Desired.DELETED], worlds()):
        d, step = row, plan(row, seen, NOW)
        while isinstance(step, Become):
            d = advance(d, step, NOW)
            step = plan(d, seen, NOW)
        assert step == (Bury() if seen.container is None else Remove("nn-dep-1-g1"))


def test_every_status_can_be_left_and_reached() -> None:
    for status in Status:
        assert TRANSITIONS[status]
        assert legal(status, Status.STOPPED)
        assert any(status in after for after in TRANSITIONS.values())


def test_an_illegal_move_is_refused() -> None:
    with pytest.raises(ValueError, match="can't become"):
        advance(a_row(status=Status.RUNNING), Become(Status.PULLING, "x", "x"), NOW)


def test_a_container_without_an_image_is_pulled_first() -> None:
    d = a_row(status=Status.PULLING, observed_intent=1)
    assert plan(d, Observed(), NOW) == Pull()
    d = a_row(status=Status.STARTING, observed_intent=1)
    assert plan(d, Observed(image=IMAGE), NOW) == Create(IMAGE, start=True)
    assert plan(d, Observed(a_container(ContainerState.CREATED)), NOW) == Start()


def test_that_a_container_is_asked_for_is_written_with_the_status_before_it() -> None:
    d = a_row(status=Status.PENDING, observed_intent=1)
    step = plan(d, Observed(image=IMAGE), NOW)
    assert isinstance(step, Become)
    assert (step.status, step.then) == (Status.STARTING, Create(IMAGE, start=True))
    assert advance(d, step, NOW).asked == Asked(Verb.START, d.generation)


def test_where_a_gpu_is_held_there_is_a_look_before_each_step() -> None:
    d = a_row(status=Status.PENDING, spec=Spec("x", resources=Resources(gpus=1)))
    seen = Observed(image=IMAGE, gpus=GpuView(held=("x.com/gpu=1",)))
    d = replace(d, observed_intent=d.intent)
    step = plan(d, seen, NOW)
    assert isinstance(step, Become)
    d = advance(d, step, NOW)
    assert (step.then, d.asked) == (None, None)
    assert plan(d, seen, NOW) == Create(IMAGE, start=False)


def test_a_stop_that_does_not_work_ends_in_removal() -> None:
    stuck = Observed(a_container(ContainerState.STOPPING))
    d = a_row(desired=Desired.STOPPED, status=Status.STOPPING, observed_intent=1)
    assert plan(d, stuck, NOW) == Stop()
    later = replace(NOW, boot_us=NOW.boot_us + 41_000_000)
    assert plan(d, stuck, later) == Remove("nn-dep-1-g1")


def test_running_waits_for_health_until_the_start_period_is_over() -> None:
    d = a_row(status=Status.STARTING, observed_intent=1, container_id="c1",
              process=Process(7, NOW.boot_us // 10_000))  # fmt: skip
    seen = Observed(a_container(ContainerState.RUNNING), health=Health.UNKNOWN)
    assert plan(d, seen, NOW) == Wait(NOW.boot_us + 60_000_000)
    for at_last in (replace(seen, health=Health.HEALTHY), replace(seen, health=None)):
        step = plan(d, at_last, NOW)
        assert isinstance(step, Become)
        assert step.status is Status.RUNNING
    late = replace(NOW, boot_us=NOW.boot_us + 60_000_000)
    step = plan(d, seen, late)
    assert isinstance(step, Become)
    assert step.status is Status.RUNNING


def test_a_strangers_container_of_our_name_is_left_alone() -> None:
    foreign = Observed(a_container(ContainerState.RUNNING, ours=False))
    step = plan(a_row(), foreign, NOW)
    assert isinstance(step, Become)
    assert step.reason is not None
    assert step.reason.code == "name_conflict"
    assert plan(a_row(desired=Desired.DELETED), foreign, NOW) == Bury()
    stopped = a_row(desired=Desired.STOPPED, status=Status.STOPPED, observed_intent=1)
    assert plan(stopped, foreign, NOW) == SETTLED


def test_gpus_that_are_not_there_are_waited_for() -> None:
    spec = replace(
        Spec(image="docker.io/a/b:c"), resources=replace(Spec(image="x").resources, gpus=1)
    )
    d = a_row(spec=spec, observed_intent=1)
    assert plan(d, Observed(image=IMAGE, gpus=GpuView(held=None)), NOW) == Claim()
    waiting = Observed(image=IMAGE, gpus=GpuView(held=None, place=Place(2, "All in use")))
    step = plan(d, waiting, NOW)
    assert isinstance(step, Become)
    d = advance(d, step, NOW)
    assert (d.status, d.reason and d.reason.code) == (Status.PENDING, "gpu_unavailable")
    assert plan(d, waiting, NOW) == SETTLED


def test_an_image_is_fetched_while_a_gpu_is_waited_for_but_not_for_one_that_is_not_there() -> None:
    d = a_row(spec=Spec(image="docker.io/a/b:c", resources=Resources(gpus=1)), observed_intent=1)
    busy = Observed(gpus=GpuView(held=None, place=Place(2, "All in use")))
    never = Observed(gpus=GpuView(held=None, place=Place(2, "No GPU", hopeless=True)))
    steps = [plan(d, seen, NOW) for seen in (busy, never)]
    assert [s.status for s in steps if isinstance(s, Become)] == [Status.PULLING, Status.PENDING]


def test_a_container_is_started_only_with_the_gpus_that_are_held() -> None:
    d = a_row(spec=Spec(image="docker.io/a/b:c", resources=Resources(gpus=1)), observed_intent=1,
              status=Status.STARTING)  # fmt: skip
    made = a_container(ContainerState.CREATED, devices=("x.com/gpu=1",))
    assert plan(d, Observed(made, gpus=GpuView(held=None)), NOW) == Claim()
    assert plan(d, Observed(made, gpus=GpuView(held=("x.com/gpu=2",))), NOW) == Remove(made.name)
    assert plan(d, Observed(made, gpus=GpuView(held=("x.com/gpu=1",))), NOW) == Start()
    runs = replace(made, state=ContainerState.RUNNING)
    assert plan(d, Observed(runs, gpus=GpuView(held=None)), NOW) == Remove(made.name)


def test_a_device_that_is_not_inside_fails_the_start() -> None:
    d = a_row(spec=Spec(image="docker.io/a/b:c", resources=Resources(gpus=1)), observed_intent=1,
              status=Status.STARTING)  # fmt: skip
    runs = a_container(ContainerState.RUNNING, devices=("x.com/gpu=1",))
    gpus = GpuView(held=("x.com/gpu=1",), missing=("/dev/nvidia0",))
    step = plan(d, Observed(runs, gpus=gpus), NOW)
    assert step == Reject(runs.name, ("/dev/nvidia0",))
    failed = after_failure(d, step, GpuMissing("gone"), NOW)
    assert isinstance(failed, Become)
    assert (failed.status, failed.reason and failed.reason.code) == (Status.FAILED, "gpu_missing")


@pytest.mark.parametrize(
    ("state", "loan", "step"),
    [
        (ContainerState.RUNNING, None, SETTLED),
        (ContainerState.RUNNING, Loan.LENT, SETTLED),
        (ContainerState.RUNNING, Loan.RETURNED, TakeBack()),
        (ContainerState.PAUSED, Loan.RETURNED, SETTLED),
    ],
)
def test_memory_is_taken_back_once_it_was_returned(
    state: ContainerState, loan: Loan | None, step: Step
) -> None:
    c = a_container(state)
    d = a_row(
        status=Status.RUNNING, observed_intent=1, container_id=c.id, process=c.process,
        health=Health.UNKNOWN,
    )  # fmt: skip
    assert plan(d, Observed(c, gpus=GpuView(loan=loan)), NOW) == step


@pytest.mark.parametrize(
    "error",
    [RuntimeUnavailable("x"), RuntimeTimeout("x"), NoSuchContainer("x"), StartRefused("x")],
)
def test_memory_that_may_have_been_taken_back_is_looked_after_again(error: RuntimeFailure) -> None:
    step = after_failure(a_row(status=Status.RUNNING), TakeBack(), error, NOW)
    assert isinstance(step, Wait)
    assert step.until_boot_us is not None


def test_a_container_that_can_not_take_its_memory_back_is_replaced() -> None:
    step = after_failure(a_row(status=Status.RUNNING), TakeBack(), NotWoken("x"), NOW)
    assert isinstance(step, Become)
    assert (step.status, step.new_generation) == (Status.STARTING, True)


def test_the_back_off_doubles_to_five_minutes() -> None:
    assert [backoff_s(n) for n in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]


def test_a_run_of_ten_minutes_forgives_earlier_crashes() -> None:
    d = a_row(status=Status.RUNNING, observed_intent=1, failures=5)
    short = a_container(ContainerState.EXITED)
    long = replace(short, finished_at=WALL + timedelta(minutes=10))
    for container, delay_s, failures in ((short, 160, 6), (long, 0, 1)):
        step = plan(d, Observed(container), NOW)
        assert isinstance(step, Become)
        assert (step.retry_in_s, step.failures) == (delay_s, failures)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeUnavailable("x"), Status.STARTING),
        (PortTaken("x"), Status.STARTING),
        (ContainerWedged("x"), Status.STARTING),
        (StartRefused("x"), Status.FAILED),
        (RuntimeFailure("x"), Status.STARTING),
    ],
)
def test_a_failed_start_goes_where_its_error_says(error: RuntimeFailure, status: Status) -> None:
    step = after_failure(a_row(status=Status.STARTING), Start(), error, NOW)
    assert isinstance(step, Become)
    assert step.status is status
    assert step.new_generation == isinstance(error, PortTaken | ContainerWedged)


def test_a_start_that_fails_after_a_reboot_waits_for_its_next_try() -> None:
    d = a_row(status=Status.STARTING, observed_intent=1, boot_id="the one before")
    step = after_failure(d, Start(), RuntimeFailure("x"), NOW)
    assert isinstance(step, Become)
    made = Observed(a_container(ContainerState.CREATED))
    assert plan(advance(d, step, NOW), made, NOW) == Wait(NOW.boot_us + 10_000_000)


def test_a_lost_answer_is_looked_at_again_and_counts_as_nothing() -> None:
    assert isinstance(after_failure(a_row(), Start(), RuntimeTimeout("x"), NOW), Wait)


def test_a_registry_that_is_away_is_tried_again_and_given_up_in_the_end() -> None:
    error = ImageFailure("registry_unreachable", "refused")
    for refusals, status in ((0, Status.PENDING), (MAX_TRIES - 1, Status.FAILED)):
        step = after_failure(a_row(status=Status.PULLING, refusals=refusals), Pull(), error, NOW)
        assert isinstance(step, Become)
        assert step.status is status


START = Asked(Verb.START, 1)
CREATE = Asked(Verb.CREATE, 1)


@pytest.mark.parametrize("desired", [Desired.RUNNING, Desired.STOPPED, Desired.SLEEPING])
@pytest.mark.parametrize("status", Status)
def test_a_container_that_may_yet_be_started_late_is_removed_whatever_is_wanted(
    desired: Desired, status: Status
) -> None:
    d = a_row(desired=desired, status=status, observed_intent=1, asked=START)
    never = a_container(ContainerState.CREATED)
    assert plan(d, Observed(never), NOW) == Remove(never.name)
    ended = a_container(ContainerState.EXITED)
    before = replace(d, handled_run_us=to_us(WALL))
    assert plan(before, Observed(ended), NOW) == Remove(ended.name)


def test_a_start_that_was_seen_to_have_landed_casts_no_doubt() -> None:
    d = a_row(status=Status.STARTING, observed_intent=1, asked=START)
    up = a_container(ContainerState.RUNNING)
    step = plan(d, Observed(up), NOW)
    assert isinstance(step, Become)
    assert advance(d, step, NOW).asked is None
    step = plan(d, Observed(a_container(ContainerState.EXITED)), NOW)
    assert isinstance(step, Become)
    assert advance(d, step, NOW).asked is None


def test_a_create_that_was_seen_to_have_landed_casts_no_doubt() -> None:
    d = a_row(status=Status.STARTING, observed_intent=1, asked=CREATE)
    assert plan(d, Observed(a_container(ContainerState.CREATED)), NOW) == Start()


@pytest.mark.parametrize("asked", [START, CREATE])
def test_the_container_after_a_doubtful_one_has_another_name(asked: Asked) -> None:
    d = a_row(status=Status.STARTING, observed_intent=1, asked=asked)
    step = plan(d, Observed(image=IMAGE), NOW)
    assert isinstance(step, Become)
    fresh = advance(d, step, NOW)
    assert (fresh.generation, fresh.last_generation) == (2, 2)
    assert plan(fresh, Observed(image=IMAGE), NOW) == Create(IMAGE, start=True)


def test_one_that_rests_without_a_container_casts_no_doubt() -> None:
    d = a_row(desired=Desired.STOPPED, status=Status.STOPPED, observed_intent=1, asked=START)
    assert plan(d, Observed(), NOW) == SETTLED
