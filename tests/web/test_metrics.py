"""What a deployment used and was asked for, as charts."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.box import Api
from tests.web.browser import Visit

pytestmark = pytest.mark.podman


def chart(page: Page, title: str) -> Locator:
    return page.get_by_role("figure").filter(has=page.get_by_role("heading", name=title))


def test_requests_stand_beside_cpu_memory_and_network(ada: Visit) -> None:
    with ada.box.client(ada.box.token()) as http:
        made = Api(ada.box, http).create()
    page = ada.go(f"/ui/deployments/{made['id']}/metrics")
    expect(page.get_by_text("Running", exact=True)).to_be_visible()
    expect(chart(page, "Memory")).to_contain_text("MiB")
    address = page.get_by_role("definition").get_by_role("link").first.get_attribute("href")
    assert address is not None
    for _ in range(150):
        ada.box.visit(address)
    requests = chart(page, "Requests")
    latest = re.compile(r"all [1-9][0-9.]*/s\s+·\s+failed 0/s")
    expect(requests).to_contain_text(latest)
    expect(requests.locator(".chart-line")).to_have_count(2)
    for title in ("CPU", "Network"):
        expect(chart(page, title).locator(".chart-line").first).to_be_attached()
