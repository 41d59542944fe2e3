"""Reading a log of 1,000,000 lines against one of 1,000: medians, and how they compare.

Nothing here gates: tests/runtime/test_logfile_cost.py counts what is read.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from appliance.domain.logline import Stream
from appliance.runtime.logfile import tail
from tests.log_reference import NOON_NS, Record

BIG, SMALL = 1_000_000, 1_000
STEP_NS = 1_000_000  # a line a millisecond: the last second has 1,000 lines in both logs
ROUNDS = 200


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("logs")
    paths = {count: folder / f"{count}.log" for count in (BIG, SMALL)}
    for count, path in paths.items():
        with path.open("wb") as file:
            file.writelines(line(number).write() for number in range(BIG - count, BIG))
    return paths


def line(number: int) -> Record:
    stream: Stream = "stderr" if number % 10 == 0 else "stdout"
    return Record(NOON_NS + number * STEP_NS, stream, ends=True, piece=b"%060d" % number)


def medians_ms(small: Callable[[], object], big: Callable[[], object]) -> tuple[float, float]:
    """In turns, so that whatever else the machine does slows both."""
    rounds = [(taken_ms(small), taken_ms(big)) for _ in range(ROUNDS)]
    small_ms, big_ms = zip(*rounds, strict=True)
    return median(small_ms), median(big_ms)


def taken_ms(read: Callable[[], object]) -> float:
    started_ns = time.perf_counter_ns()
    read()
    return (time.perf_counter_ns() - started_ns) / 1e6


def a_second_ago() -> datetime:
    last_us = (NOON_NS + (BIG - 1) * STEP_NS) // 1000
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=last_us - 1_000_000)


@pytest.mark.bench
@pytest.mark.parametrize(
    ("what", "count", "since"),
    [
        ("tail=100", 100, None),
        ("tail=100 since one second ago", 100, a_second_ago()),
        ("all since one second ago", 10_000, a_second_ago()),
    ],
)
def test_a_long_log_against_a_short_one(
    logs: dict[int, Path], what: str, count: int, since: datetime | None
) -> None:
    small, big = (partial(tail, logs[lines], count=count, since=since) for lines in (SMALL, BIG))
    small_ms, big_ms = medians_ms(small, big)
    print(
        f"\nlogs, {what}: 1,000 lines {small_ms:.2f} ms, 1,000,000 lines {big_ms:.2f} ms, "
        f"{big_ms / small_ms:.2f}x (must reach 2x)"
    )
