"""plan() with an update: the old container is kept until the new one does, in every state."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from appliance.domain.deployment import (
    Asked,
    Deployment,
    Desired,
    Health,
    Process,
    Reason,
    Spec,
    Status,
    Update,
    Verb,
    Volume,
)
from appliance.domain.errors import ImageFailure, StartRefused
from appliance.domain.instant import to_us
from appliance.domain.observed import Container, ContainerState, Drain, Observed
from appliance.domain.plan import DRAIN_LOOK_US, plan
from appliance.domain.setbacks import after_failure
from appliance.domain.steps import (
    Become,
    Create,
    Pull,
    Remove,
    Retire,
    Start,
    Step,
    Stop,
    Turn,
    Wait,
    advance,
)
from tests.domain.test_plan import IMAGE, MANY, NOW, WALL, a_container, a_row

NEW_IMAGE = "docker.io/library/app:2"
NEWER = replace(IMAGE, id="sha256:newer")
SETTLED_TICKS = NOW.boot_us // 10_000 - 1000


def an_update(*, handover: bool = False, volumes: tuple[Volume, ...] = ()) -> Update:
    spec = Spec(image=NEW_IMAGE, volumes=volumes)
    return Update(spec, None, 400, 2, handover, "boot", NOW.boot_us)


def updated(**changes: object) -> Deployment:
    row = {"status": Status.RUNNING, "observed_intent": 1, "container_id": "c1",
           "process": Process(7, NOW.boot_us // 10_000), "last_generation": 2,
           "update": an_update(), **changes}  # fmt: skip
    return a_row(**row)


def new(state: ContainerState, **changes: object) -> Container:
    process = Process(8, SETTLED_TICKS) if state is ContainerState.RUNNING else None
    return replace(
        a_container(state), id="c2", name="nn-dep-1-g2", process=process, **changes,  # type: ignore[arg-type]
    )  # fmt: skip


OLD = a_container(ContainerState.RUNNING)
RESTING = a_container(ContainerState.EXITED, started_at=WALL)


def seen(old: Container | None, trial: Container | None, **changes: object) -> Observed:
    return Observed(container=old, candidate=Observed(trial, **changes))  # type: ignore[arg-type]


def become(step: Step) -> Become:
    assert isinstance(step, Become), step
    return step


def test_beside_a_container_that_serves_the_new_one_is_fetched_made_and_started() -> None:
    d = updated()
    assert plan(d, seen(OLD, None), NOW) == Pull(candidate=True)
    assert plan(d, seen(OLD, None, image=IMAGE), NOW) == Create(IMAGE, candidate=True)
    created = new(ContainerState.CREATED)
    assert plan(d, seen(OLD, created, image=IMAGE), NOW) == Start(candidate=True)


def test_once_it_is_up_it_takes_over_and_the_old_one_is_retired() -> None:
    step = become(plan(updated(), seen(OLD, new(ContainerState.RUNNING)), NOW))
    after = advance(updated(), step, NOW)
    assert (after.status, after.generation, after.update) == (Status.RUNNING, 2, None)
    assert (after.spec.image, after.rate_cents) == (NEW_IMAGE, 400)
    assert after.container_id == "c2"
    left = Observed(new(ContainerState.RUNNING), strays=("nn-dep-1-g1",))
    assert plan(after, left, NOW) == Retire("nn-dep-1-g1")


ADOPTED = updated(
    generation=2, update=None, container_id="c2", process=Process(8, SETTLED_TICKS)
)  # fmt: skip
LATER = NOW.boot_us + 30_000_000


def draining(
    trial: Container, open_requests: int = 3, until_boot_us: int = LATER
) -> Observed:  # fmt: skip
    return Observed(trial, strays=("nn-dep-1-g1",), drain=Drain(open_requests, until_boot_us))


def test_one_that_still_answers_is_left_until_it_has_or_its_time_is_up() -> None:
    up = new(ContainerState.RUNNING)
    assert plan(ADOPTED, draining(up), NOW) == Wait(NOW.boot_us + DRAIN_LOOK_US)
    retired = Retire("nn-dep-1-g1")
    assert plan(ADOPTED, draining(up, open_requests=0), NOW) == retired
    assert plan(ADOPTED, draining(up, until_boot_us=NOW.boot_us), NOW) == retired


def test_the_new_one_is_seen_to_while_the_old_one_ends_its_answers() -> None:
    crashed = new(ContainerState.EXITED, started_at=WALL)
    step = become(plan(ADOPTED, draining(crashed), NOW))
    assert (step.status, step.event) == (Status.STARTING, "crashed")


def test_a_further_update_waits_for_the_old_one() -> None:
    further = replace(ADOPTED, update=replace(an_update(), generation=3), last_generation=3)
    world = replace(draining(new(ContainerState.RUNNING)), candidate=Observed())
    assert plan(further, world, NOW) == Wait(NOW.boot_us + DRAIN_LOOK_US)
    assert plan(further, replace(world, strays=(), drain=None), NOW) == Pull(candidate=True)


@pytest.mark.parametrize("desired", [Desired.STOPPED, Desired.DELETED])
def test_a_stop_and_a_delete_wait_for_no_answers(desired: Desired) -> None:
    step = plan(replace(ADOPTED, desired=desired), draining(new(ContainerState.RUNNING)), NOW)
    assert isinstance(step, Retire | Remove)


def refreshing(**changes: object) -> Deployment:
    d = updated(**changes)
    return replace(d, update=replace(an_update(), spec=d.spec, refresh=True))


@pytest.mark.parametrize("fetched_boot_us", [None, NOW.boot_us - 1])
def test_an_image_that_is_to_be_fetched_anew_is_fetched_though_it_is_there(
    fetched_boot_us: int | None,
) -> None:
    world = seen(OLD, None, image=IMAGE, fetched_boot_us=fetched_boot_us)
    assert plan(refreshing(), world, NOW) == Pull(candidate=True)


def test_a_newer_image_takes_over_and_the_same_one_touches_nothing() -> None:
    world = seen(OLD, None, image=NEWER, fetched_boot_us=NOW.boot_us)
    assert plan(refreshing(), world, NOW) == Create(NEWER, candidate=True)
    same = seen(OLD, None, image=IMAGE, fetched_boot_us=NOW.boot_us)
    d = refreshing(reason=Reason("update_failed", "before"))
    step = become(plan(d, same, NOW))
    assert (step.event, step.message) == ("newest", f"Already newest: {d.spec.image}")
    assert advance(d, step, NOW) == replace(d, update=None)


def test_the_same_image_with_another_spec_takes_over() -> None:
    d = refreshing()
    assert d.update is not None
    d = replace(d, update=replace(d.update, spec=replace(d.spec, env={"A": "1"})))
    world = seen(OLD, None, image=IMAGE, fetched_boot_us=NOW.boot_us)
    assert plan(d, world, NOW) == Create(IMAGE, candidate=True)


def test_an_image_of_this_machine_alone_is_compared_and_not_fetched() -> None:
    d = refreshing(spec=Spec(image="localhost/mine:latest"))
    assert become(plan(d, seen(OLD, None, image=IMAGE), NOW)).event == "newest"


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED])
def test_what_rests_looks_for_a_newer_image_too(status: Status) -> None:
    d = refreshing(status=status, intent=2, observed_intent=2)
    if status is Status.STOPPED:
        d = replace(d, desired=Desired.STOPPED)
    assert plan(d, seen(RESTING, None, image=IMAGE), NOW) == Pull(candidate=True)
    same = seen(RESTING, None, image=IMAGE, fetched_boot_us=NOW.boot_us)
    assert become(plan(d, same, NOW)).event == "newest"
    newer = seen(RESTING, None, image=NEWER, fetched_boot_us=NOW.boot_us)
    assert become(plan(d, newer, NOW)).turn is Turn.ADOPT


def test_a_stop_does_not_wait_for_a_download() -> None:
    d = refreshing(status=Status.STOPPING, desired=Desired.STOPPED, intent=2, observed_intent=2)
    step = become(plan(d, seen(RESTING, None, image=IMAGE), NOW))
    assert (step.status, step.turn) == (Status.STOPPED, None)


def test_one_that_has_just_started_must_stay_up_for_two_seconds() -> None:
    fresh = new(ContainerState.RUNNING)
    fresh = replace(fresh, process=Process(8, NOW.boot_us // 10_000))
    assert plan(updated(), seen(OLD, fresh), NOW) == Wait(NOW.boot_us + 2_000_000)


def test_one_with_a_health_check_takes_over_when_it_is_healthy_and_not_before() -> None:
    up = new(ContainerState.RUNNING)
    assert isinstance(plan(updated(), seen(OLD, up, health=Health.UNKNOWN), NOW), Wait)
    step = become(plan(updated(), seen(OLD, up, health=Health.HEALTHY), NOW))
    assert (step.turn, step.health) == (Turn.ADOPT, Health.HEALTHY)


@pytest.mark.parametrize(
    ("trial", "health", "words"),
    [
        (new(ContainerState.EXITED), None, "Exited with code 1"),
        (new(ContainerState.LOST), None, "process"),
        (new(ContainerState.RUNNING), Health.UNHEALTHY, "health check fails"),
        (new(ContainerState.RUNNING, ours=False), None, "not ours"),
    ],
)
def test_one_that_does_not_do_leaves_the_deployment_as_it_was(
    trial: Container, health: Health | None, words: str
) -> None:
    step = become(plan(updated(), seen(OLD, trial, health=health), NOW))
    after = advance(updated(), step, NOW)
    assert (after.status, after.generation, after.update) == (Status.RUNNING, 1, None)
    assert (after.spec.image, after.rate_cents) == ("docker.io/library/app:latest", 0)
    assert after.reason is not None
    assert after.reason.code == "update_failed"
    assert words in after.reason.message


def test_an_update_that_never_ends_is_given_up_also_after_a_reboot() -> None:
    hour_later = replace(NOW, boot_us=NOW.boot_us + 3_601_000_000)
    trial = seen(OLD, new(ContainerState.PAUSED), health=Health.UNKNOWN)
    assert become(plan(updated(), trial, hour_later)).turn is Turn.GIVE_UP
    rebooted = updated(update=replace(an_update(), boot_id="before"))
    assert become(plan(rebooted, trial, hour_later)).turn is Turn.GIVE_UP


def test_neither_its_download_nor_podmans_absence_counts_against_an_update() -> None:
    day_later = replace(NOW, boot_us=NOW.boot_us + 86_400_000_000)
    an_hour_ago = day_later.boot_us - 3_600_000_000
    fetched = seen(OLD, None, image=IMAGE, fetching_boot_us=an_hour_ago)
    back = replace(seen(OLD, None, image=IMAGE), answering_boot_us=an_hour_ago)
    later = replace(day_later, boot_us=day_later.boot_us + 1)
    for world in (fetched, back):
        assert plan(updated(), world, day_later) == Create(IMAGE, candidate=True)
        assert become(plan(updated(), world, later)).turn is Turn.GIVE_UP


@pytest.mark.parametrize("step", [Pull(True), Create(IMAGE, True), Start(True)])
def test_a_verb_that_fails_ends_the_update_and_not_the_deployment(
    step: Pull | Create | Start,
) -> None:
    error = ImageFailure("image_not_found", "no such image") if step == Pull(True) else None
    setback = become(after_failure(updated(), step, error or StartRefused("no"), NOW))
    assert (setback.status, setback.turn) == (Status.RUNNING, Turn.GIVE_UP)


def test_where_they_share_a_volume_the_old_one_is_stopped_first() -> None:
    sharing = an_update(volumes=(Volume("data", "/data"),))
    d = updated(update=sharing)
    created = new(ContainerState.CREATED)
    step = become(plan(d, seen(OLD, created, image=IMAGE), NOW))
    assert (step.status, step.turn) == (Status.STARTING, Turn.HAND_OVER)
    d = advance(d, step, NOW)
    assert plan(d, seen(OLD, created, image=IMAGE), NOW) == Stop()
    late = replace(NOW, boot_us=NOW.boot_us + 41_000_000)
    assert plan(d, seen(OLD, created, image=IMAGE), late) == Remove("nn-dep-1-g1")
    graceful = replace(seen(OLD, created, image=IMAGE), stop_grace_s=600)
    assert plan(d, graceful, late) == Stop()
    d = advance(d, become(plan(d, seen(RESTING, created, image=IMAGE), NOW)), NOW)  # noted
    assert plan(d, seen(RESTING, created, image=IMAGE), NOW) == Start(candidate=True)
    taken = advance(d, become(plan(d, seen(RESTING, new(ContainerState.RUNNING)), NOW)), NOW)
    assert (taken.status, taken.generation) == (Status.RUNNING, 2)


def test_a_volume_of_the_image_counts_as_one() -> None:
    with_volume = replace(IMAGE, volumes=("/data",))
    step = plan(updated(), seen(OLD, new(ContainerState.CREATED), image=with_volume), NOW)
    assert become(step).turn is Turn.HAND_OVER


def test_after_a_failed_hand_over_the_old_one_comes_back_and_says_why() -> None:
    d = updated(status=Status.STARTING, update=an_update(handover=True))
    d = advance(d, become(plan(d, seen(RESTING, new(ContainerState.EXITED)), NOW)), NOW)  # noted
    d = advance(d, become(plan(d, seen(RESTING, new(ContainerState.EXITED)), NOW)), NOW)
    assert (d.status, d.update, d.restart_count) == (Status.STARTING, None, 0)
    assert plan(d, Observed(RESTING), NOW) == Start()
    again = replace(OLD, process=Process(9, NOW.boot_us // 10_000))
    d = advance(d, become(plan(d, Observed(again), NOW)), NOW)
    assert d.status is Status.RUNNING
    assert d.reason is not None
    assert d.reason.code == "update_failed"


def test_what_does_not_serve_takes_the_new_spec_at_once() -> None:
    for status in (Status.PENDING, Status.STARTING, Status.FAILED, Status.RUNNING):
        d = updated(status=status, intent=2)
        step = become(plan(d, seen(RESTING, None), NOW))
        assert (step.status, step.turn, step.accept) == (Status.PENDING, Turn.ADOPT, True)


def test_a_rest_is_not_disturbed() -> None:
    done = updated(status=Status.STOPPED)
    step = become(plan(done, seen(RESTING, None), NOW))
    assert (step.status, step.turn) == (Status.STOPPED, Turn.ADOPT)
    stopped = updated(status=Status.STOPPED, desired=Desired.STOPPED)
    step = become(plan(stopped, seen(RESTING, None), NOW))
    assert (step.status, step.turn) == (Status.STOPPED, Turn.ADOPT)


def test_a_stop_during_an_update_stops_both_with_grace() -> None:
    d = updated(desired=Desired.STOPPED, status=Status.STOPPING, intent=2, observed_intent=2)
    up = new(ContainerState.RUNNING)
    assert plan(d, seen(OLD, up), NOW) == Stop()
    d = advance(d, become(plan(d, seen(RESTING, up), NOW)), NOW)
    assert (d.status, d.generation) == (Status.STOPPING, 2)
    assert plan(d, Observed(up), NOW) == Stop()
    d = advance(d, become(plan(d, Observed(new(ContainerState.EXITED)), NOW)), NOW)
    assert d.status is Status.STOPPED


def worlds() -> Iterator[Observed]:
    states = (None, *ContainerState)
    for old, trial, image in product(
        states, states, (None, IMAGE, replace(IMAGE, volumes=("/v",)))
    ):
        for health in (None, *Health):
            yield seen(
                None if old is None else a_container(old),
                None if trial is None else new(trial),
                image=image, health=health,
            )  # fmt: skip


ROWS = [
    updated(desired=desired, status=status, intent=2, observed_intent=observed,
            restart_intent=restart, update=an_update(handover=handover))
    for desired, status, observed, restart, handover in product(
        Desired, Status, (1, 2), (0, 2), (False, True)
    )
    if not handover or status in (Status.STARTING, Status.STOPPING)
]  # fmt: skip


@pytest.mark.parametrize("world", list(worlds()), ids=str)
def test_whatever_is_seen_it_comes_to_an_act_or_to_rest_by_legal_moves(world: Observed) -> None:
    for row in ROWS:
        d = row
        for _ in range(MANY):
            adopted = d.generation == 2 and world.candidate is not None
            now_seen = world.candidate if adopted and world.candidate else world
            step = plan(d, now_seen, NOW)
            if not isinstance(step, Become):
                break
            d = advance(d, step, NOW)
        else:
            pytest.fail(f"never comes to an end: {row} {world}")


@pytest.mark.parametrize("handover", [False, True])
def test_a_new_container_that_may_yet_be_started_late_is_removed_and_another_made(
    handover: bool,
) -> None:
    old = a_container(ContainerState.EXITED if handover else ContainerState.RUNNING)
    d = updated(update=an_update(handover=handover), asked=Asked(Verb.START, 2))
    d = replace(d, handled_run_us=to_us(WALL) if handover else None)
    trial = new(ContainerState.CREATED)
    assert plan(d, Observed(old, candidate=Observed(trial)), NOW) == Remove(trial.name)
    step = plan(d, Observed(old, candidate=Observed(image=NEWER)), NOW)
    assert isinstance(step, Become)
    fresh = advance(d, step, NOW)
    assert fresh.update is not None
    assert (fresh.generation, fresh.update.generation, fresh.last_generation) == (1, 3, 3)
    step = plan(fresh, Observed(old, candidate=Observed(image=NEWER)), NOW)
    assert step == Create(NEWER, candidate=True)


def test_an_order_to_stop_waits_for_a_new_container_in_doubt_to_be_gone() -> None:
    d = updated(desired=Desired.STOPPED, asked=Asked(Verb.START, 2))
    old, trial = a_container(ContainerState.EXITED), new(ContainerState.CREATED)
    assert plan(d, Observed(old, candidate=Observed(trial)), NOW) == Remove(trial.name)
