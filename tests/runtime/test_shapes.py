"""Podman's answers read: what 4.3.1 and 5.4.2 say differently, in the same words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from appliance.domain.observed import ContainerState, ImageFacts
from appliance.runtime import labels, shapes

NAME = "nnx-dep-abc-g1"
OURS = {
    labels.INSTANCE: "nnx",
    labels.DEPLOYMENT: "dep_abc",
    labels.GENERATION: "1",
    labels.SPEC: "hash",
    labels.DEVICES: "",
}
NEVER = "0001-01-01T00:00:00Z"


def raw(status: str, **state: object) -> dict[str, Any]:
    """An inspection as both engines give it."""
    return {
        "Id": "45b19a",
        "Name": NAME,
        "Image": "cc2bc6",
        "State": {
            "Status": status,
            "Pid": 0,
            "ExitCode": 0,
            "OOMKilled": False,
            "StartedAt": NEVER,
            "FinishedAt": NEVER,
            **state,
        },
        "Config": {"Labels": OURS},
        "HostConfig": {"LogConfig": {"Type": "k8s-file", "Path": "/logs/ctr.log"}},
        "NetworkSettings": {"Ports": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "45757"}]}},
    }


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("configured", ContainerState.CREATED),
        ("created", ContainerState.CREATED),
        ("initialized", ContainerState.CREATED),
        ("running", ContainerState.RUNNING),
        ("paused", ContainerState.PAUSED),
        ("stopping", ContainerState.STOPPING),
        ("stopped", ContainerState.EXITED),
        ("exited", ContainerState.EXITED),
        ("removing", ContainerState.LOST),
        ("something new", ContainerState.LOST),
    ],
)
def test_every_state_has_a_meaning(status: str, state: ContainerState) -> None:
    times = {"StartedAt": "2026-11-24T00:31:13Z", "FinishedAt": "2026-11-24T00:31:14Z"}
    assert shapes.inspected(raw(status, **times), prefix="nnx").container.state is state


@pytest.mark.parametrize("finished", [NEVER, "2026-11-23T00:00:00Z"])
def test_a_run_that_a_reboot_cut_short_has_not_ended_for_5x_either(finished: str) -> None:
    state = raw("exited", StartedAt="2026-11-24T00:31:13Z", FinishedAt=finished)
    container = shapes.inspected(state, prefix="nnx").container
    assert container.state is ContainerState.CREATED
    assert (container.started_at, container.exit_code) == (None, None)


PREPARED = datetime(2026, 11, 24, 0, 31, 12, 900_000, tzinfo=UTC)


@pytest.mark.parametrize("prepared", [None, PREPARED])
def test_a_run_that_ended_before_its_start_was_noted_has_ended(prepared: datetime | None) -> None:
    times = {"StartedAt": "2026-11-24T00:31:13.689Z", "FinishedAt": "2026-11-24T00:31:13.663Z"}
    state = raw("exited", ExitCode=5, **times)
    container = shapes.inspected(state, prefix="nnx", prepared_at=prepared).container
    assert (container.state, container.exit_code) == (ContainerState.EXITED, 5)
    assert container.prepared_at == prepared


def test_an_end_before_the_run_was_prepared_is_that_of_the_run_before() -> None:
    times = {"StartedAt": "2026-11-24T00:31:13.1Z", "FinishedAt": "2026-11-24T00:31:12.8Z"}
    state = raw("exited", **times)
    container = shapes.inspected(state, prefix="nnx", prepared_at=PREPARED).container
    assert container.state is ContainerState.CREATED
    assert (container.prepared_at, container.started_at) == (None, None)


def test_times_are_utc_and_an_end_has_its_code() -> None:
    ended = raw(
        "exited",
        ExitCode=7,
        StartedAt="2026-11-24T01:31:13.505243413+01:00",
        FinishedAt="2026-11-24T00:31:14Z",
    )
    container = shapes.inspected(ended, prefix="nnx").container
    assert container.started_at == datetime(2026, 11, 24, 0, 31, 13, 505243, tzinfo=UTC)
    assert container.started_at.tzinfo is UTC
    assert container.finished_at == datetime(2026, 11, 24, 0, 31, 14, tzinfo=UTC)
    assert (container.exit_code, container.log_path) == (7, "/logs/ctr.log")
    assert container.published == {8080: 45757}


def test_what_a_reboot_forgot_is_none() -> None:
    container = shapes.inspected(raw("created", StartedAt="2026-11-24T00:31:13Z"), prefix="nnx")
    assert container.container.started_at is None
    assert container.container.exit_code is None
    assert not container.claims_process


def test_podmans_own_flag_counts_where_it_works_and_only_at_an_end() -> None:
    times = {"StartedAt": "2026-11-24T00:31:13Z", "FinishedAt": "2026-11-24T00:31:14Z"}
    ended = shapes.inspected(raw("exited", OOMKilled=True, **times), prefix="nnx")
    assert ended.container.out_of_memory
    running = shapes.inspected(raw("running", OOMKilled=True), prefix="nnx")
    assert not running.container.out_of_memory
    assert running.claims_process


def test_another_instances_container_is_not_ours() -> None:
    assert shapes.inspected(raw("running"), prefix="nnx").container.ours
    assert not shapes.inspected(raw("running"), prefix="nny").container.ours


def test_a_container_without_labels_ports_or_log_is_read() -> None:
    bare = raw("created")
    bare["Config"] = {"Labels": None}
    bare["HostConfig"] = {"LogConfig": None, "PortBindings": {}}
    bare["NetworkSettings"] = {"Ports": None}
    container = shapes.inspected(bare, prefix="nnx").container
    assert (container.ours, container.log_path, container.published) == (False, None, {})


def test_the_devices_are_those_of_the_label() -> None:
    given = raw("running")
    given["Config"]["Labels"] = {**OURS, labels.DEVICES: "nvidia.com/gpu=0,nvidia.com/gpu=1"}
    container = shapes.inspected(given, prefix="nnx").container
    assert container.ours
    assert container.devices == ("nvidia.com/gpu=0", "nvidia.com/gpu=1")


def test_the_list_keeps_to_the_instance() -> None:
    lines: list[dict[str, Any]] = [
        {"Id": "1", "Names": [NAME], "State": "running"},
        {"Id": "2", "Names": ["nnxx-dep-abc-g1"], "State": "running"},
        {"Id": "3", "Names": None, "State": "exited"},
    ]
    assert [line.name for line in shapes.listed(lines, prefix="nnx")] == [NAME]


def test_an_image_tells_ports_check_and_volumes() -> None:
    image = {
        "Id": "sha256:abc",
        "Healthcheck": {"Test": ["CMD-SHELL", "true"]},
        "Config": {
            "ExposedPorts": {"53/udp": {}, "8080/tcp": {}, "9000-9001/tcp": {}, "80": {}},
            "Volumes": {"/data": {}},
            "Cmd": ["serve"],
        },
    }
    assert shapes.image_facts(image) == ImageFacts(
        "abc", (80, 8080, 9000, 9001), ("CMD-SHELL", "true"), ("/data",)
    )


@pytest.mark.parametrize("test", [["NONE"], [], None])
def test_an_image_without_a_check_has_none(test: list[str] | None) -> None:
    image = {"Id": "abc", "Config": None, "Healthcheck": {"Test": test}}
    assert shapes.image_facts(image) == ImageFacts("abc", runs=False)


@pytest.mark.parametrize(
    ("config", "runs"),
    [
        ({"Cmd": ["serve"]}, True),
        ({"Entrypoint": ["/start"], "Cmd": None}, True),
        ({"Entrypoint": None, "Cmd": []}, False),
        ({}, False),
    ],
)
def test_an_image_runs_by_its_entrypoint_or_command(config: dict[str, Any], runs: bool) -> None:
    assert shapes.image_facts({"Id": "abc", "Config": config}).runs is runs


READING = {
    "CPUNano": 5,
    "MemUsage": 7,
    "MemLimit": 0,
    "BlockInput": 1,
    "BlockOutput": 2,
    "PIDs": 3,
}


@pytest.mark.parametrize(
    ("server", "network", "received_sent"),
    [
        ("Libpod/4.3.1 (linux)", {"NetInput": 10, "NetOutput": 20}, (20, 10)),
        ("Libpod/4.9.3 (linux)", {"NetInput": 10, "NetOutput": 20}, (10, 20)),
        (
            "Libpod/5.4.2 (linux)",
            {"Network": {"eth0": {"RxBytes": 10, "TxBytes": 20}}},
            (10, 20),
        ),
        ("Libpod/5.4.2 (linux)", {"Network": None}, (0, 0)),
    ],
)
def test_network_bytes_are_told_apart_in_every_version(
    server: str, network: dict[str, Any], received_sent: tuple[int, int]
) -> None:
    reading = shapes.stats({"Error": None, "Stats": [{**READING, **network}]}, server=server)
    assert reading is not None
    assert (reading.network_rx_bytes, reading.network_tx_bytes) == received_sent
    assert reading.memory_limit_bytes is None


@pytest.mark.parametrize("stats", [None, [], [{**READING, "CPUNano": 0}]])
def test_what_does_not_run_has_no_statistics(stats: object) -> None:
    assert shapes.stats({"Error": {}, "Stats": stats}, server="Libpod/4.3.1 (linux)") is None


def test_the_version_is_read_from_the_server_header() -> None:
    assert shapes.version("Libpod/5.4.2 (linux)") == "5.4.2"
    assert shapes.version("nginx") == ""
