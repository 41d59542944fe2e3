"""The house rules that no linter knows: sizes, error classes with a status, nothing forgotten."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.api.problems import status_of
from appliance.domain.errors import (
    ApplianceError,
    ImageFailure,
    InvalidRequest,
    NoCommand,
    RateLimited,
)
from appliance.engine.catalogue import PACKAGED_TEMPLATES, Catalogue

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "appliance").rglob("*.py"))
ALL_FILES = [*FILES, *sorted((ROOT / "tests").rglob("*.py"))]
MOST_FILE_LINES = 400
MOST_LINES, NINE_IN_TEN, MEDIAN = 60, 25, 9


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and lines of each function: its statements, without decorators and docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            yield f"{named(path)}:{node.name}", (node.end_lineno or 0) - first.lineno + 2


LENGTHS = dict(entry for path in FILES for entry in functions(path))


@pytest.mark.parametrize("path", ALL_FILES, ids=named)
def test_a_file_is_read_at_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_FILE_LINES


def test_functions_are_short() -> None:
    assert {name: lines for name, lines in LENGTHS.items() if lines > MOST_LINES} == {}
    assert statistics.median(LENGTHS.values()) <= MEDIAN
    assert statistics.quantiles(LENGTHS.values(), n=10)[-1] <= NINE_IN_TEN


def tree(root: type[ApplianceError] = ApplianceError) -> Iterator[type[ApplianceError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def an_error(kind: type[ApplianceError]) -> ApplianceError:
    if issubclass(kind, ImageFailure):
        return kind("pull_failed", "x")
    if issubclass(kind, RateLimited):
        return kind("x", retry_after_s=1)
    return kind() if issubclass(kind, InvalidRequest | NoCommand) else kind("x")


NAMED = sorted(set(tree()) - {ApplianceError}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", NAMED)
def test_an_error_that_has_a_name_is_no_defect(kind: type[ApplianceError]) -> None:
    assert 400 <= status_of(an_error(kind)) < 600
    assert status_of(an_error(kind)) != 500


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in NAMED if kind is not ImageFailure]  # that one has one a case
    assert len(codes) == len(set(codes))


def test_every_error_stands_in_the_tree_that_its_module_draws() -> None:
    drawn = (ROOT / "appliance/domain/errors.py").read_text().partition('"""\n\n')[0]
    home = [kind for kind in tree() if kind.__module__ == "appliance.domain.errors"]
    assert [kind.__name__ for kind in home if kind.__name__ not in drawn] == []


def test_every_packaged_template_is_sound() -> None:
    catalogue = Catalogue.load(PACKAGED_TEMPLATES, None)
    assert catalogue.problems == ()
    assert len(catalogue.all()) == len(list(PACKAGED_TEMPLATES.iterdir())) >= 16
