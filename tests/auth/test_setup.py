"""The one-time link: only while no admin can log in, once, for an hour."""

from pathlib import Path

import pytest

from appliance.auth.accounts import Accounts
from appliance.auth.setup import Setup
from appliance.domain.errors import InvalidRequest, NameTaken, NotFound, NotPermitted
from appliance.domain.permissions import Role
from appliance.store.users import User
from tests.auth.auth_cast import ADA_PASSWORD
from tests.manual_clock import ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def setup(accounts: Accounts, clock: ManualClock, tmp_path: Path) -> Setup:
    return Setup(accounts, clock, tmp_path / "setup-link", "http://127.0.0.1:8080")


async def a_code(setup: Setup) -> str:
    return (await setup.link()).partition("#code=")[2]


async def test_the_link_carries_its_code_behind_the_hash_and_lies_in_a_private_file(
    setup: Setup, tmp_path: Path
) -> None:
    await setup.announce()
    file = tmp_path / "setup-link"
    link = file.read_text().strip()
    assert link.startswith("http://127.0.0.1:8080/ui/setup#code=")
    assert len(link.partition("#code=")[2]) == 22  # 128 bits
    assert file.stat().st_mode & 0o777 == 0o600


async def test_the_code_makes_an_admin_who_is_logged_in_once(
    setup: Setup, accounts: Accounts, tmp_path: Path
) -> None:
    code = await a_code(setup)
    made = await setup.complete(code, "ada@example.org", ADA_PASSWORD)
    assert made.user.role is Role.ADMIN
    assert (await accounts.authenticate(made.token)).user_id == made.user.id
    assert not (tmp_path / "setup-link").exists()
    assert not await setup.needed()
    with pytest.raises(NotFound):
        await setup.complete(code, "eve@example.org", ADA_PASSWORD)


async def test_a_wrong_an_old_and_a_replaced_code_open_nothing(
    setup: Setup, clock: ManualClock
) -> None:
    replaced = await a_code(setup)
    code = await a_code(setup)
    for wrong in ("", "x" * 22, "ä", replaced):
        with pytest.raises(NotPermitted):
            await setup.complete(wrong, "ada@example.org", ADA_PASSWORD)
    clock.pass_time(minutes=60)
    with pytest.raises(NotPermitted):
        await setup.complete(code, "ada@example.org", ADA_PASSWORD)
    assert await setup.needed()


async def test_without_a_link_nothing_is_the_right_code(setup: Setup) -> None:
    with pytest.raises(NotPermitted):
        await setup.complete("", "ada@example.org", ADA_PASSWORD)


async def test_what_is_refused_leaves_the_code_good(setup: Setup, bob: User) -> None:
    code = await a_code(setup)
    with pytest.raises(InvalidRequest):
        await setup.complete(code, "ada@example.org", "short")
    with pytest.raises(NameTaken):
        await setup.complete(code, bob.email, ADA_PASSWORD)
    assert (await setup.complete(code, "ada@example.org", ADA_PASSWORD)).user.role is Role.ADMIN


async def test_where_there_is_an_admin_there_is_no_link(
    setup: Setup, ada: User, tmp_path: Path
) -> None:
    (tmp_path / "setup-link").write_text("left over")
    await setup.announce()
    assert not (tmp_path / "setup-link").exists()
    with pytest.raises(NotFound):
        await setup.link()


async def test_a_user_who_is_no_admin_does_not_end_the_set_up(setup: Setup, bob: User) -> None:
    assert await setup.needed()
