"""The page as people use it: a real appliance with an owner, a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.box import PASSWORD, Box
from tests.web.browser import OWNER, Visit, chromium, visit


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def owned(box: Box) -> Box:
    """An appliance with an admin."""
    made = box.cli("user", "add", OWNER, "--admin", "--password-stdin", stdin=PASSWORD)
    assert made.returncode == 0, made.stderr
    return box


@pytest.fixture
def ada(browser: Browser, owned: Box) -> Iterator[Visit]:
    """The owner, logged in."""
    with visit(browser, owned) as made:
        made.log_in()
        yield made
