"""Logs, nodes and templates as they are read."""

from pathlib import Path

import pytest

from tests.api.served import Caller, Served, field_errors, problem

pytestmark = pytest.mark.anyio
LOG = """2024-01-15T10:32:00.000000000+00:00 stdout F Server started on port 11434
2024-01-15T10:32:01.000000000+00:00 stdout F Loading model llama2...
2024-01-15T10:32:01.500000000+00:00 stderr F warning
"""


@pytest.fixture
async def logged(bob: Caller, served: Served, tmp_path: Path) -> str:
    """The path of the logs of a deployment that has written the seed's two lines and one more."""
    made = (await bob.create())["id"]
    await bob.until(made, "running")
    file = tmp_path / "ctr.log"
    file.write_text(LOG)
    async with served.db.transaction() as tx:
        await tx.execute("UPDATE deployment SET log_path = :p", {"p": str(file)})
    return f"/deployments/{made}/logs"


async def messages(caller: Caller, path: str) -> list[str]:
    return [line["message"] for line in (await caller.get(path))["logs"]]


async def test_the_seeds_lines_are_answered_as_the_seed_shows_them(
    bob: Caller, logged: str
) -> None:
    first, second, third = (await bob.get(logged))["logs"]
    assert first.keys() == {"timestamp", "stream", "message"}
    assert first["timestamp"].startswith("2024-01-15T10:32:00")
    assert first["timestamp"].endswith("Z")
    assert (first["stream"], first["message"]) == ("stdout", "Server started on port 11434")
    assert (second["message"], third["stream"]) == ("Loading model llama2...", "stderr")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("tail=1", 1),
        ("tail=10000", 3),
        ("since=2024-01-15T10:32:01Z", 2),
        ("since=2024-01-15T10:32:01.500Z", 1),
        ("since=2024-01-15T12:32:01%2B02:00", 2),
        ("since=2024-01-15T12:32:01+02:00", 2),
        ("since=2024-01-15T12:32:01.500+0200", 1),
        ("since=2024-01-15t10:32:01z", 2),
        ("since=2024-01-15T10:32:02", 0),
        ("since=2024-01-15T10:32:00Z&tail=2", 2),
        ("since=0001-01-01T00:00:00%2B14:00", 3),
        ("since=9999-12-31T23:59:59-14:00", 0),
    ],
)
async def test_tail_and_since_which_is_inclusive(
    bob: Caller, logged: str, query: str, count: int
) -> None:
    assert len(await messages(bob, f"{logged}?{query}")) == count


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("tail=0", "tail"),
        ("tail=10001", "tail"),
        ("tail=all", "tail"),
        ("since=yesterday", "since"),
        ("since=1705314720", "since"),
        ("since=2024-02-30T00:00:00Z", "since"),
        ("since=2024-01-15+10:32", "since"),
        ("follow=maybe", "follow"),
        ("lines=5", "lines"),
    ],
)
async def test_a_wrong_log_parameter_is_told(
    bob: Caller, logged: str, query: str, field: str
) -> None:
    assert field_errors(await bob.http.get(f"{logged}?{query}")).keys() == {field}


async def test_one_that_never_started_has_an_empty_log(bob: Caller) -> None:
    made = (await bob.create(customImage="localhost/none"))["id"]
    assert await bob.get(f"/deployments/{made}/logs") == {"logs": []}


async def test_the_machine_is_the_only_node(bob: Caller) -> None:
    [node] = (await bob.get("/nodes"))["nodes"]
    assert node["id"] == bob.node_id
    assert node.keys() == {
        "id", "operatorId", "name", "status", "specs", "gpus", "region", "country",
        "hourlyRateCents", "gpuHourlyRateCents", "activeDeployments", "maxDeployments",
        "uptimePercent", "lastHeartbeat", "createdAt", "available",
    }  # fmt: skip
    assert node["specs"].keys() == {
        "cpuModel", "cpuCores", "cpuThreads", "ramMb", "diskGb", "diskType", "networkSpeedMbps",
        "os", "podmanVersion",
    }  # fmt: skip
    assert node["specs"]["networkSpeedMbps"] is None
    assert node["available"] == {"cpus": 6.5, "memoryMb": 12_000, "diskGb": 300, "gpus": 0}
    assert await bob.get(f"/nodes/{bob.node_id}") == {"node": node}


async def test_another_node_is_not_found(bob: Caller) -> None:
    problem(await bob.http.get("/nodes/node_other"), 404)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("status=online", 1),
        ("status=maintenance", 0),
        ("hasGpu=true", 0),
        ("hasGpu=false", 1),
        ("minGpuVram=0", 1),
        ("minGpuVram=1", 0),
        ("minCpuCores=4", 1),
        ("minCpuCores=5", 0),
        ("minRamMb=16000", 1),
        ("minRamMb=16001", 0),
        ("region=home", 1),
        ("region=moon", 0),
        ("maxHourlyRate=150", 1),
        ("maxHourlyRate=149", 0),
        ("hasGpu=false&minCpuCores=4&region=home", 1),
    ],
)
async def test_a_node_is_filtered(bob: Caller, query: str, count: int) -> None:
    page = await bob.get(f"/nodes?{query}")
    assert len(page["nodes"]) == page["pagination"]["total"] == count


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=broken", "status"),
        ("hasGpu=perhaps", "hasGpu"),
        ("minGpuVram=-1", "minGpuVram"),
        ("minCpuCores=x", "minCpuCores"),
        ("limit=101", "limit"),
        ("gpu=1", "gpu"),
    ],
)
async def test_a_wrong_filter_is_told(bob: Caller, query: str, field: str) -> None:
    assert field_errors(await bob.http.get(f"/nodes?{query}")).keys() == {field}


async def test_there_is_no_second_page_of_one_node(bob: Caller) -> None:
    page = await bob.get("/nodes?page=2")
    assert page["nodes"] == []
    assert page["pagination"] == {"page": 2, "limit": 20, "total": 1, "totalPages": 1}


async def test_the_catalogue_is_listed_and_each_shown(bob: Caller) -> None:
    listed = (await bob.get("/templates"))["templates"]
    assert {"welcome", "ollama", "vllm", "postgres"} <= {t["id"] for t in listed}
    for template in listed:
        assert await bob.get(f"/templates/{template['id']}") == {"template": template}
        assert template.keys() >= {
            "id", "name", "description", "category", "image", "ports", "env", "volumes",
            "resources", "gpu", "health", "access",
        }  # fmt: skip


async def test_the_ollama_template_tells_of_its_list_of_models(bob: Caller) -> None:
    env = (await bob.get("/templates/ollama"))["template"]["env"]
    [models] = [v for v in env if v["name"] == "OLLAMA_MODELS"]
    assert models.keys() == {"name", "description", "default", "required", "secret"}


async def test_another_template_is_not_found(bob: Caller) -> None:
    problem(await bob.http.get("/templates/nope"), 404)


@pytest.mark.parametrize(
    "path", ["/events", "/users", "/auth/me", "/templates/ollama", "/deployments/none/stats"]
)
async def test_a_parameter_that_is_none_is_told_whatever_is_read(ada: Caller, path: str) -> None:
    refused = await ada.http.get(f"{path}?x=1")
    assert field_errors(refused).keys() == {"x"}


async def test_a_monitor_may_ask_for_the_health_as_it_likes(served: Served) -> None:
    answer = await served.nobody().get("/healthz?at=1")
    assert answer.status_code in {200, 503}
