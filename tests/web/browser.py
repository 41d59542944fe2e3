"""A real browser on the real page: Debian's Chromium, and what every visit has to keep to."""

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
TRIES = 3
UNSETTLED = "net::ERR_NETWORK_CHANGED"
"""Chromium breaks off what is under way when an interface of the machine comes or goes, as it does
with every container, those of other tests too."""

VIOLATIONS = """
window.violations = [];
addEventListener('securitypolicyviolation',
  (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`));
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that speaks to loopback alone."""
    path = shutil.which("chromium-headless-shell")
    assert path, "chromium-headless-shell is not installed: packaging/test.sh brings it"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
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
        """Opens a place; again if the browser broke off loading it (see ``UNSETTLED``)."""
        return self.open(self.box.url + path)

    def open(self, url: str) -> Page:
        """Opens an address, as ``go``."""
        return opened(self.page, url)

    def log_in(self, email: str = OWNER, password: str = PASSWORD) -> Page:
        page = self.go("/ui/login")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(password)
        arrived = page.get_by_role("heading", name="Deployments", exact=True)
        # Not what is still there of the try before, while the next is under way.
        told = page.locator("form:has([type=submit]:enabled) .field-error:visible")
        broken_off = told.or_(page.locator(".notice.bad")).first
        for _ in range(TRIES):
            page.get_by_role("button", name="Log in").click()
            arrived.or_(broken_off).first.wait_for()
            if page.get_by_label("Password").count() == 0:
                break
        return page if arrived.is_visible() else self.go()

    def check(self) -> None:
        """Nothing was complained of: no error, no refused request, no breach of the policy."""
        violations = self.page.evaluate("window.violations ?? []")
        told = [f"status of {status} " for status in self.refusals]
        others = [c for c in self.complaints if not any(t in c for t in told)]
        complaints = "\n".join([*others, *violations])
        assert not complaints, complaints


def opened(page: Page, url: str) -> Page:
    """The page at an address; loaded again if the browser broke that off (see ``UNSETTLED``)."""
    page.goto(url)
    for _ in range(TRIES):
        if _is_whole(page):
            break
        page.reload()
    return page


def _is_whole(page: Page) -> bool:
    if page.locator("#app > *").count() == 0:
        return False
    expect(page.locator(".loading")).to_have_count(0)
    return page.get_by_text("could not be loaded").count() == 0


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
    if message.type in ("error", "warning") and UNSETTLED not in message.text:
        made.complaints.append(f"{message.text} {message.location}")
