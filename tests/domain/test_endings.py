"""What a program said last, fit for a status: untrusted text, made harmless."""

from datetime import datetime, timedelta

import pytest

from appliance.domain.endings import MASK, WORDS_LENGTH, fit_words, never_began, said_since
from appliance.domain.observed import ContainerState
from tests.domain.test_plan import NOW, WALL, a_container, a_row


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no such file", "no such file"),
        ("  a\tb  ", "a b"),
        ("\x1b[1;31mError:\x1b[0m no\x07 entry\x85", "Error: no entry"),
        ("␛[31mno entry␛[0m", "no entry"),
        ("turned \u202earound", "turned around"),
        ("\x1b[0m \x00", None),
        ("", None),
    ],
)
def test_only_what_is_printable_is_left(said: str, shown: str | None) -> None:
    assert fit_words(said, ()) == shown


def test_a_long_line_is_cut_and_shows_it() -> None:
    assert fit_words("x" * 999, ()) == "x" * (WORDS_LENGTH - 1) + "…"
    assert fit_words("x" * WORDS_LENGTH, ()) == "x" * WORDS_LENGTH


@pytest.mark.parametrize(
    ("said", "secrets"),
    [
        ("key hunter2!", ("hunter2",)),
        ("key hunter2!", ("hunter", "hunter2")),
        ("key hunt\x00er2!", ("hunter2",)),
        ("key hunter2!", ("begin\nhunter2\nend\n",)),
        ("key hunter2!", ("", "hunter2 ")),
    ],
)
def test_a_secret_is_masked(said: str, secrets: tuple[str, ...]) -> None:
    assert fit_words(said, secrets) == f"key {MASK}!"


CREATED, STARTED = WALL - timedelta(seconds=60), WALL - timedelta(seconds=5)


@pytest.mark.parametrize(
    ("handled_run_us", "seconds_ago", "boot_id", "since"),
    [
        (None, 0, "boot", CREATED),  # its first run: Podman's time of the start may be too late
        (1, 6, "boot", WALL - timedelta(seconds=6)),  # the run before ended then
        (1, 0, "boot", STARTED),  # it was called running since
        (1, 9999, "boot", CREATED),  # that was another container
        (1, 0, "another boot", STARTED),
    ],
)
def test_a_runs_words_begin_where_those_of_the_run_before_can_not_be(
    handled_run_us: int | None, seconds_ago: int, boot_id: str, since: datetime
) -> None:
    since_boot_us = NOW.boot_us - seconds_ago * 1_000_000
    d = a_row(handled_run_us=handled_run_us, since_boot_us=since_boot_us, boot_id=boot_id)
    c = a_container(ContainerState.EXITED, created_at=CREATED, started_at=STARTED)
    assert said_since(d, c, NOW) == since


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (
            "ERROR (catatonit:2): failed to exec pid1: No such file or directory",
            "command_not_found",
        ),
        ("ERROR (catatonit:6): failed to exec pid1: Exec format error", "command_not_executable"),
        ("my ERROR (catatonit:6): failed to exec pid1: Permission denied", None),
        (None, None),
    ],
)
def test_what_podmans_init_says_of_a_command_that_it_could_not_start(
    said: str | None, code: str | None
) -> None:
    c = a_container(ContainerState.EXITED, last_words=said, exit_code=1)
    why = never_began(c)
    assert (None if why is None else why.code) == code


def test_a_secret_at_the_cut_is_not_told_in_part() -> None:
    shown = fit_words("x" * (WORDS_LENGTH - 4) + "hunter2", ("hunter2",))
    assert shown is not None
    assert "h" not in shown
