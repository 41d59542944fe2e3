"""Tickets: good once, for half a minute, for one deployment."""

from appliance.auth.tickets import LIFE_S, OPEN_MAX, Tickets
from appliance.domain.permissions import Principal, Role, Scope
from tests.manual_clock import ManualClock

BOB = Principal("user_b", "bob@example.org", Role.USER, Scope.WRITE, "token_b")


def test_a_ticket_tells_who_asked_for_it_and_is_used_up(clock: ManualClock) -> None:
    tickets = Tickets(clock)
    text = tickets.issue(BOB, "dep_a")
    ticket = tickets.redeem(text, "dep_a")
    assert ticket is not None
    assert (ticket.user_id, ticket.token_id) == ("user_b", "token_b")
    assert tickets.redeem(text, "dep_a") is None


def test_a_ticket_shown_at_another_deployment_is_lost(clock: ManualClock) -> None:
    tickets = Tickets(clock)
    text = tickets.issue(BOB, "dep_a")
    assert tickets.redeem(text, "dep_b") is None
    assert tickets.redeem(text, "dep_a") is None


def test_a_ticket_lives_for_half_a_minute(clock: ManualClock) -> None:
    tickets = Tickets(clock)
    early, late = tickets.issue(BOB, "dep_a"), tickets.issue(BOB, "dep_a")
    clock.pass_time(seconds=LIFE_S - 1)
    assert tickets.redeem(early, "dep_a") is not None
    clock.pass_time(seconds=1)
    assert tickets.redeem(late, "dep_a") is None


def test_no_more_than_so_many_are_open_the_oldest_gives_way(clock: ManualClock) -> None:
    tickets = Tickets(clock)
    made = [tickets.issue(BOB, "dep_a") for _ in range(OPEN_MAX + 1)]
    assert tickets.redeem(made[0], "dep_a") is None
    assert tickets.redeem(made[1], "dep_a") is not None
