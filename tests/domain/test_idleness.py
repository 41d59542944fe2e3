"""When a deployment may be put to sleep, and how it gets there and back."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.deployment import Desired, Reason, Status
from appliance.domain.idleness import EVICTED, IDLE, MINUTE_US, Use, idle_reason, is_due
from appliance.domain.merge import spec_from_template
from appliance.domain.observed import ContainerState, Observed
from appliance.domain.order import IdleTimeout, Order
from appliance.domain.plan import plan
from appliance.domain.steps import SETTLED, Become, Start, Stop, advance
from appliance.domain.template import Template
from tests.domain.test_plan import NOW, a_container, a_row

MOMENTS = st.integers(0, 10**15)


@pytest.mark.parametrize(
    ("minutes", "idle_us", "due"),
    [
        (5, 5 * MINUTE_US, True), (5, 5 * MINUTE_US - 1, False), (0.1, 6_000_000, True),
        (0.1, 5_999_999, False),
    ],
)  # fmt: skip
def test_it_is_due_when_it_was_idle_for_the_whole_time(
    minutes: float, idle_us: int, due: bool
) -> None:
    assert is_due(Use(0, 1000), minutes, 1000 + idle_us) is due


@given(open_=st.integers(1, 9), since=MOMENTS, now=MOMENTS, minutes=st.floats(0.1, 43_200))
def test_nothing_in_use_is_ever_due(open_: int, since: int, now: int, minutes: float) -> None:
    assert not is_due(Use(open_, since), minutes, now)


@given(since=MOMENTS, now=MOMENTS)
def test_what_lies_ahead_is_no_idle_time(since: int, now: int) -> None:
    """A row of an earlier boot may name a moment that this one has not reached."""
    assert Use(0, since).idle_us(now) == max(0, now - since)


@pytest.mark.parametrize(("minutes", "words"), [(1, "1 minute"), (0.5, "0.5 minutes")])
def test_the_reason_names_the_time(minutes: float, words: str) -> None:
    assert idle_reason(minutes) == Reason(IDLE, f"Not used for {words}")


@pytest.mark.parametrize(
    ("said", "minutes"), [(None, 30.0), (IdleTimeout(5), 5), (IdleTimeout(None), None)]
)
def test_the_template_has_a_time_unless_the_order_says_another_or_never(
    said: IdleTimeout | None, minutes: float | None
) -> None:
    template = Template("t", "T", "d", "c", "docker.io/library/t:1", idle_timeout_minutes=30.0)
    spec = spec_from_template(Order("node_1", "t", idle_timeout=said), template)
    assert spec.idle_timeout_minutes == minutes


def test_it_is_stopped_and_then_asleep_and_says_why_all_along() -> None:
    why = Reason(EVICTED, "for somebody")
    row = a_row(
        desired=Desired.SLEEPING, status=Status.RUNNING, intent=2, observed_intent=1, reason=why
    )
    up = Observed(a_container(ContainerState.RUNNING))
    stopping = plan(row, up, NOW)
    assert isinstance(stopping, Become)
    row = advance(row, stopping, NOW)
    assert (row.status, row.reason, plan(row, up, NOW)) == (Status.STOPPING, why, Stop())
    down = Observed(a_container(ContainerState.EXITED))
    resting = plan(row, down, NOW)
    assert isinstance(resting, Become)
    row = advance(row, resting, NOW)
    assert (row.status, row.reason, plan(row, down, NOW)) == (Status.SLEEPING, why, SETTLED)


def test_another_reason_does_not_explain_why_it_sleeps() -> None:
    """Podman was away in between, say."""
    row = a_row(desired=Desired.SLEEPING, status=Status.STOPPING, reason=Reason("runtime", "away"))
    resting = plan(row, Observed(a_container(ContainerState.EXITED)), NOW)
    assert isinstance(resting, Become)
    assert (resting.status, resting.reason) == (Status.SLEEPING, None)


@pytest.mark.parametrize("desired", [Desired.RUNNING, Desired.STOPPED])
def test_who_is_woken_or_stopped_sleeps_for_no_reason_any_more(desired: Desired) -> None:
    asleep = a_row(
        desired=desired, status=Status.SLEEPING, intent=3, observed_intent=2, started_intent=2,
        reason=Reason(IDLE, "not used"),
    )  # fmt: skip
    down = Observed(a_container(ContainerState.EXITED))
    step = plan(asleep, down, NOW)
    assert isinstance(step, Become)
    row = advance(asleep, step, NOW)
    assert row.reason is None
    rests = desired is Desired.STOPPED
    assert row.status is (Status.STOPPED if rests else Status.STARTING)
    assert plan(row, down, NOW) == (SETTLED if rests else Start())


def test_who_is_woken_before_it_was_stopped_just_runs_on() -> None:
    row = a_row(
        status=Status.RUNNING, intent=3, observed_intent=1, started_intent=1,
        reason=Reason(IDLE, "not used"),
    )  # fmt: skip
    container = a_container(ContainerState.RUNNING)
    row = replace(row, container_id=container.id, process=container.process)
    step = plan(row, Observed(container), NOW)
    assert isinstance(step, Become)
    row = advance(row, step, NOW)
    assert (row.status, row.reason, row.observed_intent) == (Status.RUNNING, None, 3)
