"""The audit log on the page: it says that there is more than it shows, and leads there."""

import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import expect

from tests.web.browser import Visit

pytestmark = pytest.mark.podman
ENTRIES = 60


def test_it_says_how_much_there_is_and_leads_on_and_back(ada: Visit) -> None:
    with ada.box.client(ada.box.token()) as http:
        for _ in range(ENTRIES):
            body = {"username": "robot", "password": "hush"}
            assert http.put("/registries/a.example", json=body).status_code == 200
        total = http.get("/audit").json()["pagination"]["total"]
    page = ada.go("/ui/settings/audit")
    expect(page.get_by_text(f"1–50 of {total}")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text(f"51–{total} of {total}")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(total - 50)
    assert page.url.endswith("?page=2")
    page.reload()
    expect(page.get_by_text(f"51–{total} of {total}")).to_be_visible()
    page.get_by_role("button", name="Previous").click()
    expect(page.get_by_text(f"1–50 of {total}")).to_be_visible()


def test_entries_that_were_cut_off_are_told(ada: Visit) -> None:
    page = ada.go("/ui/settings/audit")
    page.get_by_role("button", name="Check that it is whole").click()
    expect(page.get_by_text("each as it was written")).to_be_visible()
    ada.box.terminate()
    with closing(sqlite3.connect(ada.box.data / "appliance.db", isolation_level=None)) as db:
        db.execute("DROP TRIGGER audit_is_never_shortened")
        db.execute("DELETE FROM audit WHERE seq > 1")
    ada.box.start()
    ada.go("/ui/settings/audit")
    page.get_by_role("button", name="Check that it is whole").click()
    expect(page.get_by_text("Entry 2 is not as it was written")).to_be_visible()
    ada.complaints = [c for c in ada.complaints if "ERR_" not in c]
