"""A private deployment opens from the page by one click; its token is there for programs."""

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.box import Api, Box
from tests.web.browser import visit

pytestmark = pytest.mark.podman


def test_a_click_signs_in_and_the_token_lets_programs_in(browser: Browser, owned: Box) -> None:
    with owned.client(owned.token()) as http:
        api = Api(owned, http)
        made = api.create(access="private")
        api.until(made["id"], "running")
        token = http.get(f"/deployments/{made['id']}/access").json()["access"]["token"]
    with visit(browser, owned, ignore_https_errors=True) as made_visit:
        made_visit.log_in()
        page = made_visit.go(f"/ui/deployments/{made['id']}/configuration")
        with page.expect_popup() as opened:
            page.get_by_role("definition").get_by_role("link").first.click()
        expect(opened.value.get_by_role("heading", name="It works")).to_be_visible()
        assert "ticket" not in opened.value.url
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_text(token)).to_be_visible()
    assert httpx.get(owned.url + "/ui/").headers.get("set-cookie") is None
