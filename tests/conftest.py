"""What every test shares."""

import pytest

pytest_plugins = ["tests.podman_harness", "tests.registry_harness", "tests.box"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
