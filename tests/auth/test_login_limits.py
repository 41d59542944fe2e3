"""How often one may try to log in."""

import pytest

from appliance.auth.limits import KEYS_MAX, Limit, LoginLimits, Rate, site
from appliance.domain.errors import RateLimited
from tests.manual_clock import ManualClock

EMAIL = "ada@example.org"
HOME = "192.0.2.7"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def limits(clock: ManualClock) -> LoginLimits:
    return LoginLimits(clock)


def tries_until_refused(limits: LoginLimits, email: str = EMAIL) -> int:
    for count in range(100):
        try:
            limits.take(email, HOME)
        except RateLimited:
            return count
    return 100


def test_an_account_from_one_address_has_five_tries(limits: LoginLimits) -> None:
    assert tries_until_refused(limits) == 5


def test_the_case_of_the_email_makes_no_other_account(limits: LoginLimits) -> None:
    tries_until_refused(limits)
    assert tries_until_refused(limits, EMAIL.upper()) == 0


def test_the_owner_gets_in_from_elsewhere_meanwhile(
    limits: LoginLimits, clock: ManualClock
) -> None:
    tries_until_refused(limits)
    clock.pass_time(seconds=1)
    limits.take(EMAIL, "192.0.2.8")


def test_waiting_as_long_as_told_helps(limits: LoginLimits, clock: ManualClock) -> None:
    tries_until_refused(limits)
    with pytest.raises(RateLimited) as refused:
        limits.take(EMAIL, HOME)
    assert 1 <= refused.value.retry_after_s <= 12
    clock.pass_time(seconds=refused.value.retry_after_s)
    limits.take(EMAIL, HOME)


def test_nobody_is_locked_out_by_a_stranger_who_goes_on_guessing(
    limits: LoginLimits, clock: ManualClock
) -> None:
    for _ in range(500):
        tries_until_refused(limits)
    clock.pass_time(seconds=12)
    limits.take(EMAIL, HOME)


def test_an_address_has_thirty_tries_over_all_accounts_then_one_every_two_seconds(
    limits: LoginLimits, clock: ManualClock
) -> None:
    def tries() -> int:
        for count in range(100):
            try:
                limits.take(f"user{count}@example.org", HOME)
            except RateLimited:
                return count
            clock.pass_time(milliseconds=100)  # all together have ten a second
        return 100

    assert 30 <= tries() <= 32
    clock.pass_time(seconds=2)
    assert tries() == 1


def test_all_together_have_ten_a_second(limits: LoginLimits, clock: ManualClock) -> None:
    for number in range(10):
        limits.take(EMAIL, f"192.0.2.{number}")
    with pytest.raises(RateLimited) as refused:
        limits.take(EMAIL, "192.0.2.99")
    assert refused.value.retry_after_s == 1
    clock.pass_time(seconds=1)
    limits.take(EMAIL, "192.0.2.98")


def test_who_is_over_the_limit_takes_nothing_from_the_others(limits: LoginLimits) -> None:
    tries_until_refused(limits)
    for _ in range(100):
        with pytest.raises(RateLimited):
            limits.take(EMAIL, HOME)
    limits.take("bob@example.org", "192.0.2.8")


def test_a_success_gives_the_tries_back(limits: LoginLimits, clock: ManualClock) -> None:
    for _ in range(20):
        limits.take(EMAIL, HOME)
        limits.succeeded(EMAIL, HOME)
        clock.pass_time(seconds=2)


def test_memory_is_bounded_however_many_knock(clock: ManualClock) -> None:
    limit = Limit(Rate(burst=5, period_s=60), clock)
    for number in range(KEYS_MAX + 100):
        limit.take(str(number))
    assert len(limit._full_at_us) == KEYS_MAX
    clock.pass_time(minutes=2)
    limit.take("after a pause")
    assert len(limit._full_at_us) == 1


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "local"),
        ("", "local"),
        ("not an address", "local"),
    ],
)
def test_a_household_is_one_place(address: str | None, place: str) -> None:
    assert site(address) == place
