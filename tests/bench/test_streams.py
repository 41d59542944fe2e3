"""Token streams through the front door beside nginx and Caddy: how late an event comes.

The listener is as cheap as can be, so that what waits is not it; what an event costs each proxy
is printed too, for on a machine that is busy everybody is late.
"""

import asyncio
import re
import statistics
import sys
import time
from collections.abc import Iterator
from typing import cast

import pytest
import uvloop

from tests.bench.stand import HOST, Process, Stand, standing

pytestmark = pytest.mark.bench

STREAMS, WARM_S, STREAM_S, ROUNDS = 200, 1, 5, 3
EVENT = re.compile(rb"data: (\d+)")
REQUEST = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


def token_streams(stand: Stand) -> Process:
    return stand.run(sys.executable, "-m", "tests.bench.token_streams", str(stand.backend))


@pytest.fixture
def stand() -> Iterator[Stand]:
    with standing(token_streams) as made:
        yield made


class Listener(asyncio.Protocol):
    """Notes how long each event was on its way, in ms."""

    def __init__(self, delays_ms: list[float]) -> None:
        self._delays_ms = delays_ms

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(REQUEST)

    def data_received(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        for sent_ns in EVENT.findall(data):
            self._delays_ms.append((now_ns - int(sent_ns)) / 1e6)


async def listen(port: int) -> list[float]:
    delays_ms: list[float] = []
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: Listener(delays_ms), "127.0.0.1", port)
        for _ in range(STREAMS)
    ]
    await asyncio.sleep(WARM_S + STREAM_S)
    for transport, _ in opened:
        transport.abort()
    return delays_ms


def test_delay_of_events_in_200_token_streams(stand: Stand) -> None:
    p99s_ms: dict[str, list[float]] = {}
    print(f"\n{STREAMS} streams of 50 events a second:")
    for _ in range(ROUNDS):
        for name, port in [("direct", stand.backend), *((p.name, p.port) for p in stand.peers)]:
            before = {p.name: p.cpu_s() for p in stand.peers}
            delays_ms = uvloop.run(listen(port))
            spent = {p.name: p.cpu_s() - before[p.name] for p in stand.peers}
            first = len(delays_ms) * WARM_S // (WARM_S + STREAM_S)
            cuts = statistics.quantiles(delays_ms[first:], n=100)
            p99s_ms.setdefault(name, []).append(cuts[98])
            cost_us = spent.get(name, 0.0) / len(delays_ms) * 1e6
            print(
                f"  {name}: {len(delays_ms)} events, median {cuts[49]:.2f} ms, p99 {cuts[98]:.2f}"
                f" ms, {cost_us:.0f} µs of processor an event"
            )
    medians_ms = {name: statistics.median(values) for name, values in p99s_ms.items()}
    for name, p99_ms in medians_ms.items():
        print(f"  {name} adds to the p99 of direct {p99_ms - medians_ms['direct']:.2f} ms")
    print("  the door may add 5 ms")
