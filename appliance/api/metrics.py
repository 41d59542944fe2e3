"""The front door's counters in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from collections.abc import Callable, Iterable

from appliance.engine.activity import Activity, Traffic

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CONSOLE = "console"
"""Stands for the API and the page where others have a deployment's id."""

Samples = Callable[[Traffic], Iterable[tuple[str, int]]]

FAMILIES: tuple[tuple[str, str, str, Samples], ...] = (
    ("requests_total", "counter", "Requests taken.", lambda t: [("", t.requests)]),
    ("answers_total", "counter", "Answers by the class of their status.",
     lambda t: [(f',class="{n}xx"', count) for n, count in enumerate(t.answers) if n]),
    ("bytes_total", "counter", "Bytes from clients and to them, heads included.",
     lambda t: [(',direction="in"', t.bytes_in), (',direction="out"', t.bytes_out)]),
    ("open_requests", "gauge", "Requests under way.", lambda t: [("", t.open_requests)]),
    ("open_connections", "gauge", "Connections open.", lambda t: [("", t.open_connections)]),
)  # fmt: skip


def text(activity: Activity) -> str:
    """All of it."""
    counted = {CONSOLE: activity.console, **activity.all()}
    return "".join(line for family in FAMILIES for line in _family(*family, counted))


def _family(
    name: str, kind: str, meaning: str, samples: Samples, counted: dict[str, Traffic]
) -> Iterable[str]:
    full = f"appliance_door_{name}"
    yield f"# HELP {full} {meaning}\n# TYPE {full} {kind}\n"
    for place, traffic in counted.items():
        for label, value in samples(traffic):
            yield f'{full}{{deployment="{place}"{label}}} {value}\n'
