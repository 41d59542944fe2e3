"""Every statement of the store against its schema: it parses, and none reads a table through."""

import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module

import pytest

from appliance import store
from appliance.store.migrate import migrations

VERB = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
THROUGH = re.compile(r"SCAN (?!.*INDEX|json_each|CONSTANT|\d+ CONSTANT)(\w+)")
SMALL = {"tally", "node", "gpu_hold", "gpu_line", "sqlite_sequence"}
"""One row an owner and status, one row, one a GPU in use, one a deployment in line for GPUs, one a
table that counts: to read them through is to find the row."""

SELDOM = {
    "users.SELECT_ALL", "users.COUNT_ADMINS", "users.COUNT_OTHER_ADMINS",  # users are few
    "users.SELECT_UNBURIED", "users.REASSIGN_BURIED",  # once a deleted user
    "events.PRUNE", "idempotency.PRUNE", "provisions.PRUNE",  # once an hour
    "migrate.SELECT_OBJECTS", "raw_ports.SELECT_ALL",  # once a start
    "backup.SELECT_OBJECTS",  # once a restore
}  # fmt: skip
"""Statements that may read a table through, for how seldom they run."""


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for part in value.values() for text in _texts(part))
    elif isinstance(value, str) and VERB.match(value):
        yield value


def _statements() -> Iterator[tuple[str, str]]:
    for module in pkgutil.iter_modules(store.__path__):
        if not module.ispkg:
            for name, value in vars(import_module(f"appliance.store.{module.name}")).items():
                if name.isupper():
                    yield from ((f"{module.name}.{name}", text) for text in _texts(value))


STATEMENTS = sorted(set(_statements()))


def _plan(sql: str) -> list[str]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for migration in migrations():
            connection.executescript(migration)
        parameters = dict.fromkeys(re.findall(r":(\w+)", sql))
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
        return [str(row[3]) for row in rows]


def test_the_statements_are_found() -> None:
    assert len(STATEMENTS) > 40
    assert {name for name, _ in STATEMENTS} >= SELDOM


@pytest.mark.parametrize(("name", "sql"), STATEMENTS, ids=[name for name, _ in STATEMENTS])
def test_a_statement_parses_and_finds_its_rows_by_an_index(name: str, sql: str) -> None:
    through = {match[1] for line in _plan(sql) if (match := THROUGH.search(line))} - SMALL
    assert name in SELDOM or not through, _plan(sql)


@pytest.mark.parametrize("sql", [s for n, s in STATEMENTS if n == "pages.SELECT_PAGE"])
def test_a_page_is_found_in_the_order_of_its_index(sql: str) -> None:
    head, found, then, *_ = lines = _plan(sql)  # what is sorted later is the page
    assert (head[:10], then[:10]) == ("CO-ROUTINE", "SCAN (subq"), lines
    by_it_alone = "" if "d.shown" in sql else "COVERING "
    assert f"USING {by_it_alone}INDEX deployment_" in found, lines


@pytest.mark.parametrize("name", sorted(SELDOM))
def test_an_exception_is_one(name: str) -> None:
    plans = [line for known, sql in STATEMENTS if known == name for line in _plan(sql)]
    assert any(THROUGH.search(line) for line in plans), plans
