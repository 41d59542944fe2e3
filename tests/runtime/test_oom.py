"""Kills for memory, read from the kernel's log."""

import pytest

from appliance.runtime.oom import died_of_it, kill_ages_s

ID = "2bff42998e63970e88a9e7e4ac1d35799d42aec2759219566eb8eadc3ef205e1"
CGROUP = f"/libpod_parent/libpod-{ID}"
KILL = (
    "6,531,1722423742,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),"
    f"cpuset=libpod-{ID},mems_allowed=0,oom_memcg={CGROUP},task_memcg={CGROUP},"
    "task=tail,pid=13460,uid=0\n"
)
NOISE = "4,437,1722421235,-;tail invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0\n"
HOST_KILL = KILL.replace(f"oom_memcg={CGROUP}", "oom_memcg=/")
NEIGHBOUR = KILL.replace(f"task_memcg={CGROUP}", "task_memcg=/libpod_parent/libpod-other")


def test_a_kill_is_found_by_the_cgroup_of_the_killed() -> None:
    records = [NOISE, KILL, HOST_KILL, NEIGHBOUR, "half a record"]
    assert list(kill_ages_s(ID, records, 1_724_423_742)) == [2.0, 2.0]


@pytest.mark.parametrize(
    ("age_s", "started_ago_s", "finished_ago_s", "died"),
    [
        (5.0, 60.0, 5.0, True),  # the kill was the end
        (12.0, 60.0, 5.0, True),  # a child was killed, the rest gave up
        (30.0, 60.0, 5.0, False),  # something went on for long after it
        (7.0, 6.0 - 1.5, 4.0, False),  # it belongs to the run before this one
    ],
)
def test_only_a_kill_at_the_end_of_this_run_counts(
    age_s: float, started_ago_s: float, finished_ago_s: float, *, died: bool
) -> None:
    assert died_of_it([age_s], started_ago_s, finished_ago_s) is died


def test_no_kill_is_no_kill() -> None:
    assert not died_of_it([], 60.0, 5.0)
