"""The text of a token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.token_text import BASE62, SHAPE, new_token, token_id
from appliance.log import redact


def test_a_new_token_tells_its_id() -> None:
    made = new_token()
    assert made.text.startswith(f"nn_{made.id}_")
    assert token_id(made.text) == made.id
    assert SHAPE.fullmatch(made.text)


def test_no_two_are_alike() -> None:
    made = [new_token() for _ in range(100)]
    assert len({t.id for t in made}) == len({t.text for t in made}) == 100


def test_the_secret_has_178_bits() -> None:
    secret = new_token().text.rsplit("_", 1)[1]
    assert len(secret) == 36
    assert 62**30 > 2**178


def test_its_repr_keeps_the_secret() -> None:
    made = new_token()
    assert made.text not in repr(made)


def test_the_log_redacts_it() -> None:
    made = new_token()
    assert redact(f"token {made.text} came") == f"token nn_{made.id}_*** came"


@given(st.integers(min_value=0), st.sampled_from(BASE62))
def test_any_other_character_anywhere_in_the_secret_is_noticed(at: int, other: str) -> None:
    text = new_token().text
    at = 16 + at % 36
    changed = text[:at] + other + text[at + 1 :]
    assert (token_id(changed) is None) == (changed != text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nn_",
        "nn_4k2v9xq0m7ab",
        "nn_4k2v9xq0m7ab_short",
        "hvs.abc",
        "nn_4k2v9xq0m7ab_" + "0" * 36,
        "nn_ILOU00000000_" + "0" * 36,
        "x" * 100_000,
    ],
)
def test_what_is_none_has_no_id(text: str) -> None:
    assert token_id(text) is None


def test_blanks_and_line_breaks_around_it_make_it_none() -> None:
    text = new_token().text
    assert [token_id(t) for t in (f" {text}", f"{text} ", f"{text}\n")] == [None] * 3
