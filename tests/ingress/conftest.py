"""A door on uvloop, as in the appliance."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ingress.doorlab import Lab, door


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with door(tmp_path) as made:
        yield made
