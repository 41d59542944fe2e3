"""Who gets which GPU: first come first served, never twice, nobody starves."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.deployment import GpuNeed
from appliance.domain.gpu_ledger import (
    Card,
    Hold,
    Waiting,
    in_turn,
    lacking,
    settle,
    waiting_reason,
)
from tests.gpu_record import overbooked

BIG, SMALL = Card("GPU-big", 0, 48_000), Card("GPU-small", 1, 8_000)
ONE = GpuNeed(1)


def in_line(*needs: GpuNeed) -> list[Waiting]:
    return [Waiting(f"dep_{n}", need) for n, need in enumerate(needs)]


def given_to(cards: list[Card], *needs: GpuNeed, holds: tuple[Hold, ...] = ()) -> dict[str, str]:
    grants = settle(cards, holds, in_line(*needs)).grants
    return {g.gpu: g.deployment_id for g in grants}


def test_the_tightest_card_that_will_do_is_given() -> None:
    assert given_to([BIG, SMALL], ONE) == {"GPU-small": "dep_0"}
    assert given_to([BIG, SMALL], GpuNeed(1, min_vram_mb=10_000)) == {"GPU-big": "dep_0"}


def test_the_first_come_is_the_first_served() -> None:
    assert given_to([BIG], ONE, ONE, ONE) == {"GPU-big": "dep_0"}
    settlement = settle([BIG], (), in_line(ONE, ONE, ONE))
    assert {i: p.number for i, p in settlement.places.items()} == {"dep_1": 1, "dep_2": 2}


def test_a_small_one_never_overtakes_a_large_one_that_waits() -> None:
    taken = (Hold("dep_x", "GPU-big", exclusive=True),)
    assert given_to([BIG, SMALL], GpuNeed(2), ONE, holds=taken) == {}
    places = settle([BIG, SMALL], taken, in_line(GpuNeed(2), ONE, ONE)).places
    assert [place.why for place in places.values()] == [
        "Waits for 2 GPUs: GPU 0 is in use, GPU 1 is free",
        *["Waits for 1 GPU: GPU 0 is in use, GPU 1 is for those ahead in line"] * 2,
    ]


def test_one_that_waits_for_another_card_keeps_nobody_from_this_one() -> None:
    taken = (Hold("dep_x", "GPU-big", exclusive=True),)
    named = GpuNeed(1, named=("GPU-big",))
    assert given_to([BIG, SMALL], named, ONE, holds=taken) == {"GPU-small": "dep_1"}


def test_one_that_can_never_be_served_keeps_nobody_waiting() -> None:
    settlement = settle([SMALL], (), in_line(GpuNeed(2), GpuNeed(1, min_vram_mb=9_000), ONE))
    assert [g.deployment_id for g in settlement.grants] == ["dep_2"]
    assert all(place.hopeless for place in settlement.places.values())


def test_shares_fill_a_card_up_to_its_size() -> None:
    share = GpuNeed(1, vram_mb=3_000, exclusive=False)
    settlement = settle([SMALL], (), in_line(share, share, share, ONE))
    assert [g.deployment_id for g in settlement.grants] == ["dep_0", "dep_1"]


def test_shares_go_where_shares_are_so_that_whole_cards_stay_free() -> None:
    share = GpuNeed(1, vram_mb=3_000, exclusive=False)
    taken = (Hold("dep_x", "GPU-a", exclusive=False, vram_mb=2_000),)
    cards = [Card("GPU-a", 0, 8_000), Card("GPU-b", 1, 8_000)]
    assert given_to(cards, share, holds=taken) == {"GPU-a": "dep_0"}


def test_memory_that_strangers_use_counts_as_taken() -> None:
    gamer = replace(SMALL, taken_mb=6_000)
    assert given_to([gamer], GpuNeed(1, vram_mb=3_000)) == {}
    assert given_to([gamer], GpuNeed(1, vram_mb=3_000, exclusive=False)) == {}
    assert given_to([gamer], ONE) == {"GPU-small": "dep_0"}


def test_a_share_that_was_lent_is_waited_for_on_the_same_card_beside_what_is_left_there() -> None:
    need = GpuNeed(1, min_vram_mb=6_000, vram_mb=7_000, exclusive=False)
    left = Hold("dep_0", "GPU-small", exclusive=False, vram_mb=1_000)
    again = lacking(Waiting("dep_0", need), [left])
    assert [g.gpu for g in settle([BIG, SMALL], [left], [again]).grants] == ["GPU-small"]
    others = Hold("dep_x", "GPU-small", exclusive=False, vram_mb=1_001)
    assert settle([BIG, SMALL], [left, others], [again]).grants == ()


def test_who_wants_its_share_back_goes_ahead_of_those_whom_it_keeps_out() -> None:
    need = GpuNeed(1, vram_mb=7_000, exclusive=False)
    left = Hold("dep_lent", "GPU-small", exclusive=False, vram_mb=1_000)
    back = lacking(Waiting("dep_lent", need), [left])
    small, alone, later = in_line(GpuNeed(1, vram_mb=500, exclusive=False), ONE, ONE)
    assert in_turn([SMALL], [left], [small, alone, later, back]) == [small, back, alone, later]
    assert in_turn([SMALL, BIG], [left], [small, alone, back]) == [small, alone, back]
    assert in_turn([SMALL], [], [alone, small]) == [alone, small]


def test_who_has_lent_nothing_waits_as_it_is() -> None:
    waiting = Waiting("dep_0", ONE)
    assert lacking(waiting, []) is waiting


def test_a_card_that_no_cdi_spec_names_is_given_to_nobody() -> None:
    settlement = settle([replace(SMALL, assignable=False)], (), in_line(ONE))
    assert settlement.grants == ()
    assert "appliance doctor --fix" in settlement.places["dep_0"].why


def test_the_gpus_its_container_was_made_for_are_given_again() -> None:
    again = Waiting("dep_0", ONE, prefers=("GPU-big",))
    assert settle([BIG, SMALL], (), [again]).grants[0].gpu == "GPU-big"


def test_gpus_are_named_by_uuid_or_index() -> None:
    both = GpuNeed(2, named=("1", "GPU-big"))
    assert given_to([BIG, SMALL], both) == {"GPU-small": "dep_0", "GPU-big": "dep_0"}


def test_the_reason_names_what_is_waited_for_and_the_place_in_line() -> None:
    taken = (Hold("dep_x", "GPU-big", exclusive=True),)
    places = settle([BIG], taken, in_line(ONE, GpuNeed(1, named=("0",)))).places
    assert waiting_reason(places["dep_1"]).message == (
        "Waits for GPU 0: GPU 0 is in use; number 2 in line"
    )
    nothing = settle([], (), in_line(ONE)).places["dep_0"]
    assert waiting_reason(nothing).message == "Needs 1 GPU, this machine has no GPU"


cards = st.lists(st.integers(1, 48).map(lambda g: g * 1000), max_size=5).map(
    lambda sizes: [Card(f"GPU-{n}", n, size) for n, size in enumerate(sizes)]
)
needs = st.builds(
    lambda count, least, share, alone: GpuNeed(
        count, (), least, share if not alone else None, alone
    ),
    st.integers(1, 3), st.none() | st.integers(1, 50_000), st.integers(1, 30_000), st.booleans(),
)  # fmt: skip


@given(cards, st.lists(needs, max_size=12))
def test_no_line_ever_books_a_gpu_twice_or_beyond_its_size(
    some: list[Card], line: list[GpuNeed]
) -> None:
    settlement = settle(some, (), in_line(*line))
    assert overbooked(settlement.grants, {card.key: card.vram_mb or 0 for card in some}) == []
    served = Counter(hold.deployment_id for hold in settlement.grants)
    assert all(
        served[w.deployment_id] == w.need.count for w in in_line(*line) if served[w.deployment_id]
    )
    assert served.keys().isdisjoint(settlement.places)
    assert len(served) + len(settlement.places) == len(line)


@given(cards, st.lists(needs, min_size=1, max_size=8))
def test_whoever_waits_with_hope_is_served_once_the_others_are_gone(
    some: list[Card], line: list[GpuNeed]
) -> None:
    settlement = settle(some, (), in_line(*line))
    waiting = [w for w in in_line(*line) if w.deployment_id in settlement.places]
    for one in waiting:
        if not settlement.places[one.deployment_id].hopeless:
            assert settle(some, (), [one]).grants
