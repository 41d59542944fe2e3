"""What the README says is so: every setting, error code and route stands in it."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from appliance.api.routes import CONTROL_ROUTES, Route
from appliance.cli.exits import ExitCode
from appliance.config import Settings
from appliance.domain.errors import ApplianceError, ImageFailure

README = (Path(__file__).parent.parent / "README.md").read_text()


def _codes(root: type[ApplianceError]) -> Iterator[str]:
    yield root.code
    for child in root.__subclasses__():
        yield from _codes(child)


@pytest.mark.parametrize("name", [f"APPLIANCE_{f.name.upper()}" for f in fields(Settings)])
def test_every_setting_stands_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("code", sorted({*_codes(ApplianceError), *ImageFailure.RETRYABLE}))
def test_every_error_code_stands_in_the_readme(code: str) -> None:
    assert f"`{code}`" in README


@pytest.mark.parametrize("route", CONTROL_ROUTES, ids=str)
def test_every_route_stands_in_the_readme(route: Route) -> None:
    assert f"`{route}`" in README


def test_every_exit_code_stands_in_the_readme() -> None:
    [told] = re.findall(r"^Exit codes: ([^.]+)\.", README, re.MULTILINE)
    assert [int(code) for code in re.findall(r"\d+", told)] == list(ExitCode)
