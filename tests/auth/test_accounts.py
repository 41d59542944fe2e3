"""Users and logins."""

from typing import Any

import pytest
from argon2 import PasswordHasher

from appliance.auth.accounts import OWNER_EMAIL, Accounts
from appliance.auth.tokens import SESSIONS_A_USER
from appliance.domain.deployment import Desired, Spec
from appliance.domain.errors import (
    Conflict,
    InvalidRequest,
    NameTaken,
    NotAuthenticated,
    NotFound,
    RateLimited,
)
from appliance.domain.permissions import Principal, Role, Scope
from appliance.store import deployments
from appliance.store.database import Database
from appliance.store.deployments import NewDeployment
from appliance.store.users import User
from tests.auth.auth_cast import ADA_PASSWORD, BOB_PASSWORD
from tests.manual_clock import ManualClock

pytestmark = pytest.mark.anyio
HOME = "192.0.2.7"


async def log_in(accounts: Accounts, password: str, email: str = "bob@example.org") -> Principal:
    made = await accounts.login(email, password, HOME)
    return await accounts.authenticate(made.token)


async def change(
    accounts: Accounts,
    user: User,
    *,
    role: Role | None = None,
    disabled: bool | None = None,
    password: str | None = None,
) -> User:
    return await accounts.update_user(user.id, role=role, disabled=disabled, password=password)


async def deploy(db: Database, clock: ManualClock, owner: User) -> None:
    new = NewDeployment("dep_1", owner.id, "node_1", "app", Spec("localhost/app"), None, 0)
    async with db.transaction() as tx:
        await deployments.insert(tx, new, clock.now())


async def test_a_login_opens_a_session_of_twelve_hours(
    accounts: Accounts, bob: User, clock: ManualClock
) -> None:
    made = await accounts.login("bob@example.org", BOB_PASSWORD, HOME)
    assert (made.expires_at - clock.now().wall).total_seconds() == 12 * 3600
    assert made.token not in repr(made)
    caller = await accounts.authenticate(made.token)
    assert (caller.user_id, caller.role, caller.scope) == (bob.id, Role.USER, Scope.WRITE)
    clock.pass_time(hours=12)
    with pytest.raises(NotAuthenticated):
        await accounts.authenticate(made.token)


async def test_the_case_of_the_email_does_not_matter(accounts: Accounts, bob: User) -> None:
    assert (await log_in(accounts, BOB_PASSWORD, "BOB@example.org")).user_id == bob.id


async def test_nothing_tells_a_wrong_password_from_an_unknown_or_disabled_user(
    accounts: Accounts, ada: User, bob: User, clock: ManualClock
) -> None:
    await change(accounts, bob, disabled=True)
    told = set()
    tries = [
        ("ada@example.org", "wrong password"),
        ("eve@example.org", "x"),
        (bob.email, BOB_PASSWORD),
    ]
    for email, password in tries:
        with pytest.raises(NotAuthenticated) as refused:
            await accounts.login(email, password, HOME)
        told.add(str(refused.value))
    assert len(told) == 1


async def test_guessing_is_slowed_down_and_the_right_password_too_while_it_is(
    accounts: Accounts, bob: User, clock: ManualClock
) -> None:
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            await log_in(accounts, "wrong password")
    with pytest.raises(RateLimited):
        await log_in(accounts, BOB_PASSWORD)
    clock.pass_time(minutes=1)
    await log_in(accounts, BOB_PASSWORD)


async def test_an_old_hash_is_renewed_at_login(accounts: Accounts, bob: User, db: Database) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(BOB_PASSWORD)
    async with db.transaction() as tx:
        await tx.execute(
            "UPDATE user SET password_hash = :weak WHERE id = :id", {"weak": weak, "id": bob.id}
        )
    for _ in range(2):
        await log_in(accounts, BOB_PASSWORD)
    [row] = await db.read("SELECT password_hash FROM user WHERE id = :id", {"id": bob.id})
    assert "m=19456,t=2,p=1" in row["password_hash"]


async def test_a_logout_ends_that_session_alone(accounts: Accounts, bob: User) -> None:
    here = await accounts.login(bob.email, BOB_PASSWORD, HOME)
    there = await accounts.login(bob.email, BOB_PASSWORD, HOME)
    await accounts.logout(await accounts.authenticate(here.token))
    with pytest.raises(NotAuthenticated):
        await accounts.authenticate(here.token)
    await accounts.authenticate(there.token)


async def test_the_oldest_session_gives_way(
    accounts: Accounts, bob: User, clock: ManualClock
) -> None:
    made = []
    for _ in range(SESSIONS_A_USER + 1):
        made.append((await accounts.login(bob.email, BOB_PASSWORD, HOME)).token)
        await accounts.authenticate(made[-1])
        clock.pass_time(seconds=10)
    with pytest.raises(NotAuthenticated):
        await accounts.authenticate(made[0])
    await accounts.authenticate(made[1])


async def test_sessions_do_not_stand_among_the_tokens(accounts: Accounts, bob: User) -> None:
    assert await accounts.tokens(await log_in(accounts, BOB_PASSWORD)) == []


async def test_the_machines_owner_is_made_once(accounts: Accounts, db: Database) -> None:
    first, second = await accounts.machine_owner(), await accounts.machine_owner()
    assert first == second
    assert (first.email, first.role, first.scope) == (OWNER_EMAIL, Role.ADMIN, Scope.WRITE)
    assert await accounts.users() == []


async def test_nobody_logs_in_as_the_machines_owner(accounts: Accounts) -> None:
    await accounts.machine_owner()
    for password in ("", "owner", "None"):
        with pytest.raises(NotAuthenticated):
            await accounts.login(OWNER_EMAIL, password, HOME)


