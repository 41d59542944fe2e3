"""Whether a container ended because memory ran out, from the kernel's own log.

Podman's flag is always false on 4.3.1 (its monitor leaves the mark in another folder than the one
Podman looks in), and the container's cgroup, with its counters, is gone at its end. What stays
is the kernel's record of the kill, which names the cgroup of the killed process
(mm/oom_kill.c, ``oom-kill:constraint=…``, since Linux 5.0).
"""

import os
import time
from collections.abc import Iterable, Iterator
from datetime import datetime

KERNEL_LOG = "/dev/kmsg"
LONGEST_RECORD = 8192
BEFORE_THE_END_S = 10.0
SLACK_S = 1.0


def killed(container_id: str, *, started: datetime, finished: datetime, now: datetime) -> bool:
    """Whether a process of the container was killed for memory shortly before it ``finished``.

    Ages are compared, not times: the log counts by the raw monotonic clock, which nobody sets.
    False where the log can't be read.
    """
    ages = kill_ages_s(container_id, kernel_records(), raw_clock_us())
    return died_of_it(ages, (now - started).total_seconds(), (now - finished).total_seconds())


def died_of_it(ages_s: Iterable[float], started_ago_s: float, finished_ago_s: float) -> bool:
    """Whether one of the kills belongs to the end of this run and not to an earlier one."""
    oldest_s = min(started_ago_s, finished_ago_s + BEFORE_THE_END_S) + SLACK_S
    return any(age <= oldest_s for age in ages_s)


def kill_ages_s(container_id: str, records: Iterable[str], now_us: int) -> Iterator[float]:
    """How long ago each kill in that container was; records as ``/dev/kmsg`` has them.

    A record is ``priority,sequence,microseconds,flags;text`` (Documentation/ABI/testing/dev-kmsg).
    """
    for record in records:
        head, _, text = record.partition(";")
        _, _, task_cgroup = text.partition("task_memcg=")
        if text.startswith("oom-kill:") and container_id in task_cgroup:
            yield (now_us - int(head.split(",")[2])) / 1e6


def raw_clock_us() -> int:
    """The clock of the kernel log's times, as near as user space has it."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) // 1000


def kernel_records() -> Iterator[str]:
    """Every record the kernel still has, oldest first; none where we may not read them."""
    try:
        log = os.open(KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        yield from _read(log)
    finally:
        os.close(log)


def _read(log: int) -> Iterator[str]:
    while True:
        try:
            yield os.read(log, LONGEST_RECORD).decode(errors="replace")
        except BrokenPipeError:
            continue  # overwritten while we read: the next read goes on with the oldest there is
        except OSError:  # EAGAIN at the end of the log
            return
