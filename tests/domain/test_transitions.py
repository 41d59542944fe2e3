"""The status machine as a table: every pair, every deadline, and what a caller may ask for when."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from appliance.domain.deployment import Desired, Status
from appliance.domain.observed import Container, ContainerState, Observed
from appliance.domain.plan import plan
from appliance.domain.steps import Become, Bury, Remove, advance
from appliance.domain.transitions import DEADLINE_S, TRANSITIONS, actions, legal
from tests.domain.test_plan import IMAGE, NOW, a_container, a_row

PAIRS = list(product(Status, Status))
LEGAL = [pair for pair in PAIRS if legal(*pair)]
ILLEGAL = [pair for pair in PAIRS if not legal(*pair)]
RESTING = {Status.RUNNING, Status.STOPPED, Status.SLEEPING, Status.FAILED}
RESTED = set(Status) - {Status.STOPPED, Status.FAILED}
"""Whatever a deployment that is wanted asleep shows, it can be woken, or stopped for good."""

UNBOUNDED = {*RESTING, Status.PENDING}
"""``pending`` waits for what the machine lacks for as long as it takes, and says what it is."""


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
    late = replace(NOW, boot_us=NOW.boot_us + DEADLINE_S[status] * 1_000_000 + 1)
    seen = Observed(None if state is None else a_container(state), image=IMAGE)
    step = plan(row, seen, late)
    if isinstance(step, Become):
        assert step.status is not status or step.ended, step  # a crash is an end, and a new start
    else:
        assert isinstance(step, Remove), step


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
