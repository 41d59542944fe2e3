"""``user`` and ``token``."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.canned import Canned, Run

TOKEN = {
    "id": "tok_1",
    "name": "laptop",
    "scope": "write",
    "createdAt": "2024-01-15T10:30:00Z",
    "expiresAt": "2024-04-15T10:30:00Z",
    "lastUsedAt": None,
}
USER = {
    "id": "user_1",
    "email": "Ada@example.org",
    "role": "admin",
    "disabled": False,
    "createdAt": "2024-01-15T10:30:00Z",
}


@pytest.fixture(autouse=True)
def _some_of_each(canned: Canned) -> None:
    canned.answer("GET /users", {"users": [USER]})
    canned.answer("POST /users", {"user": USER})
    canned.answer("DELETE /users/user_1", {"success": True})
    canned.answer("GET /auth/tokens", {"tokens": [TOKEN]})
    canned.answer("POST /auth/tokens", {"token": "nn_1_s3cret", "apiToken": TOKEN})
    canned.answer("DELETE /auth/tokens/tok_1", {"success": True})


@pytest.mark.parametrize(("flags", "role"), [((), "user"), (("--admin",), "admin")])
def test_a_user_is_added_with_the_first_line_of_stdin(
    canned: Canned, run: Run, flags: tuple[str, ...], role: str
) -> None:
    stdin = " correct horse \nmore\n"
    ended = run("user", "add", "a@b.c", *flags, "--password-stdin", stdin=stdin)
    assert ended.out == "user_1 Ada@example.org is admin\n"
    body = json.loads(canned.only("POST /users").body)
    assert body == {"email": "a@b.c", "password": " correct horse ", "role": role}


def test_without_a_terminal_the_password_must_come_by_stdin(canned: Canned, run: Run) -> None:
    ended = run("user", "add", "a@b.c")
    assert ended.code == 2
    assert "--password-stdin" in ended.err
    assert not canned.asked


def test_users_are_listed(run: Run) -> None:
    assert run("user", "ls").out.splitlines()[1].split()[:3] == [
        "user_1",
        "Ada@example.org",
        "admin",
    ]
    assert json.loads(run("user", "ls", "--json").out) == [USER]


def test_a_user_is_removed_by_address_however_it_is_written(canned: Canned, run: Run) -> None:
    assert run("user", "rm", "ada@EXAMPLE.org").code == 0
    assert canned.count("DELETE /users/user_1") == 1
    assert run("user", "rm", "bob@example.org").code == 4


def test_a_new_token_stands_alone_on_stdout(canned: Canned, run: Run) -> None:
    ended = run("token", "create", "laptop", "--scope", "read", "--expires", "30d")
    assert (ended.out, ended.err) == ("nn_1_s3cret\n", "")
    body = json.loads(canned.only("POST /auth/tokens").body)
    left = datetime.fromisoformat(body.pop("expiresAt")) - datetime.now(UTC)
    assert timedelta(days=29) < left <= timedelta(days=30)
    assert body == {"name": "laptop", "scope": "read"}


def test_tokens_are_listed_and_never_told(run: Run) -> None:
    ended = run("token", "ls")
    assert ended.out.splitlines()[1].split()[:3] == ["tok_1", "laptop", "write"]
    assert json.loads(run("token", "ls", "--json").out) == [TOKEN]


@pytest.mark.parametrize("called", ["tok_1", "laptop"])
def test_a_token_is_revoked_by_id_or_name(canned: Canned, run: Run, called: str) -> None:
    assert run("token", "revoke", called).out == f"{called} is revoked\n"
    assert canned.count("DELETE /auth/tokens/tok_1") == 1


def test_a_token_that_is_not_there_ends_with_4(run: Run) -> None:
    assert run("token", "revoke", "phone").code == 4


def test_setup_prints_the_link_alone(canned: Canned, run: Run) -> None:
    canned.answer("POST /setup/link", {"link": "http://127.0.0.1:8080/ui/setup#code=abc"})
    assert run("setup").out == "http://127.0.0.1:8080/ui/setup#code=abc\n"
