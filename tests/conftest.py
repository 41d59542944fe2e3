"""What every test shares."""

import pytest
from hypothesis import HealthCheck, settings

# On a loaded machine an example that takes long is no defect.
settings.register_profile("loaded", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("loaded")

pytest_plugins = ["tests.podman_harness", "tests.registry_harness", "tests.box"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
