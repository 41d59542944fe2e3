"""Accounts on real SQLite and a clock that stands still; Ada is an admin, Bob a user."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.auth.accounts import Accounts
from appliance.domain.permissions import Role
from appliance.store.database import Database, open_database
from appliance.store.users import User
from tests.auth.auth_cast import ADA_PASSWORD, BOB_PASSWORD
from tests.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(tmp_path / "appliance.db")
    yield opened
    await opened.close()


@pytest.fixture
def accounts(db: Database, clock: ManualClock) -> Accounts:
    return Accounts(db, clock)


@pytest.fixture
async def ada(accounts: Accounts) -> User:
    return await accounts.create_user("ada@example.org", Role.ADMIN, ADA_PASSWORD)


@pytest.fixture
async def bob(accounts: Accounts) -> User:
    return await accounts.create_user("bob@example.org", Role.USER, BOB_PASSWORD)
