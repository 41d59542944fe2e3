"""A token's life: made, shown once, used, expired, revoked."""

import hashlib
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import anyio
import pytest

from appliance.auth.accounts import Accounts
from appliance.auth.tokens import REMEMBERED, TOKENS_A_USER, IssuedToken, Tokens
from appliance.domain.errors import (
    InvalidRequest,
    LimitReached,
    NotAuthenticated,
    NotFound,
    NotPermitted,
)
from appliance.domain.permissions import Principal, Role, Scope
from appliance.domain.token_text import _check, new_token, token_id
from appliance.store.database import Database, Row
from appliance.store.users import User
from tests.manual_clock import ManualClock

pytestmark = pytest.mark.anyio


class SlowReads(Database):
    """The database, whose answers to reads arrive only when let go."""

    def __init__(self, db: Database) -> None:
        super().__init__(db._writer, db._reader, db._near_reader, db._path)
        self.let_go = anyio.Event()

    async def look_up(self, sql: str, parameters: dict[str, Any] | None = None) -> list[Row]:
        rows = await super().look_up(sql, parameters)
        await self.let_go.wait()
        return rows


def principal(user: User, scope: Scope = Scope.WRITE) -> Principal:
    return Principal(user.id, user.email, user.role, scope)


async def make(accounts: Accounts, user: User, scope: Scope = Scope.WRITE) -> IssuedToken:
    return await accounts.create_token(principal(user), "laptop", scope, None)


async def last_used_us(db: Database, made: IssuedToken) -> int | None:
    [row] = await db.read("SELECT last_used_us FROM token WHERE id = :id", {"id": made.token.id})
    used: int | None = row["last_used_us"]
    return used


async def test_a_token_makes_its_user_the_caller(accounts: Accounts, bob: User) -> None:
    made = await make(accounts, bob, Scope.READ)
    caller = await accounts.authenticate(made.text)
    assert caller == Principal(bob.id, bob.email, Role.USER, Scope.READ, made.token.id)


async def test_only_its_digest_is_kept(accounts: Accounts, bob: User, db: Database) -> None:
    made = await make(accounts, bob)
    [row] = await db.read("SELECT * FROM token")
    assert row["sha256"] == hashlib.sha256(made.text.encode()).digest()
    assert made.text not in str(tuple(row))
    assert made.text not in repr(made)


async def test_the_right_id_with_another_secret_is_refused(accounts: Accounts, bob: User) -> None:
    made = await make(accounts, bob)
    head = f"nn_{made.token.id}_" + new_token().text.rsplit("_", 1)[1][:30]
    forged = head + _check(head)  # a forger knows the sum too
    assert token_id(forged) == made.token.id
    for _ in range(2):  # before and after the right one is remembered
        with pytest.raises(NotAuthenticated):
            await accounts.authenticate(forged)
        await accounts.authenticate(made.text)


async def test_a_made_up_token_never_reaches_the_database(accounts: Accounts, db: Database) -> None:
    await db.close()
    with pytest.raises(NotAuthenticated):
        await accounts.authenticate("nn_4k2v9xq0m7ab_" + "0" * 36)


async def test_a_used_token_needs_no_query(accounts: Accounts, bob: User, db: Database) -> None:
    made = await make(accounts, bob)
    await accounts.authenticate(made.text)  # notes the use, so it is looked up once more
    caller = await accounts.authenticate(made.text)
    await db.close()
    assert await accounts.authenticate(made.text) == caller


async def test_it_lives_ninety_days_unless_told_otherwise(
    accounts: Accounts, bob: User, clock: ManualClock
) -> None:
    made = await make(accounts, bob)
    assert made.token.expires_at - made.token.created_at == timedelta(days=90)
    clock.pass_time(days=90, seconds=-1)
    await accounts.authenticate(made.text)
    clock.pass_time(seconds=1)
    with pytest.raises(NotAuthenticated, match="expired"):
        await accounts.authenticate(made.text)


async def test_an_expired_token_that_was_never_used_is_refused_too(
    accounts: Accounts, bob: User, clock: ManualClock
) -> None:
    made = await make(accounts, bob)
    clock.pass_time(days=91)
    with pytest.raises(NotAuthenticated):
        await accounts.authenticate(made.text)
    assert await accounts.tokens(principal(bob)) == []


@pytest.mark.parametrize("days", [-1, 0, 367, 10_000])
async def test_its_end_is_ahead_and_within_366_days(
    accounts: Accounts, bob: User, clock: ManualClock, days: int
) -> None:
    end = clock.now().wall + timedelta(days=days)
    with pytest.raises(InvalidRequest) as refused:
        await accounts.create_token(principal(bob), "laptop", Scope.WRITE, end)
    assert [e.field for e in refused.value.errors] == ["expiresAt"]


