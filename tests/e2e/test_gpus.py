"""A GPU box: real appliance, real Podman, real CDI; only the driver is a stand-in."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.box import Api, Box, running_box, wait_for
from tests.fake_nvml import FakeNvml, gpus_of

pytestmark = pytest.mark.podman
GPUS = 4
BUSYBOX = "localhost/test/busybox:latest"


@pytest.fixture(scope="module")
def nvml(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeNvml]:
    with gpus_of(tmp_path_factory.mktemp("nvml"), GPUS) as made:
        yield made


@pytest.fixture(scope="module")
def box(nvml: FakeNvml) -> Iterator[Box]:
    prices = {"APPLIANCE_GPU_HOURLY_RATE_CENTS": "100", "APPLIANCE_ENERGY_CENTS_PER_KWH": "2000"}
    with running_box(**nvml.environ, **prices, APPLIANCE_MAX_DEPLOYMENTS="500") as made:
        yield made


def node(api: Api) -> dict[str, Any]:
    answer = api.http.get("/nodes")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["nodes"][0])


def holders(api: Api) -> list[list[str]]:
    return [[h["deploymentId"] for h in gpu["holders"]] for gpu in node(api)["gpus"]]


def sleeper(api: Api, **resources: Any) -> dict[str, Any]:
    return api.create(
        templateId=None, customImage=BUSYBOX, command=["sleep", "1000"],
        resources={"gpus": 1, **resources},
    )  # fmt: skip


def clear(api: Api, *ids: str) -> None:
    for i in ids:
        assert api.http.delete(f"/deployments/{i}").status_code == 200
    wait_for(lambda: not any(holders(api)), what=lambda: str(holders(api)))


def test_the_node_shows_its_gpus_as_they_are_now(api: Api, nvml: FakeNvml) -> None:
    nvml.change(1, used_mb=2048, utilization=55, milliwatts=222_500, degrees=66)
    wait_for(lambda: node(api)["gpus"][1]["vramUsedMb"] == 2048)
    gpu = node(api)["gpus"][1]
    assert gpu["uuid"] == nvml.gpus[1].uuid
    assert (gpu["index"], gpu["brand"], gpu["vramMb"]) == (1, "NVIDIA", 24_576)
    assert (gpu["driverVersion"], gpu["cudaVersion"]) == ("550.54.14", "12.4")
    assert (gpu["cudaCores"], gpu["tensorCores"]) == (10_496, None)
    assert (gpu["utilizationPercent"], gpu["powerWatts"], gpu["temperatureC"]) == (55, 222.5, 66)
    assert gpu["holders"] == []
    nvml.change(1, used_mb=0)


@pytest.mark.parametrize(
    ("query", "found"),
    [("hasGpu=true", 1), ("hasGpu=false", 0), ("minGpuVram=24576", 1), ("minGpuVram=24577", 0)],
)
def test_nodes_are_found_by_their_gpus(api: Api, query: str, found: int) -> None:
    assert len(api.http.get(f"/nodes?{query}").json()["nodes"]) == found


def test_a_gpu_is_given_by_cdi_and_seen_from_inside(api: Api, nvml: FakeNvml) -> None:
    d = sleeper(api, gpus=[nvml.gpus[2].uuid])
    api.until(d["id"], "running")
    assert holders(api)[2] == [d["id"]]
    [name] = api.box.podman("ps", "--format", "{{.Names}}").split()
    assert "nvidia2" in api.box.podman("exec", name, "ls", "/dev")
    assert "nvidia0" not in api.box.podman("exec", name, "ls", "/dev")
    clear(api, d["id"])


def test_a_gpu_that_is_in_use_is_waited_for_in_line(api: Api) -> None:
    first = sleeper(api, gpus=GPUS)
    api.until(first["id"], "running")
    second, third = sleeper(api), sleeper(api, gpus=2)
    wait_for(lambda: "number 2 in line" in str(api.get(third["id"])["statusReason"]))
    reason = api.get(second["id"])["statusReason"]
    assert reason["code"] == "gpu_unavailable"
    assert reason["message"].startswith("Waits for 1 GPU: GPU 0 is in use, GPU 1 is in use")
    assert api.get(second["id"])["status"] == "pending"
    api.http.post(f"/deployments/{first['id']}/stop")
    for d in (second, third):
        api.until(d["id"], "running")
    clear(api, first["id"], second["id"], third["id"])


def test_what_this_machine_can_never_give_is_said_at_once(api: Api) -> None:
    d = sleeper(api, minVramMb=80_000)
    wait_for(lambda: "this machine has GPU 0 (24576 MiB)" in str(api.get(d["id"])["statusReason"]))
    clear(api, d["id"])


def test_a_device_that_does_not_come_inside_fails_the_start(api: Api, nvml: FakeNvml) -> None:
    """The spec promises a node, and Podman mounts a plain file in its place."""
    file = Path("/var/run/cdi") / f"nntest-{nvml.gpus[0].uuid}.json"
    good = file.read_text()
    plain = Path(api.box.top) / "plain"
    plain.touch()
    spec = json.loads(good)
    over = {"hostPath": str(plain), "containerPath": "/dev/nvidia3", "options": ["bind"]}
    spec["devices"][3]["containerEdits"]["mounts"] = [over]
    file.write_text(json.dumps(spec))
    try:
        d = sleeper(api, gpus=[3])
        failed = api.until(d["id"], "failed")
    finally:
        file.write_text(good)
    assert failed["statusReason"]["code"] == "gpu_missing"
    assert "/dev/nvidia3" in failed["statusReason"]["message"]
    clear(api, d["id"])


def test_memory_is_told_by_deployment_and_strangers_count_as_taken(
    api: Api, nvml: FakeNvml
) -> None:
    d = sleeper(api, gpus=[0])
    api.until(d["id"], "running")
    [pid] = map(int, api.box.podman("ps", "--format", "{{.Pid}}").split())
    gpu = nvml.gpus[0].uuid
    nvml.processes = [(gpu, pid, 5000), (gpu, os.getpid(), 700)]
    nvml.change(0, used_mb=6000)
    wait_for(lambda: node(api)["gpus"][0]["foreignVramMb"] == 700)
    [holder] = node(api)["gpus"][0]["holders"]
    assert (holder["deploymentId"], holder["vramMb"]) == (d["id"], 5000)
    stats = api.http.get(f"/deployments/{d['id']}/stats").json()["stats"]
    assert [(g["uuid"], g["vramMb"]) for g in stats["gpus"]] == [(gpu, 5000)]
    clear(api, d["id"])
    nvml.processes = [(gpu, os.getpid(), 20_000)]
    nvml.change(0, used_mb=20_000)
    wait_for(lambda: node(api)["gpus"][0]["foreignVramMb"] == 20_000)
    waits = sleeper(api, gpus=[0], vramMb=10_000)
    wait_for(lambda: "20000 MiB taken by other programs" in reason(api, waits["id"]))
    nvml.processes = []
    nvml.change(0, used_mb=0)
    api.until(waits["id"], "running")
    clear(api, waits["id"])


def events(api: Api, deployment_id: str) -> list[str]:
    found = api.http.get(f"/deployments/{deployment_id}/events").json()["events"]
    return [event["type"] for event in found]


def test_memory_that_does_not_come_back_is_told_as_a_leak(api: Api, nvml: FakeNvml) -> None:
    d = sleeper(api, gpus=[1])
    api.until(d["id"], "running")
    [pid] = map(int, api.box.podman("ps", "--format", "{{.Pid}}").split())
    nvml.processes = [(nvml.gpus[1].uuid, pid, 3000)]
    nvml.change(1, used_mb=3000)
    wait_for(lambda: node(api)["gpus"][1]["holders"][0]["vramMb"] == 3000)
    nvml.processes = []
    nvml.save()
    api.http.post(f"/deployments/{d['id']}/stop")
    leaked = [{"deploymentId": d["id"], "vramMb": 3000}]
    wait_for(lambda: node(api)["gpus"][1]["leaked"] == leaked)
    assert api.get(d["id"])["leakedVramMb"] == 3000
    wait_for(lambda: "gpu_leaked" in events(api, d["id"]))
    nvml.change(1, used_mb=0)
    wait_for(lambda: node(api)["gpus"][1]["leaked"] == [])
    wait_for(lambda: "gpu_memory_back" in events(api, d["id"]))
    assert api.get(d["id"])["leakedVramMb"] == 0
    clear(api, d["id"])


def test_gpu_time_and_energy_are_accounted_to_the_holder(api: Api, nvml: FakeNvml) -> None:
    d = sleeper(api, gpus=[2])
    api.until(d["id"], "running")
    assert api.get(d["id"])["hourlyRateCents"] == 3600 + 100
    nvml.change(2, energy_mj=3_600_000)
    wait_for(lambda: usage(api, d["id"])["energyWh"] == 1.0)
    line = usage(api, d["id"])
    assert 0 < line["gpuSeconds"] <= line["runningSeconds"]
    assert line["energyCost"] == 2  # 20 Euro a kilowatt-hour
    clear(api, d["id"])


def usage(api: Api, deployment_id: str) -> dict[str, Any]:
    lines = api.http.get("/usage").json()["usage"]
    return dict(next(line for line in lines if line["deploymentId"] == deployment_id))


def test_the_doctor_sees_each_gpu_from_inside_a_container(api: Api) -> None:
    done = api.box.cli("doctor", "--json")
    by_command = [c for c in json.loads(done.stdout) if c["name"] == "gpu self-test"]
    assert [c["status"] for c in by_command] == ["ok"] * GPUS
    answer = api.http.get("/doctor")
    assert answer.status_code == 200
    checks = {c["name"]: c["status"] for c in answer.json()["checks"]}
    assert (checks["gpu"], checks["cdi spec"], checks["gpu self-test"]) == ("ok",) * 3


def test_the_doctor_tells_of_a_gpu_that_does_not_come_inside(api: Api, nvml: FakeNvml) -> None:
    file = Path("/var/run/cdi") / f"nntest-{nvml.gpus[0].uuid}.json"
    good = file.read_text()
    spec = json.loads(good)
    node_of_three = spec["devices"][3]["containerEdits"]["deviceNodes"][0]
    node_of_three["hostPath"] = "/dev/no-such-node"
    file.write_text(json.dumps(spec))
    try:
        checks = api.http.get("/doctor").json()["checks"]
    finally:
        file.write_text(good)
    failed = {c["name"]: c for c in checks if c["status"] == "fail"}
    assert "/dev/no-such-node" in failed["gpu devices"]["detail"]
    assert failed["gpu self-test"]["detail"].startswith("GPU 3: ")


def test_an_idle_one_gives_way_and_is_back_in_line_with_its_next_request(api: Api) -> None:
    server = {"command": ["httpd", "-f", "-p", "8080", "-h", "/etc"], "ports": [{"port": 8080}]}
    body = {"templateId": None, "customImage": BUSYBOX, **server}
    giver = api.create(**body, resources={"gpus": GPUS}, evictable=True)["id"]
    api.until(giver, "running")
    taker = api.create(**body, resources={"gpus": 1}, evictable=True, name="taker")["id"]
    api.until(taker, "running")
    asleep = api.get(giver)
    assert (asleep["status"], asleep["statusReason"]["code"]) == ("sleeping", "evicted")
    assert f"Gave way to taker ({taker})" in asleep["statusReason"]["message"]
    assert holders(api) == [[taker], [], [], []]
    with ThreadPoolExecutor(1) as pool:
        host = {"Host": f"{giver.replace('_', '-')}.localhost"}
        asked = pool.submit(httpx.get, f"{api.box.url}/passwd", headers=host, timeout=90)
        wait_for(lambda: "number 1 in line" in reason(api, giver))
        assert asked.result().status_code == 200  # held until the other had given way in its turn
    assert api.get(taker)["statusReason"]["code"] == "evicted"
    assert holders(api) == [[giver]] * GPUS
    clear(api, giver, taker)


def reason(api: Api, deployment_id: str) -> str:
    return str(api.get(deployment_id)["statusReason"])


def test_two_hundred_at_once_for_four_gpus_are_never_two_on_one(api: Api) -> None:
    with ThreadPoolExecutor(32) as pool:
        ids = [d["id"] for d in pool.map(lambda _: sleeper(api), range(200))]
    served: set[str] = set()
    deadline = time.monotonic() + 60
    while len(served) < 24 and time.monotonic() < deadline:
        now = holders(api)
        assert all(len(of_one) <= 1 for of_one in now), now
        assert max(Counter(given(api.box)).values(), default=0) <= 1
        running = {d["id"] for d in listed(api, "running")}
        served |= running
        for i in running:
            assert api.http.delete(f"/deployments/{i}").status_code == 200
    assert len(served) >= 24
    clear(api, *set(ids) - served)


def given(box: Box) -> list[str]:
    """The GPUs of running containers, by Podman's own word."""
    label = '{{index .Labels "network.neuranet.appliance.devices"}}'
    return [line for line in box.podman("ps", "--format", label).splitlines() if line]


def listed(api: Api, status: str) -> list[dict[str, Any]]:
    return list(api.http.get(f"/deployments?status={status}&limit=100").json()["deployments"])