@pytest.mark.parametrize("email", [OWNER_EMAIL, OWNER_EMAIL.upper()])
async def test_nobody_becomes_the_machines_owner(accounts: Accounts, email: str) -> None:
    with pytest.raises(NameTaken):
        await accounts.create_user(email, Role.USER, "long enough")


async def test_an_email_address_is_taken_once_in_whatever_case(
    accounts: Accounts, bob: User
) -> None:
    with pytest.raises(NameTaken):
        await accounts.create_user("Bob@Example.org", Role.USER, "long enough")


async def test_a_short_password_makes_no_user(accounts: Accounts) -> None:
    with pytest.raises(InvalidRequest):
        await accounts.create_user("eve@example.org", Role.USER, "short")
    assert await accounts.users() == []


async def test_users_are_listed_oldest_first(
    accounts: Accounts, ada: User, clock: ManualClock
) -> None:
    clock.pass_time(seconds=1)
    await accounts.create_user("aaa@example.org", Role.USER, BOB_PASSWORD)
    assert [u.email for u in await accounts.users()] == ["ada@example.org", "aaa@example.org"]


@pytest.mark.parametrize("loss", [{"password": "another password"}, {"disabled": True}])
async def test_a_new_password_or_being_barred_ends_every_token(
    accounts: Accounts, bob: User, loss: dict[str, Any]
) -> None:
    caller = await log_in(accounts, BOB_PASSWORD)
    made = await accounts.create_token(caller, "laptop", Scope.READ, None)
    await accounts.authenticate(made.text)
    await change(accounts, bob, **loss)
    with pytest.raises(NotAuthenticated):
        await accounts.authenticate(made.text)
    await change(accounts, bob, disabled=False)
    with pytest.raises(NotAuthenticated):
        await accounts.authenticate(made.text)


async def test_the_new_password_is_the_only_one(accounts: Accounts, bob: User) -> None:
    await change(accounts, bob, password="another password")
    with pytest.raises(NotAuthenticated):
        await log_in(accounts, BOB_PASSWORD)
    await log_in(accounts, "another password")


async def test_what_is_not_given_stays(accounts: Accounts, bob: User) -> None:
    assert await change(accounts, bob) == bob
    assert (await change(accounts, bob, role=Role.ADMIN)).disabled is False
    await log_in(accounts, BOB_PASSWORD)


@pytest.mark.parametrize("loss", [{"role": Role.USER}, {"disabled": True}])
async def test_the_last_admin_stays_one(
    accounts: Accounts, ada: User, bob: User, loss: dict[str, Any]
) -> None:
    await accounts.machine_owner()  # has no password, so can't stand in
    with pytest.raises(Conflict, match="last admin"):
        await change(accounts, ada, **loss)
    with pytest.raises(Conflict, match="last admin"):
        await accounts.delete_user(ada.id)
    await change(accounts, bob, role=Role.ADMIN)
    await change(accounts, ada, **loss)
    await log_in(accounts, BOB_PASSWORD)


async def test_a_disabled_admin_does_not_stand_in(accounts: Accounts, ada: User, bob: User) -> None:
    await change(accounts, bob, role=Role.ADMIN)
    await change(accounts, bob, disabled=True)
    with pytest.raises(Conflict, match="last admin"):
        await accounts.delete_user(ada.id)


async def test_a_deleted_user_is_gone_with_every_token(
    accounts: Accounts, ada: User, bob: User
) -> None:
    made = await accounts.login(bob.email, BOB_PASSWORD, HOME)
    await accounts.authenticate(made.token)
    await accounts.delete_user(bob.id)
    with pytest.raises(NotAuthenticated):
        await accounts.authenticate(made.token)
    with pytest.raises(NotFound):
        await accounts.user(bob.id)
    with pytest.raises(NotFound):
        await accounts.delete_user(bob.id)


async def test_a_user_with_deployments_stays(
    accounts: Accounts, ada: User, bob: User, db: Database, clock: ManualClock
) -> None:
    await deploy(db, clock, bob)
    with pytest.raises(Conflict, match="has deployments"):
        await accounts.delete_user(bob.id)


async def test_what_is_on_record_of_a_deleted_user_passes_to_the_owner(
    accounts: Accounts, ada: User, bob: User, db: Database, clock: ManualClock
) -> None:
    await deploy(db, clock, bob)
    async with db.transaction() as tx:
        await deployments.order(tx, "dep_1", Desired.DELETED, restart=False, now=clock.now())
    with pytest.raises(Conflict, match="still being removed; try again"):
        await accounts.delete_user(bob.id)
    async with db.transaction() as tx:
        await deployments.bury(tx, "dep_1", clock.now())
    await accounts.delete_user(bob.id)
    [row] = await db.read("SELECT owner_id FROM deployment")
    assert row["owner_id"] == (await accounts.machine_owner()).user_id


async def test_the_machines_owner_is_not_deleted(accounts: Accounts, ada: User) -> None:
    owner = await accounts.machine_owner()
    with pytest.raises(Conflict):
        await accounts.delete_user(owner.user_id)


async def test_the_machines_owner_gets_no_password(accounts: Accounts, ada: User) -> None:
    owner = await accounts.machine_owner()
    with pytest.raises(Conflict):
        await accounts.update_user(owner.user_id, role=None, disabled=None, password=ADA_PASSWORD)


async def test_nobody_unknown_is_changed(accounts: Accounts) -> None:
    with pytest.raises(NotFound):
        await accounts.update_user("user_none", role=Role.USER, disabled=None, password=None)
