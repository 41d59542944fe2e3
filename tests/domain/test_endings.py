"""What a program said last, fit for a status: untrusted text, made harmless."""

import pytest

from appliance.domain.endings import MASK, WORDS_LENGTH, fit_words, never_began
from appliance.domain.observed import ContainerState
from tests.domain.test_plan import a_container


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
