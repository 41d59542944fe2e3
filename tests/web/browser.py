"""A real browser on the real page: Debian's Chromium, and what every visit has to keep to."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.box import PASSWORD, Box
from tests.native import shared_library
from tests.waiting import PATIENCE_S

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
TABLET: ViewportSize = {"width": 1024, "height": 768}
PHONE: ViewportSize = {"width": 390, "height": 844}
OWNER = "ada@example.org"
PATIENCE_MS = PATIENCE_S * 1000

VIOLATIONS = """
window.violations = [];
addEventListener('securitypolicyviolation',
  (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`));
"""


def environ(**more: str) -> dict[str, str]:
    """For a Chromium that does not hear of the machine's network interfaces.

    It breaks off what is under way (``net::ERR_NETWORK_CHANGED``) when one comes or goes, as it
    does with every container, those of other tests too.
    """
    return {**os.environ, "LD_PRELOAD": str(shared_library("deaf.c", "deaf.so")), **more}


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that speaks to loopback alone."""
    path = shutil.which("chromium-headless-shell")
    assert path, "chromium-headless-shell is not installed: packaging/test.sh brings it"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=list(ARGUMENTS), env={**environ()}
        )
        yield browser
        browser.close()


@dataclass
class Visit:
    """Somebody at the page, and what their browser complained of."""

    box: Box
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    refusals: set[int] = field(default_factory=set)
    """The statuses that this visit is there to see refused; the browser logs every such answer."""

    def go(self, path: str = "/ui/") -> Page:
        """Opens a place, and all of it."""
        return self.open(self.box.url + path)

    def open(self, url: str) -> Page:
        """Opens an address, as ``go``."""
        return opened(self.page, url)

    def log_in(self) -> Page:
        page = self.go("/ui/login")
        page.get_by_label("E-mail").fill(OWNER)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Deployments", exact=True).wait_for()
        return page

    def check(self) -> None:
        """Nothing was complained of: no error, no refused request, no breach of the policy."""
        violations = self.page.evaluate("window.violations ?? []")
        told = [f"status of {status} " for status in self.refusals]
        others = [c for c in self.complaints if not any(t in c for t in told)]
        complaints = "\n".join([*others, *violations])
        assert not complaints, complaints


def opened(page: Page, url: str) -> Page:
    """The page at an address, once nothing of it is loading any more."""
    page.goto(url)
    page.locator("#app > *").first.wait_for()
    expect(page.locator(".loading")).to_have_count(0)
    return page


@contextmanager
def visit(browser: Browser, box: Box, **options: Any) -> Iterator[Visit]:
    """A fresh visit: no storage, no cache; checked at its end."""
    context = browser.new_context(**{"viewport": DESKTOP, "color_scheme": "light", **options})
    context.add_init_script(VIOLATIONS)
    context.set_default_timeout(PATIENCE_MS)
    made = Visit(box, context, context.new_page())
    made.page.on("console", lambda message: _note(made, message))
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    try:
        yield made
        made.check()
    finally:
        context.close()


def _note(made: Visit, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        made.complaints.append(f"{message.text} {message.location}")
