"""Who gives way for whom: never more than has to, never for nothing, the longest idle first."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.deployment import GpuNeed
from appliance.domain.eviction import GRACE_US, Eviction, Idler, evict, evicted_reason
from appliance.domain.gpu_ledger import Card, Hold, Waiting, settle
from tests.domain.test_plan import a_row

CARDS = tuple(Card(f"GPU-{n}", n, vram_mb=24_000) for n in range(4))
NOBODY: frozenset[str] = frozenset()
LONG_US = 10 * GRACE_US


def alone(deployment_id: str, *gpus: int) -> list[Hold]:
    return [Hold(deployment_id, f"GPU-{n}", exclusive=True) for n in gpus]


def waits(deployment_id: str, count: int = 1, **need: object) -> Waiting:
    return Waiting(deployment_id, replace(GpuNeed(count), **need))  # type: ignore[arg-type]


def idle(*ids: str) -> list[Idler]:
    """The first has been idle for longest."""
    return [Idler(i, LONG_US - n) for n, i in enumerate(ids)]


FULL = [*alone("a", 0), *alone("b", 1), *alone("c", 2), *alone("d", 3)]


def test_the_longest_idle_gives_way() -> None:
    found = evict(CARDS, FULL, [waits("x")], idle("c", "a", "b"), NOBODY)
    assert found == Eviction("x", ("c",))


def test_as_many_as_it_takes_give_way() -> None:
    found = evict(CARDS, FULL, [waits("x", 2)], idle("c", "a", "b"), NOBODY)
    assert found == Eviction("x", ("c", "a"))


def test_nobody_gives_way_for_nothing() -> None:
    """Also where some would, but not enough of them."""
    assert evict(CARDS, FULL, [waits("x", 4)], idle("a", "b", "c"), NOBODY) is None
    assert evict(CARDS, FULL, [waits("x", 9)], idle("a", "b", "c", "d"), NOBODY) is None
    assert evict(CARDS, FULL, [waits("x")], [], NOBODY) is None
    assert evict(CARDS, FULL, [], idle("a"), NOBODY) is None


def test_who_holds_what_does_not_help_is_spared() -> None:
    found = evict(CARDS, FULL, [waits("x", named=("1",))], idle("a", "c", "b"), NOBODY)
    assert found == Eviction("x", ("b",))


def test_only_the_first_in_line_is_made_room_for() -> None:
    found = evict(CARDS, FULL, [waits("x", 3), waits("y")], idle("a", "b"), NOBODY)
    assert found is None


def test_who_can_never_be_served_is_passed_over() -> None:
    found = evict(CARDS, FULL, [waits("x", 9), waits("y")], idle("a"), NOBODY)
    assert found == Eviction("y", ("a",))


def test_who_leaves_already_is_enough() -> None:
    line = [waits("x", 2)]
    assert evict(CARDS, FULL, line, idle("c", "d"), frozenset({"a", "b"})) is None
    assert evict(CARDS, FULL, line, idle("a", "c", "d"), frozenset({"a"})) == Eviction("x", ("c",))


def test_who_was_used_just_now_is_left_in_peace() -> None:
    just_now = [Idler("a", GRACE_US - 1)]
    assert evict(CARDS, FULL, [waits("x")], just_now, NOBODY) is None
    assert evict(CARDS, FULL, [waits("x")], [Idler("a", GRACE_US)], NOBODY) is not None


def test_sharers_of_a_card_give_way_together_where_it_is_wanted_alone() -> None:
    shared = [Hold(i, "GPU-0", exclusive=False, vram_mb=8000) for i in ("a", "b")]
    one_card = CARDS[:1]
    assert evict(one_card, shared, [waits("x")], idle("a"), NOBODY) is None
    assert evict(one_card, shared, [waits("x")], idle("a", "b"), NOBODY) == Eviction(
        "x", ("a", "b")
    )


def test_one_that_shares_needs_no_more_than_its_share() -> None:
    shared = [Hold(i, "GPU-0", exclusive=False, vram_mb=12_000) for i in ("a", "b")]
    share = waits("x", exclusive=False, vram_mb=10_000)
    found = evict(CARDS[:1], shared, [share], idle("b", "a"), NOBODY)
    assert found == Eviction("x", ("b",))


@pytest.mark.parametrize(
    ("owner", "words"), [("user_1", "big (dep_2)"), ("user_2", "another user's deployment")]
)
def test_it_is_said_for_whom_but_nothing_of_others(owner: str, words: str) -> None:
    giver, taker = a_row(), a_row(id="dep_2", name="big", owner_id=owner)
    message = f"Gave way to {words}, which waits for its GPU"
    assert evicted_reason(giver, taker).message == message


NEEDS = st.builds(
    GpuNeed,
    count=st.integers(1, 5),
    min_vram_mb=st.sampled_from([None, 20_000, 40_000]),
    vram_mb=st.sampled_from([6_000, 12_000]),
    exclusive=st.booleans(),
)
LINES = st.lists(NEEDS, min_size=1, max_size=5).map(
    lambda needs: [Waiting(f"w{n}", need) for n, need in enumerate(needs)]
)
HOLDERS = st.lists(NEEDS, max_size=6).map(
    lambda needs: list(
        settle(CARDS, [], [Waiting(f"h{n}", need) for n, need in enumerate(needs)]).grants
    )
)
IDLERS = st.lists(
    st.builds(Idler, st.sampled_from([f"h{n}" for n in range(6)]), st.integers(0, LONG_US)),
    max_size=6, unique_by=lambda one: one.deployment_id,
)  # fmt: skip
LEAVING = st.frozensets(st.sampled_from([f"h{n}" for n in range(6)]), max_size=2)


def without(holds: list[Hold], gone: frozenset[str]) -> list[Hold]:
    return [hold for hold in holds if hold.deployment_id not in gone]


def is_served(holds: list[Hold], line: list[Waiting], who: str, gone: frozenset[str]) -> bool:
    grants = settle(CARDS, without(holds, gone), line).grants
    return who in {hold.deployment_id for hold in grants}


@given(holds=HOLDERS, line=LINES, idlers=IDLERS, leaving=LEAVING)
def test_room_is_made_for_the_first_and_by_no_more_than_it_takes(
    holds: list[Hold], line: list[Waiting], idlers: list[Idler], leaving: frozenset[str]
) -> None:
    places = settle(CARDS, holds, line).places
    found = evict(CARDS, holds, line, idlers, leaving)
    willing = {one.deployment_id for one in idlers if one.idle_us >= GRACE_US} - leaving
    first = next((i for i, place in places.items() if not place.hopeless), None)
    if found is None:
        may = first is not None and not settle(CARDS, holds, line).grants
        assert (
            not may
            or is_served(holds, line, first or "", leaving)
            or not is_served(holds, line, first or "", leaving | willing)
        )
        return
    givers = frozenset(found.givers)
    assert found.taker == first
    assert givers
    assert givers <= willing
    assert is_served(holds, line, found.taker, leaving | givers)
    for one in givers:
        assert not is_served(holds, line, found.taker, (leaving | givers) - {one})


def test_nobody_gives_way_for_itself() -> None:
    """Who has lent its share and waits for it has some memory there still."""
    left = [Hold("x", "GPU-0", exclusive=False, vram_mb=1_000)]
    used = [*left, Hold("a", "GPU-0", exclusive=False, vram_mb=12_000)]
    line = [waits("x", named=("GPU-0",), exclusive=False, vram_mb=12_000)]
    assert evict(CARDS[:1], used, line, idle("x"), NOBODY) is None
    assert evict(CARDS[:1], used, line, idle("x", "a"), NOBODY) == Eviction("x", ("a",))


def test_a_share_that_is_kept_may_leave_room_enough() -> None:
    used = [Hold(i, "GPU-0", exclusive=False, vram_mb=12_000) for i in ("a", "b")]
    shares = [replace(hold, vram_mb=6_000) for hold in used]
    idlers = idle("a", "b")

    def by_softening(vram_mb: int) -> Eviction | None:
        line = [waits("x", exclusive=False, vram_mb=vram_mb)]
        return evict(CARDS[:1], used, line, idlers, NOBODY, shares)

    assert by_softening(6_000) == Eviction("x", ("a",))
    assert by_softening(12_000) == Eviction("x", ("a", "b"))
    assert by_softening(13_000) is None
