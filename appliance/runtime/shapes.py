"""Podman's JSON in our words: the one reader for what 4.x and 5.x answer differently."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from appliance.domain.observed import UP, Container, ContainerState, ImageFacts, Listed
from appliance.runtime import labels
from appliance.runtime.port import ContainerStats

Json = Mapping[str, Any]

STATES = {
    "configured": ContainerState.CREATED,
    "created": ContainerState.CREATED,
    "initialized": ContainerState.CREATED,
    "running": ContainerState.RUNNING,
    "paused": ContainerState.PAUSED,
    "stopping": ContainerState.STOPPING,
    "stopped": ContainerState.EXITED,
    "exited": ContainerState.EXITED,
    # A removal that was cut short leaves this behind: asking for it again is all that helps.
    "removing": ContainerState.LOST,
}
FIRST_YEAR = 1  # Go's zero time
START_NOTED_WITHIN = timedelta(seconds=1)
SERVER_HEADER = re.compile(r"Libpod/(\d+)\.(\d+)[^ ]*")
NETWORK_WAS_SWAPPED_BEFORE = (4, 4)  # containers/podman#16628


@dataclass(frozen=True, slots=True)
class Inspected:
    """One inspection: what Podman claims, and where to verify it.

    ``container`` has no process yet: ``pid`` is Podman's word for it, 0 if it has none, and
    ``monitor_pid`` for conmon's, which tells Podman of the end. ``out_of_memory`` is Podman's
    flag, true only where it works.
    """

    container: Container
    pid: int
    monitor_pid: int

    @property
    def claims_process(self) -> bool:
        """Whether Podman says that its process is there now."""
        return self.container.state in UP


def inspected(raw: Json, *, prefix: str, prepared_at: datetime | None = None) -> Inspected:
    """``GET /libpod/containers/{name}/json``; ``prepared_at`` as ``process.prepared_at`` has it."""
    state = raw["State"]
    shown = _shown(state, prepared_at)
    stuck = raw["Config"].get("Labels") or {}
    ended = shown is ContainerState.EXITED
    container = Container(
        id=raw["Id"],
        name=raw["Name"],
        state=shown,
        ours=labels.ours(raw["Name"], stuck, prefix=prefix),
        image_id=_bare_id(raw["Image"]),
        prepared_at=prepared_at if shown is not ContainerState.CREATED else None,
        started_at=_moment(state["StartedAt"]) if shown is not ContainerState.CREATED else None,
        finished_at=_moment(state["FinishedAt"]) if ended else None,
        exit_code=state["ExitCode"] if ended else None,
        out_of_memory=ended and bool(state.get("OOMKilled")),
        log_path=(raw["HostConfig"].get("LogConfig") or {}).get("Path") or None,
        published=_published(raw),
        devices=labels.devices(stuck),
    )
    return Inspected(container, state.get("Pid") or 0, state.get("ConmonPid") or 0)


def listed(raw: Sequence[Json], *, prefix: str) -> list[Listed]:
    """``GET /libpod/containers/json``: the containers named by the instance ``prefix``."""
    names = [(line, (line["Names"] or [""])[0]) for line in raw]
    return [Listed(name, line["State"]) for line, name in names if name.startswith(f"{prefix}-")]


def image_facts(raw: Json) -> ImageFacts:
    """``GET /libpod/images/{name}/json``."""
    config = raw.get("Config") or {}
    test = (raw.get("Healthcheck") or config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    return ImageFacts(
        id=_bare_id(raw["Id"]),
        exposed_ports=_exposed(config.get("ExposedPorts") or {}),
        healthcheck=tuple(test) if test[0] in ("CMD", "CMD-SHELL") else None,
        volumes=tuple(config.get("Volumes") or {}),
        runs=bool(config.get("Entrypoint") or config.get("Cmd")),
    )


def stats(raw: Json, *, server: str) -> ContainerStats | None:
    """``GET /libpod/containers/stats?stream=false`` for one container, None if it does not run.

    ``server`` is the answer's Server header, which holds the version.
    """
    reading = (raw.get("Stats") or [None])[0]
    return None if reading is None else _reading(reading, server)


def all_stats(raw: Json, *, server: str, prefix: str) -> dict[str, ContainerStats]:
    """The same answer for all that run, by name; those of another instance are left out."""
    every = ((r["Name"], _reading(r, server)) for r in raw.get("Stats") or ())
    return {name: s for name, s in every if s is not None and name.startswith(f"{prefix}-")}


def _reading(reading: Json, server: str) -> ContainerStats | None:
    if not reading["CPUNano"]:
        return None
    received, sent = _network(reading, server)
    return ContainerStats(
        cpu_ns=reading["CPUNano"],
        memory_bytes=reading["MemUsage"],
        memory_limit_bytes=reading["MemLimit"] or None,
        network_rx_bytes=received,
        network_tx_bytes=sent,
        block_read_bytes=reading["BlockInput"],
        block_write_bytes=reading["BlockOutput"],
        pids=reading["PIDs"],
    )


def version(server: str) -> str:
    """``4.3.1`` out of a Server header such as ``Libpod/4.3.1 (linux)``."""
    name, _, rest = server.partition("/")
    return rest.split(" ")[0] if name == "Libpod" else ""


def _shown(state: Json, prepared_at: datetime | None) -> ContainerState:
    """The state; an end without its time is what 5.x makes of a run that a reboot cut short.

    Then the time of the end is none, or that of the run before. An end a little before the start
    is real: Podman notes the start late, and a short run is over by then (both engines).
    """
    shown = STATES.get(state["Status"], ContainerState.LOST)
    started, finished = _moment(state["StartedAt"]), _moment(state["FinishedAt"])
    earliest = prepared_at or (started and started - START_NOTED_WITHIN)
    forgotten = finished is None or (earliest is not None and finished < earliest)
    return ContainerState.CREATED if shown is ContainerState.EXITED and forgotten else shown


def _bare_id(identifier: str) -> str:
    return identifier.removeprefix("sha256:")


def _moment(text: str) -> datetime | None:
    moment = datetime.fromisoformat(text)
    return None if moment.year == FIRST_YEAR else moment.astimezone(UTC)


def _published(raw: Json) -> dict[int, int]:
    ports = raw["NetworkSettings"].get("Ports") or raw["HostConfig"].get("PortBindings") or {}
    return {
        int(inner.partition("/")[0]): int(bindings[0]["HostPort"])
        for inner, bindings in ports.items()
        if bindings and bindings[0]["HostPort"]
    }


def _exposed(ports: Mapping[str, Any]) -> tuple[int, ...]:
    """TCP ports of ``{"8080/tcp": {}}``; a range such as ``8000-8002/tcp`` counts in full."""
    found: list[int] = []
    for port in ports:
        numbers, _, protocol = port.partition("/")
        first, _, last = numbers.partition("-")
        if protocol in ("", "tcp"):
            found.extend(range(int(first), int(last or first) + 1))
    return tuple(sorted(set(found)))


def _network(reading: Json, server: str) -> tuple[int | None, int | None]:
    if "Network" in reading:  # since 5.0, by interface
        links = (reading["Network"] or {}).values()
        return sum(link["RxBytes"] for link in links), sum(link["TxBytes"] for link in links)
    received, sent = reading.get("NetInput"), reading.get("NetOutput")
    match = SERVER_HEADER.match(server)
    if match and (int(match[1]), int(match[2])) < NETWORK_WAS_SWAPPED_BEFORE:
        return sent, received
    return received, sent
