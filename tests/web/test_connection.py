"""The appliance goes away and comes back; a session ends: nobody loses their place."""

import pytest
from playwright.sync_api import Browser, expect

from tests.box import PASSWORD, Box
from tests.web.browser import OWNER, opened, visit

pytestmark = pytest.mark.podman


def test_a_lost_connection_shows_retries_and_catches_up(browser: Browser, owned: Box) -> None:
    with visit(browser, owned) as made:
        page = made.log_in()
        owned.terminate()
        lost = page.get_by_text("The connection to the appliance is lost.")
        expect(lost).to_be_visible()
        page.get_by_role("button", name="Try now").click()
        owned.start()
        with owned.client(owned.token()) as http:
            node = http.get("/nodes").json()["nodes"][0]["id"]
            body = {"nodeId": node, "templateId": "welcome", "name": "made-meanwhile"}
            http.post("/deployments", json=body)
        expect(page.get_by_role("link", name="made-meanwhile")).to_be_visible()
        expect(lost).to_be_hidden()
        made.complaints = [c for c in made.complaints if "ERR_" not in c]


def test_the_end_of_a_session_leads_to_log_in_and_back(browser: Browser, owned: Box) -> None:
    with visit(browser, owned) as made:
        made.refusals = {401}
        page = made.log_in()
        place = f"{owned.url}/ui/?status=running&q=wel"
        made.open(place)
        expect(page.get_by_label("Find")).to_have_value("wel")
        token = page.evaluate("JSON.parse(localStorage['neuranet.session']).token")
        with owned.client(token) as http:
            http.post("/auth/logout")
        # The stream of changes ends with the token: the page need not be touched.
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        page.get_by_label("E-mail").fill(OWNER)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(place)
        expect(page.get_by_label("Find")).to_have_value("wel")


def test_logging_out_in_one_tab_logs_out_the_other(browser: Browser, owned: Box) -> None:
    with visit(browser, owned) as made:
        made.log_in()
        other = opened(made.context.new_page(), f"{owned.url}/ui/account")
        made.page.get_by_role("button", name="Log out").click()
        expect(other.get_by_role("heading", name="Log in")).to_be_visible()


def test_log_in_leads_to_no_other_site(browser: Browser, owned: Box) -> None:
    with visit(browser, owned) as made:
        page = made.go("/ui/login?next=//evil.example/ui/")
        page.get_by_label("E-mail").fill(OWNER)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Deployments", exact=True)).to_be_visible()
        assert page.url == f"{owned.url}/ui/"
