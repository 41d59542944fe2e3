"""What a container may be given: the builder, the policy, and the request it becomes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.deployment import (
    Deployment,
    Desired,
    Health,
    HealthCheck,
    Parameter,
    Port,
    Resources,
    Spec,
    Status,
    Volume,
)
from appliance.domain.errors import NoCommand, StartRefused
from appliance.domain.observed import ContainerName, ImageFacts
from appliance.runtime import labels
from appliance.runtime.port import ContainerSpec
from appliance.runtime.spec import (
    CAPABILITIES,
    NO_MORE_GPUS,
    MachineLimits,
    build_spec,
    check,
    create_body,
    network_body,
)

PREFIX = "nnab12cd34"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = MachineLimits(nofile=1024, nproc=512, init=True)
MIB = 2**20
PLAIN = ImageFacts("sha256:image")


def a_deployment(spec: Spec) -> Deployment:
    return Deployment(
        id="dep_4k2v9xq0m7ab",
        owner_id="user_1",
        node_id="node_1",
        name="one",
        spec=spec,
        secrets=None,
        rate_cents=0,
        desired=Desired.RUNNING,
        intent=1,
        restart_intent=0,
        version=1,
        status=Status.PENDING,
        shown=Status.PENDING,
        observed_intent=0,
        started_intent=0,
        generation=3,
        reason=None,
        health=Health.UNKNOWN,
        failures=0,
        restart_count=0,
        exit_code=None,
        handled_run_us=None,
        container_id=None,
        process=None,
        log_path=None,
        published={},
        boot_id="boot",
        since_boot_us=0,
        retry_boot_us=None,
        created_at=NOW,
        updated_at=NOW,
        started_at=None,
        stopped_at=None,
    )


def built(
    spec: Spec,
    image: ImageFacts = PLAIN,
    secrets: Mapping[str, str] | None = None,
    devices: Sequence[str] = (),
) -> ContainerSpec:
    return build_spec(
        a_deployment(spec), image, secrets or {}, devices=devices, instance_prefix=PREFIX
    )


def body(spec: Spec, image: ImageFacts = PLAIN) -> dict[str, Any]:
    return create_body(built(spec, image), LIMITS)


def test_names_come_from_instance_deployment_and_generation() -> None:
    spec = built(Spec("img", volumes=(Volume("data", "/data"),)))
    assert spec.name == f"{PREFIX}-dep-4k2v9xq0m7ab-g3"
    assert spec.network == f"{PREFIX}-dep-4k2v9xq0m7ab"
    assert spec.volumes == {f"{PREFIX}-dep-4k2v9xq0m7ab-data": "/data"}
    parsed = ContainerName.parse(spec.name, prefix=PREFIX)
    assert parsed == ContainerName(PREFIX, a_deployment(Spec("img")).id, 3)


def test_secrets_win_over_the_request_over_the_template() -> None:
    order = Spec("img", env={"B": "asked", "C": "asked"}, base_env={"A": "base", "B": "base"})
    assert built(order, secrets={"C": "opened"}).env == {
        "A": "base",
        "B": "asked",
        "C": "opened",
        **NO_MORE_GPUS,
    }


def test_a_parameter_never_reaches_the_container() -> None:
    order = Spec(
        "img",
        env={"OLLAMA_MODELS": "llama2"},
        parameters=(Parameter("OLLAMA_MODELS", ("llama2",), ("ollama", "pull", "{value}")),),
    )
    assert built(order).env == NO_MORE_GPUS


def test_ports_asked_for_go_before_those_the_image_exposes() -> None:
    image = replace(PLAIN, exposed_ports=(80, 443))
    assert built(Spec("img"), image).published == (80, 443)
    assert built(Spec("img", ports=(Port(8080), Port(8080))), image).published == (8080,)
    assert built(Spec("img", ports=()), image).published == ()


def test_volumes_of_the_image_become_named_ones_unless_covered() -> None:
    image = replace(PLAIN, volumes=("/data/", "/cache"))
    spec = built(Spec("img", volumes=(Volume("mine", "/data"),)), image)
    assert sorted(spec.volumes.values()) == ["/cache", "/data"]
    assert all(name.startswith(f"{spec.network}-") for name in spec.volumes)
    assert spec == built(Spec("img", volumes=(Volume("mine", "/data"),)), image)


def test_the_images_check_is_used_unless_the_order_has_its_own() -> None:
    image = replace(PLAIN, healthcheck=("CMD", "ok"))
    assert built(Spec("img"), image).health_command == ("CMD", "ok")
    assert built(Spec("img", health=HealthCheck("/")), image).health_command is None


def test_labels_are_always_all_set_and_change_with_the_order() -> None:
    one, other = built(Spec("img")), built(Spec("img", env={"A": "1"}))
    assert one.labels.keys() == {
        labels.INSTANCE,
        labels.DEPLOYMENT,
        labels.GENERATION,
        labels.SPEC,
        labels.DEVICES,
    }
    assert one.labels[labels.SPEC] != other.labels[labels.SPEC]
    assert labels.ours(one.name, one.labels, prefix=PREFIX)


@pytest.mark.parametrize(
    "changed",
    [
        {labels.INSTANCE: "another"},
        {labels.DEPLOYMENT: "dep_another"},
        {labels.GENERATION: "4"},
        {labels.SPEC: ""},
    ],
)
def test_a_name_without_its_labels_is_not_ours(changed: dict[str, str]) -> None:
    spec = built(Spec("img"))
    assert not labels.ours(spec.name, {**spec.labels, **changed}, prefix=PREFIX)
    assert not labels.ours(spec.name, {}, prefix=PREFIX)


@pytest.mark.parametrize(
    "path",
    ["/", "/proc", "/proc/sys", "/sys", "/dev/pts", "data", "/a/../etc", "/a/", "/a:b", "/a,b", ""],
)
def test_forbidden_mount_points_are_refused(path: str) -> None:
    with pytest.raises(StartRefused, match="mounted"):
        built(Spec("img", volumes=(Volume("x", path),)))


def test_two_volumes_at_one_path_are_refused() -> None:
    with pytest.raises(StartRefused, match="two volumes"):
        built(Spec("img", volumes=(Volume("a", "/data"), Volume("b", "/data"))))


def test_every_broken_rule_is_told_at_once() -> None:
    order = Spec("img", volumes=(Volume("x", "/proc"),), env={"A=B": "1"}, ports=(Port(0),))
    with pytest.raises(StartRefused) as caught:
        built(order)
    assert all(part in str(caught.value) for part in ("/proc", "A=B", "port 0"))


@pytest.mark.parametrize(
    "forged",
    [
        {"network": "host"},
        {"network": "nnab12cd34-dep-another"},
        {"volumes": {"nnab12cd34-dep-another-data": "/data"}},
        {"volumes": {"/etc": "/data"}},
        {"labels": {}},
        {"pids": 513},
        {"log_bytes": 2**30},
        {"env": {"A\0": "1"}},
        {"published": (70_000,)},
        {"env": {}},
        {"env": {**NO_MORE_GPUS, "NVIDIA_DRIVER_CAPABILITIES": "all"}},
        {"env": {**NO_MORE_GPUS, "CUDA_VISIBLE_DEVICES": "0"}},
        {"devices": ("nvidia.com/gpu=0",)},
    ],
)
def test_the_check_refuses_what_the_builder_would_not_make(forged: dict[str, Any]) -> None:
    check(built(Spec("img")))
    with pytest.raises(StartRefused):
        check(replace(built(Spec("img")), **forged))


@pytest.mark.parametrize("device", ["/dev/sda", "/dev/null:/dev/x", "nvidia.com/gpu", "gpu=0", ""])
def test_only_cdi_names_are_devices(device: str) -> None:
    with pytest.raises(StartRefused, match="no name of a CDI device"):
        built(Spec("img"), devices=(device,))


def test_gpus_are_asked_for_by_their_cdi_names_and_stand_in_a_label() -> None:
    names = ("nvidia.com/gpu=GPU-6a5b", "nvidia.com/gpu=0")
    spec = built(Spec("img"), devices=names)
    assert create_body(spec, LIMITS)["devices"] == [{"path": name} for name in names]
    assert labels.devices(spec.labels) == names
    assert labels.ours(spec.name, spec.labels, prefix=PREFIX)


def test_whatever_the_image_or_the_order_says_there_are_no_more_gpus() -> None:
    greedy = Spec("img", env={"NVIDIA_VISIBLE_DEVICES": "all"})
    assert built(greedy).env["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_memory_is_its_own_swap_limit_and_cpus_are_a_quota() -> None:
    limits = body(Spec("img", resources=Resources(cpus=1.5, memory_mb=64)))["resource_limits"]
    assert limits == {
        "pids": {"limit": 512},
        "memory": {"limit": 64 * MIB, "swap": 64 * MIB},
        "cpu": {"quota": 150_000, "period": 100_000},
    }
    assert body(Spec("img"))["resource_limits"] == {"pids": {"limit": 512}}


def test_what_was_not_asked_for_is_left_to_the_image() -> None:
    assert {"command", "shm_size"}.isdisjoint(body(Spec("img")))
    asked = body(Spec("img", command=("a", "b"), resources=Resources(shm_mb=2)))
    assert (asked["command"], asked["shm_size"]) == (["a", "b"], 2 * MIB)


def test_a_check_is_run_without_podmans_timer_and_a_shells_is_bounded() -> None:
    image = replace(PLAIN, healthcheck=("CMD-SHELL", "curl -f localhost || exit 1"))
    config = body(Spec("img"), image)["healthconfig"]
    assert config["Interval"] == 0
    assert config["Timeout"] > 0
    assert config["Test"][:3] == ["CMD", "/bin/sh", "-c"]
    assert config["Test"][-1] == "curl -f localhost || exit 1"
    assert body(Spec("img"))["healthconfig"] == {"Test": ["NONE"]}


def test_a_network_is_isolated_by_podman_or_not_and_its_interface_has_a_name_of_its_own() -> None:
    one = network_body(built(Spec("img")), isolate=True)
    assert one["options"] == {"isolate": "true"}
    assert network_body(built(Spec("img")), isolate=False)["options"] == {}
    assert len(one["network_interface"]) <= 15
    two = replace(built(Spec("img")), network=f"{PREFIX}-dep-other")
    assert network_body(two, isolate=True)["network_interface"] != one["network_interface"]


texts = st.text(max_size=12)
paths = st.builds(lambda parts: "/" + "/".join(parts), st.lists(texts, max_size=4)) | texts
specs = st.builds(
    Spec,
    image=texts,
    command=st.none() | st.lists(texts, max_size=3).map(tuple),
    env=st.dictionaries(texts, texts, max_size=3),
    base_env=st.dictionaries(texts, texts, max_size=3),
    ports=st.none() | st.lists(st.builds(Port, st.integers(-1, 70_000)), max_size=3).map(tuple),
    volumes=st.lists(st.builds(Volume, texts, paths), max_size=3).map(tuple),
    resources=st.builds(
        Resources,
        cpus=st.none() | st.floats(0.001, 64),
        memory_mb=st.none() | st.integers(1, 10**6),
        shm_mb=st.none() | st.integers(1, 10**6),
    ),
)
images = st.builds(
    ImageFacts,
    id=texts,
    exposed_ports=st.lists(st.integers(0, 70_000), max_size=3).map(tuple),
    healthcheck=st.none() | st.just(("CMD-SHELL", "true")),
    volumes=st.lists(paths, max_size=3).map(tuple),
)


@given(specs, images, st.dictionaries(texts, texts, max_size=2))
def test_whatever_is_accepted_keeps_the_policy(
    order: Spec, image: ImageFacts, secrets: dict[str, str]
) -> None:
    try:
        spec = built(order, image, secrets)
    except StartRefused:
        return
    request = create_body(spec, LIMITS)
    assert request["cap_drop"] == ["ALL"]
    assert request["cap_add"] == list(CAPABILITIES)
    assert request["no_new_privileges"] is True
    assert request["restart_policy"] == "no"
    assert request["netns"] == {"nsmode": "bridge"}
    assert list(request["networks"]) == [spec.network]
    assert {port["host_ip"] for port in request["portmappings"]} <= {"127.0.0.1"}
    assert {port["host_port"] for port in request["portmappings"]} <= {0}
    assert all(v["Name"].startswith(f"{PREFIX}-dep-") for v in request["volumes"])
    assert not any(v["Dest"].startswith(("/proc", "/sys")) for v in request["volumes"])
    assert request["resource_limits"]["pids"]["limit"] <= 512
    assert request["log_configuration"]["size"] <= 10 * MIB
    assert not request.keys() & {"privileged", "devices", "mounts", "pidns", "ipcns", "utsns"}
    assert labels.ours(request["name"], request["labels"], prefix=PREFIX)


def test_without_any_command_there_is_nothing_to_create() -> None:
    mute = replace(PLAIN, runs=False)
    with pytest.raises(NoCommand):
        built(Spec("img"), mute)
    assert built(Spec("img", command=("serve",)), mute).command == ("serve",)