async def test_a_revoked_token_opens_nothing_from_that_moment(
    accounts: Accounts, bob: User
) -> None:
    made = await make(accounts, bob)
    caller = await accounts.authenticate(made.text)
    await accounts.revoke_token(caller, made.token.id)
    with pytest.raises(NotAuthenticated):
        await accounts.authenticate(made.text)


async def test_nobody_revokes_what_is_not_theirs(accounts: Accounts, ada: User, bob: User) -> None:
    made = await make(accounts, bob)
    with pytest.raises(NotFound):
        await accounts.revoke_token(principal(ada), made.token.id)
    await accounts.authenticate(made.text)


async def test_everybody_sees_their_own_tokens_alone(
    accounts: Accounts, ada: User, bob: User
) -> None:
    made = await make(accounts, bob)
    assert await accounts.tokens(principal(ada)) == []
    assert await accounts.tokens(principal(bob)) == [made.token]


async def test_a_read_token_makes_no_write_token(accounts: Accounts, ada: User) -> None:
    reader = principal(ada, Scope.READ)
    with pytest.raises(NotPermitted):
        await accounts.create_token(reader, "more", Scope.WRITE, None)
    made = await accounts.create_token(reader, "same", Scope.READ, None)
    assert made.token.scope is Scope.READ


async def test_a_user_has_fifty_at_most_and_expired_ones_do_not_count(
    accounts: Accounts, bob: User, clock: ManualClock
) -> None:
    for _ in range(TOKENS_A_USER):
        await make(accounts, bob)
    with pytest.raises(LimitReached):
        await make(accounts, bob)
    clock.pass_time(days=91)
    await make(accounts, bob)


async def test_use_is_noted_at_most_once_a_minute(
    accounts: Accounts, bob: User, db: Database, clock: ManualClock
) -> None:
    made = await make(accounts, bob)
    assert await last_used_us(db, made) is None
    await accounts.authenticate(made.text)
    first = await last_used_us(db, made)
    clock.pass_time(seconds=59)
    await accounts.authenticate(made.text)
    assert await last_used_us(db, made) == first
    clock.pass_time(seconds=2)
    await accounts.authenticate(made.text)
    assert await last_used_us(db, made) == clock.now().wall_us


async def test_memory_of_verified_tokens_is_bounded(
    db: Database, accounts: Accounts, bob: User, clock: ManualClock
) -> None:
    tokens = Tokens(db, clock)
    await _insert_many(db, bob, REMEMBERED + 10)
    for number in range(REMEMBERED + 10):
        await tokens._credential(f"{number:012}")
    assert len(tokens._remembered) == REMEMBERED


async def _insert_many(db: Database, user: User, count: int) -> None:
    async with db.transaction() as tx:
        await tx.execute(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)"
            " INSERT INTO token SELECT format('%012d', i), :user_id, 'api', 'x', 'read',"
            " zeroblob(32), 0, :expires_us, NULL FROM n",
            {"count": count, "user_id": user.id, "expires_us": 2**60},
        )


async def test_a_change_of_the_user_is_seen_at_the_next_request(
    accounts: Accounts, ada: User, bob: User
) -> None:
    made = await make(accounts, bob)
    assert (await accounts.authenticate(made.text)).role is Role.USER
    await accounts.update_user(bob.id, role=Role.ADMIN, disabled=None, password=None)
    assert (await accounts.authenticate(made.text)).role is Role.ADMIN


async def test_a_token_revoked_while_it_is_looked_up_is_not_remembered(
    accounts: Accounts, bob: User, db: Database, clock: ManualClock
) -> None:
    made = await make(accounts, bob)
    await accounts.authenticate(made.text)  # within a minute of another use
    slow = SlowReads(db)
    tokens = Tokens(slow, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tokens.authenticate, made.text)
        await anyio.wait_all_tasks_blocked()
        await tokens.revoke(bob.id, made.token.id)
        slow.let_go.set()
    with pytest.raises(NotAuthenticated):
        await tokens.authenticate(made.text)


async def test_a_use_that_cant_be_noted_is_a_use_all_the_same(
    accounts: Accounts, bob: User, db: Database, clock: ManualClock
) -> None:
    made = await make(accounts, bob)
    await db._writer.execute_fetchall("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(db._path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            assert (await accounts.authenticate(made.text)).user_id == bob.id
        assert await last_used_us(db, made) is None
    clock.pass_time(seconds=61)
    await accounts.authenticate(made.text)
    assert await last_used_us(db, made) == clock.now().wall_us


async def test_while_a_use_is_being_noted_nobody_else_waits_for_it(
    accounts: Accounts, bob: User, db: Database
) -> None:
    made = await make(accounts, bob)
    async with anyio.create_task_group() as tasks, db.transaction():
        tasks.start_soon(accounts.authenticate, made.text)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(1):
            assert (await accounts.authenticate(made.text)).user_id == bob.id
