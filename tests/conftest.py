"""What every test shares."""

import pytest

pytest_plugins = ["podman_harness", "registry_harness", "box"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
