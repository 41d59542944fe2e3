"""What a process keeps after its start is not looked through again and again."""

import gc
from collections.abc import Iterator

import pytest

from appliance.host import memory


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_what_there_is_is_left_out_of_every_later_collection() -> None:
    kept = [[n] for n in range(1000)]
    memory.settle()
    assert gc.get_freeze_count() > len(kept)
    assert not any(one is kept for one in gc.get_objects())


def test_what_a_life_before_left_behind_is_collected_in_the_next() -> None:
    """The appliance starts again in its own process after a backup was restored."""
    left: list[object] = []
    left.append(left)
    memory.settle()
    known = id(left)
    del left
    memory.settle()
    gc.unfreeze()
    assert known not in map(id, gc.get_objects())


def test_nothing_is_collected_between_the_beginning_of_a_start_and_its_end() -> None:
    memory.gather()
    assert not gc.isenabled()
    memory.settle()
    assert gc.isenabled()
