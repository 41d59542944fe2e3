"""Anybody can use it: with a screen reader, by keyboard alone, on a phone, in the dark."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.box import Api, Box
from tests.web.browser import PHONE, Visit, visit
from tests.web.screenshots import fill, places, settle

pytestmark = pytest.mark.podman
AXE = Path(sys.prefix) / "page/node_modules/axe-core/axe.min.js"
SERIOUS = ("serious", "critical")
FINDINGS = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ['violations'] });
  return violations.map(({ id, impact, help, nodes }) =>
    ({ id, impact, help, nodes: nodes.slice(0, 3).map((node) => node.html) }));
}"""
WIDER = """() => [...document.querySelectorAll('body *')]
  .filter((e) => !e.closest('.log, .nav, .tabs, .command, .xterm') && e.checkVisibility())
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => e.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def pages(owned: Box) -> Iterator[dict[str, str]]:
    """Every page by a name, of an appliance with deployments in every state."""
    with owned.client(owned.token()) as http:
        yield places(fill(Api(owned, http)))


def findings(page: Page) -> list[dict[str, Any]]:
    """What axe-core finds serious on the page (WCAG 2.2 A and AA among them)."""
    found: list[dict[str, Any]] = page.evaluate(FINDINGS)
    return [finding for finding in found if finding["impact"] in SERIOUS]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(
    browser: Browser, owned: Box, pages: dict[str, str], scheme: Literal["light", "dark"]
) -> None:
    assert AXE.is_file(), "axe-core is missing: packaging/test.sh brings it"
    found: dict[str, Any] = {}
    with visit(browser, owned, color_scheme=scheme) as made:
        made.refusals = {404}
        made.context.add_init_script(path=AXE)
        page = made.go("/ui/login")
        page.get_by_label("E-mail").wait_for()
        found["login"] = findings(page)
        made.log_in()
        for name, path in pages.items():
            settle(made.go(path))
            found[name] = findings(page)
    serious = {name: items for name, items in found.items() if items}
    assert not serious, json.dumps(serious, indent=1)


DIALOGS = (
    ("/ui/account", "New token"),
    ("/ui/settings/users", "New user"),
    ("/ui/settings/registries", "Add registry"),
    ("/ui/new/image", "Paste .env"),
    ("{welcome}", "Delete"),
)
"""Where a button opens one."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_a_dialog_and_it_gives_the_focus_back(
    browser: Browser, owned: Box, pages: dict[str, str], scheme: Literal["light", "dark"]
) -> None:
    welcome = pages["configuration"]
    with visit(browser, owned, color_scheme=scheme) as made:
        made.context.add_init_script(path=AXE)
        made.log_in()
        for path, opener in DIALOGS:
            page = made.go(path.format(welcome=welcome))
            settle(page)
            button = page.get_by_role("button", name=opener).first
            button.focus()
            page.keyboard.press("Enter")
            dialog = page.get_by_role("dialog")
            expect(dialog).to_be_visible()
            assert findings(page) == [], opener
            for _ in range(12):
                page.keyboard.press("Tab")
                inside = "!document.activeElement.closest('main')"
                assert page.evaluate(inside), f"Tab leads out of {opener}"
            page.keyboard.press("Escape")
            expect(dialog).to_be_hidden()
            expect(button).to_be_focused()


def test_no_page_is_wider_than_a_phone(browser: Browser, owned: Box, pages: dict[str, str]) -> None:
    with visit(browser, owned, viewport=PHONE, has_touch=True, is_mobile=True) as made:
        made.refusals = {404}
        page = made.log_in()
        for name, path in pages.items():
            settle(made.go(path))
            assert page.evaluate(WIDER) == [], name


def test_a_deployment_is_made_and_deleted_by_keyboard_alone(ada: Visit) -> None:
    page = ada.page
    expect(page.get_by_role("heading", name="Deployments", exact=True)).to_be_visible()
    reach(page, "New deployment")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Find a template")).to_be_visible()
    reach(page, "Find a template")
    page.keyboard.type("welcome a small")
    reach(page, "Welcome A small")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name").first).to_be_focused()
    page.keyboard.type("by-keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="by-keyboard")).to_be_visible()
    expect(page.get_by_text("Running", exact=True)).to_be_visible()
    reach(page, "Delete")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    reach(page, "Delete deployment")
    page.keyboard.press("Enter")
    expect(page.get_by_text("by-keyboard is deleted")).to_be_visible()


def test_a_deployment_is_changed_and_read_by_keyboard_alone(ada: Visit) -> None:
    with ada.box.client(ada.box.token()) as http:
        api = Api(ada.box, http)
        made = api.create(name="changed-by-keyboard", env={"GREETING": "before"})
        api.until(made["id"], "running")
        page = ada.go()
        reach(page, "changed-by-keyboard")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Listening on port 8080.")).to_be_visible()
        reach(page, "Change")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Change changed-by-keyboard")).to_be_visible()
        reach(page, "Value")
        page.keyboard.press("Control+A")
        page.keyboard.type("after")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="changed-by-keyboard", exact=True)).to_be_visible()
        reach(page, "Configuration")
        page.keyboard.press("Enter")
        expect(page.get_by_text("after", exact=True)).to_be_visible()
        assert api.get(made["id"])["env"] == {"GREETING": "after"}


def reach(page: Page, name: str) -> None:
    """Presses Tab until what begins with ``name`` has the focus, which has to be seen."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED).startswith(name):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", name
            return
    pytest.fail(f"no {name} within 60 Tabs")


FOCUSED = """() => {
  const e = document.activeElement;
  return (e.getAttribute('aria-label') ?? e.innerText ?? '').replace(/\\s+/g, ' ').trim();
}"""


def test_motion_is_short_and_there_is_none_where_none_is_wanted(
    browser: Browser, owned: Box
) -> None:
    with visit(browser, owned) as made:
        longest = max(made.log_in().evaluate(DURATIONS))
        assert 0 < longest <= 0.15
    with visit(browser, owned, reduced_motion="reduce") as made:
        assert max(made.log_in().evaluate(DURATIONS)) == 0


DURATIONS = """[...document.querySelectorAll('*')]
  .map((e) => parseFloat(getComputedStyle(e).transitionDuration))"""


def test_without_scripts_the_page_says_what_else_there_is(browser: Browser, owned: Box) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{owned.url}/ui/")
    told = page.locator(".noscript")
    expect(told).to_be_visible()
    expect(told).to_contain_text("This page needs JavaScript")
    expect(told.locator("a")).to_have_attribute("href", "/openapi.json")
    context.close()
