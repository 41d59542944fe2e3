"""Passwords: argon2id, a few at a time, and nobody can tell who exists."""

import time

import anyio
import pytest
from argon2 import PasswordHasher, extract_parameters

from appliance.auth.passwords import AT_ONCE, WAITING_MAX, Passwords, check_new_password
from appliance.domain.errors import InvalidRequest, RateLimited

SECRET = "correct horse battery"


@pytest.fixture
def passwords() -> Passwords:
    return Passwords()


@pytest.mark.anyio
async def test_the_right_password_is_right_and_another_is_not(passwords: Passwords) -> None:
    known = await passwords.hash(SECRET)
    assert await passwords.verify(known, SECRET)
    assert not await passwords.verify(known, SECRET + " ")


@pytest.mark.anyio
async def test_it_is_argon2id_as_asvs_asks_and_salted(passwords: Passwords) -> None:
    first, second = await passwords.hash(SECRET), await passwords.hash(SECRET)
    found = extract_parameters(first)
    assert first.startswith("$argon2id$")
    assert (found.time_cost, found.memory_cost, found.parallelism) == (2, 19_456, 1)
    assert first != second


@pytest.mark.anyio
@pytest.mark.parametrize("known", ["", "not a hash", "$argon2id$v=19$m=1"])
async def test_a_damaged_hash_matches_nothing(passwords: Passwords, known: str) -> None:
    assert not await passwords.verify(known, SECRET)


@pytest.mark.anyio
async def test_nobody_is_never_right_and_takes_as_long(passwords: Passwords) -> None:
    known = await passwords.hash(SECRET)

    async def seconds(against: str | None) -> float:
        took = []
        for _ in range(7):
            began = time.process_time()  # what was computed, whoever else uses this machine
            assert not await passwords.verify(against, "wrong password")
            took.append(time.process_time() - began)
        return min(took)

    somebody, nobody = await seconds(known), await seconds(None)
    assert 0.5 < nobody / somebody < 2


@pytest.mark.anyio
async def test_only_a_bounded_number_may_wait(passwords: Passwords) -> None:
    known = await passwords.hash(SECRET)
    refused = []

    async def verify() -> None:
        try:
            assert await passwords.verify(known, SECRET)
        except RateLimited as error:
            refused.append(error.retry_after_s)

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE + WAITING_MAX + 5):
            tasks.start_soon(verify)
    assert refused == [1] * 5
    assert await passwords.verify(known, SECRET)


def test_a_hash_of_weaker_parameters_is_outdated(passwords: Passwords) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(SECRET)
    assert passwords.outdated(weak)


@pytest.mark.anyio
async def test_a_fresh_hash_is_not_outdated(passwords: Passwords) -> None:
    assert not passwords.outdated(await passwords.hash(SECRET))


@pytest.mark.parametrize("password", ["x" * 8, "x" * 512, "pässwör", " " * 8])
def test_eight_to_512_bytes_may_be_a_password(password: str) -> None:
    check_new_password(password)


@pytest.mark.parametrize("password", ["", "x" * 7, "x" * 513, "ä" * 257])
def test_less_or_more_may_not(password: str) -> None:
    with pytest.raises(InvalidRequest, match="8 to 512 bytes"):
        check_new_password(password)
