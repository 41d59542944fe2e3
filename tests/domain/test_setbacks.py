"""What was refused and what crashed are counted apart: neither makes the other hopeless."""

import pytest

from appliance.domain.deployment import Deployment, Status
from appliance.domain.errors import PortTaken, RuntimeFailure
from appliance.domain.observed import ContainerState, Observed
from appliance.domain.plan import plan
from appliance.domain.setbacks import MAX_TRIES, after_failure
from appliance.domain.steps import Become, Start, advance
from tests.domain.test_plan import NOW, a_container, a_row

MANY = 20
REFUSALS = {"runtime_error": RuntimeFailure("x"), "port_taken": PortTaken("x")}


def tries(d: Deployment, error: RuntimeFailure) -> int:
    """How many starts are refused before it is given up."""
    for count in range(1, MANY):
        step = after_failure(d, Start(), error, NOW)
        assert isinstance(step, Become)
        d = advance(d, step, NOW)
        if d.status is Status.FAILED:
            return count
    pytest.fail("never given up")


@pytest.mark.parametrize("code", REFUSALS)
def test_one_that_crashed_often_is_tried_as_often_as_one_that_never_did(code: str) -> None:
    rows = [a_row(status=Status.STARTING, observed_intent=1, failures=n) for n in range(MANY)]
    counts = {tries(d, REFUSALS[code]) for d in rows}
    assert len(counts) == 1
    assert counts.pop() >= MAX_TRIES


@pytest.mark.parametrize("state", [ContainerState.RUNNING, ContainerState.EXITED])
def test_a_run_ends_the_row_of_refusals(state: ContainerState) -> None:
    d = a_row(status=Status.STARTING, observed_intent=1, refusals=MAX_TRIES - 1)
    step = plan(d, Observed(a_container(state)), NOW)
    assert isinstance(step, Become)
    assert advance(d, step, NOW).refusals == 0
