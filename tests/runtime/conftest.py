"""The subjects of the contract suite, the fake and real Podman; a log and who follows it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.runtime.logfollow import Last, LogFollower
from appliance.runtime.port import ContainerSpec
from tests.podman_harness import new_prefix
from tests.runtime.subjects import FakeSubject, PodmanSubject, Subject, a_spec, new_deployment


@pytest.fixture(params=["fake", pytest.param("podman", marks=pytest.mark.podman)])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    prefix = new_prefix()
    if request.param == "fake":
        yield FakeSubject(prefix)
        return
    lab: Any = request.getfixturevalue("podman_lab")
    registry: Any = request.getfixturevalue("registry")
    async with lab.runtime(prefix) as runtime:
        yield PodmanSubject(lab, registry, prefix, runtime)


@pytest.fixture
def wanted(subject: Subject) -> ContainerSpec:
    return a_spec(subject.prefix, new_deployment())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log is to be."""
    return tmp_path / "ctr.log"


@pytest.fixture
def follower(path: Path) -> Iterator[LogFollower]:
    follower = LogFollower(path, Last(count=None))
    yield follower
    follower.close()
