"""The first run: from the one-time link to an owner with a running deployment."""

import pytest
from playwright.sync_api import Browser, expect

from tests.box import PASSWORD, Box
from tests.web.browser import OWNER, visit

pytestmark = pytest.mark.podman


def test_the_link_names_the_owner_and_leads_to_the_first_deployment(
    browser: Browser, box: Box
) -> None:
    link = box.cli("setup").stdout.strip()
    with visit(browser, box) as made:
        made.refusals = {422}
        page = made.page
        made.open(link)
        page.get_by_label("E-mail").fill("nobody")
        page.get_by_label("Password").fill("short")
        page.get_by_role("button", name="Create the owner").click()
        expect(page.get_by_text("Should be an e-mail address")).to_be_visible()
        page.get_by_label("E-mail").fill(OWNER)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create the owner").click()
        expect(page).to_have_url(f"{box.url}/ui/new")
        page.get_by_role("link", name="Welcome A small page").click()
        page.get_by_role("button", name="Deploy").click()
        expect(page.get_by_text("Running", exact=True)).to_be_visible()
        made.open(link)
        expect(page.get_by_role("heading", name="It is set up already")).to_be_visible()


def test_a_used_up_link_is_told(browser: Browser, box: Box) -> None:
    with visit(browser, box) as made:
        page = made.go("/ui/setup#code=guessed")
        page.get_by_role("link", name="Log in").click()
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
