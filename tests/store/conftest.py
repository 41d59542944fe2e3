"""A database of this version's schema, with a user in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.store.database import Database, open_database

ADA = "INSERT INTO user (id, email, role, created_us) VALUES ('user_ada', 'ada@x', 'admin', 0)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "appliance.db"


@pytest.fixture
async def db(path: Path) -> AsyncIterator[Database]:
    made = await open_database(path)
    async with made.transaction() as tx:
        await tx.execute(ADA)
    yield made
    await made.close()
