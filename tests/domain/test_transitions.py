"""The status machine as a table: every pair, every deadline, and what a caller may ask for when."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from appliance.domain.deadlines import DEADLINE_S, is_overdue
from appliance.domain.deployment import Desired, Status
from appliance.domain.instant import Instant
from appliance.domain.observed import Container, ContainerState, Observed
from appliance.domain.plan import plan
from appliance.domain.steps import Become, Bury, Remove, Start, Stop, advance
from appliance.domain.transitions import TRANSITIONS, actions, legal
from tests.domain.test_plan import IMAGE, NOW, a_container, a_row

PAIRS = list(product(Status, Status))
LEGAL = [pair for pair in PAIRS if legal(*pair)]
ILLEGAL = [pair for pair in PAIRS if not legal(*pair)]
RESTING = {Status.RUNNING, Status.STOPPED, Status.SLEEPING, Status.FAILED}
RESTED = set(Status) - {Status.STOPPED, Status.FAILED}
"""Whatever a deployment that is wanted asleep shows, it can be woken, or stopped for good."""

UNBOUNDED = {*RESTING, Status.PENDING, Status.PULLING}
"""``pending`` waits for what the machine lacks for as long as it takes, and says what it is; a pull
ends by itself."""


def after(seconds: float) -> Instant:
    return replace(NOW, boot_us=NOW.boot_us + round(seconds * 1_000_000))


@pytest.mark.parametrize(("before", "after"), LEGAL)
def test_a_legal_move_is_made(before: Status, after: Status) -> None:
    moved = advance(a_row(status=before), Become(after, "x", "x"), NOW)
    assert moved.status is after


@pytest.mark.parametrize(("before", "after"), ILLEGAL)
def test_every_other_move_is_refused(before: Status, after: Status) -> None:
    with pytest.raises(ValueError, match=f"{before} can't become {after}"):
        advance(a_row(status=before), Become(after, "x", "x"), NOW)


def test_the_moves_that_make_no_sense_are_the_illegal_ones() -> None:
    assert set(ILLEGAL) == {
        (Status.RUNNING, Status.PULLING),
        (Status.STOPPED, Status.PULLING),
        (Status.SLEEPING, Status.PULLING),
        (Status.FAILED, Status.PULLING),
    }


def test_every_status_is_reached_from_a_new_deployment() -> None:
    reached, frontier = {Status.PENDING}, [Status.PENDING]
    while frontier:
        news = TRANSITIONS[frontier.pop()] - reached
        reached |= news
        frontier.extend(news)
    assert reached == set(Status)


def test_every_transitional_status_has_a_deadline_and_no_other_has() -> None:
    assert set(DEADLINE_S) == set(Status) - UNBOUNDED


@pytest.mark.parametrize("status", sorted(DEADLINE_S))
@pytest.mark.parametrize("desired", [Desired.RUNNING, Desired.STOPPED, Desired.SLEEPING])
@pytest.mark.parametrize("state", [None, *ContainerState])
def test_past_its_deadline_a_status_is_left(
    status: Status, desired: Desired, state: ContainerState | None
) -> None:
    row = a_row(status=status, desired=desired, observed_intent=1, started_intent=1)
    seen = Observed(None if state is None else a_container(state), image=IMAGE)
    grace_s = seen.stop_grace_s if status is Status.STOPPING else 0
    step = plan(row, seen, after(DEADLINE_S[status] + grace_s + 0.000001))
    if isinstance(step, Become):
        assert step.status is not status or step.ended, step  # a crash is an end, and a new start
    else:
        assert isinstance(step, Remove), step


def test_a_pull_that_took_long_has_not_failed() -> None:
    row = a_row(status=Status.PULLING, observed_intent=1)
    step = plan(row, Observed(image=IMAGE), after(86_400))
    assert isinstance(step, Become)
    assert step.status is Status.STARTING


@pytest.mark.parametrize("boot_id", ["boot", "the one before"])
def test_a_start_is_late_only_by_time_in_which_podman_answered(boot_id: str) -> None:
    row = a_row(status=Status.STARTING, observed_intent=1, boot_id=boot_id)
    now, limit_us = after(86_400), DEADLINE_S[Status.STARTING] * 1_000_000
    made = Observed(a_container(ContainerState.CREATED), answering_boot_us=now.boot_us - limit_us)
    assert plan(row, made, now) == Start()
    step = plan(row, replace(made, answering_boot_us=made.answering_boot_us - 1), now)
    assert isinstance(step, Become)
    assert step.reason is not None
    assert (step.status, step.reason.code) == (Status.FAILED, "start_timeout")


def test_a_back_off_that_passed_while_nobody_was_there_is_no_lateness() -> None:
    retry_boot_us = NOW.boot_us + 300_000_000
    row = a_row(status=Status.STARTING, observed_intent=1, failures=6, retry_boot_us=retry_boot_us)
    now = after(3600)
    made = Observed(a_container(ContainerState.CREATED), answering_boot_us=now.boot_us)
    assert plan(row, made, now) == Start()


def test_a_stop_has_all_of_its_grace_also_one_that_was_cut_short() -> None:
    row = a_row(status=Status.STOPPING, desired=Desired.STOPPED, observed_intent=1)
    stuck = Observed(a_container(ContainerState.STOPPING), stop_grace_s=600)
    assert plan(row, stuck, after(630)) == Stop()
    assert plan(row, stuck, after(631)) == Remove("nn-dep-1-g1")
    assert plan(row, replace(stuck, answering_boot_us=after(1).boot_us), after(631)) == Stop()


@pytest.mark.parametrize("status", sorted(UNBOUNDED))
def test_what_waits_or_rests_is_never_late(status: Status) -> None:
    assert not is_overdue(a_row(status=status), status, Observed(), after(10**9))


@pytest.mark.parametrize("status", Status)
def test_delete_always_comes_to_removal_and_burial(status: Status) -> None:
    row = a_row(status=status, desired=Desired.DELETED)
    containers: list[Container | None] = [None, *map(a_container, ContainerState)]
    for container in containers:
        d, step = row, plan(row, Observed(container), NOW)
        while isinstance(step, Become):
            d = advance(d, step, NOW)
            step = plan(d, Observed(container), NOW)
        assert step == (Bury() if container is None else Remove(container.name))


@pytest.mark.parametrize(("desired", "shown"), list(product(Desired, Status)))
def test_delete_is_offered_until_it_is_asked_for(desired: Desired, shown: Status) -> None:
    offered = actions(desired, shown)
    assert ("delete" in offered) == (desired is not Desired.DELETED)
    assert ({"start", "stop"} <= set(offered)) == (desired is Desired.SLEEPING and shown in RESTED)


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.RUNNING])
def test_the_times_of_running_are_those_it_was_entered_and_left(status: Status) -> None:
    later = replace(NOW, wall=NOW.wall + timedelta(seconds=9))
    up = advance(a_row(status=status), Become(Status.RUNNING, "x", "x"), NOW)
    assert (up.started_at, up.stopped_at) == (NOW.wall, None)
    down = advance(up, Become(Status.STOPPING, "x", "x"), later)
    assert (down.started_at, down.stopped_at) == (NOW.wall, later.wall)
