"""One appliance a test; Ada is an admin, Bob and Carol are users, Bob's reader may only read."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.domain.permissions import Role, Scope
from tests.api.served import Caller, Served, serving


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path / "appliance.db") as made:
        yield made


@pytest.fixture
async def ada(served: Served) -> Caller:
    return await served.caller("ada@example.org", Role.ADMIN)


@pytest.fixture
async def bob(served: Served) -> Caller:
    return await served.caller("bob@example.org")


@pytest.fixture
async def carol(served: Served) -> Caller:
    return await served.caller("carol@example.org")


@pytest.fixture
async def reader(served: Served) -> Caller:
    return await served.caller("reader@example.org", scope=Scope.READ)
