"""How much the first visit loads, and how the list does with a thousand deployments."""

import sqlite3
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Response, expect

from tests.box import Api, Box
from tests.web.browser import visit

pytestmark = pytest.mark.podman
FIRST_LOAD_BYTES = 150 * 1024
MANY = 1000


@pytest.fixture(scope="module")
def api(owned: Box) -> Iterator[Api]:
    with owned.client(owned.token()) as http:
        yield Api(owned, http)


def test_the_first_visit_loads_at_most_150_kib(browser: Browser, owned: Box) -> None:
    with visit(browser, owned) as made:
        loaded: list[Response] = []
        made.page.on("response", lambda response: loaded.append(response))  # noqa: PLW0108 - a builtin takes no marks
        made.log_in()
        expect(made.page.get_by_role("heading", name="No deployments yet")).to_be_visible()
        files = [r for r in loaded if "/ui/" in r.url and r.status == 200]
        sizes = [r.request.sizes() for r in files]
        total = sum(s["responseBodySize"] + s["responseHeadersSize"] for s in sizes)
        print(f"first visit: {len(files)} files, {total / 1024:.0f} KiB with their headers")
        assert 0 < total <= FIRST_LOAD_BYTES


@pytest.mark.bench
def test_how_long_until_the_list_can_be_used(browser: Browser, owned: Box) -> None:
    for name, times in (("first visit", []), ("again, from the cache", [])):
        with visit(browser, owned) as made:
            page = made.log_in()
            for _ in range(5):
                if name == "first visit":
                    made.context.new_cdp_session(page).send("Network.clearBrowserCache")
                made.go()
                expect(page.get_by_text("No deployments yet")).to_be_visible()
                times.append(page.evaluate(USABLE_MS))
        print(f"{name}: usable after {sorted(times)[len(times) // 2]:.0f} ms (median of {times})")


def test_what_the_list_needs_is_asked_for_at_once(browser: Browser, owned: Box) -> None:
    with visit(browser, owned) as made:
        page = made.log_in()
        made.go()
        expect(page.get_by_text("No deployments yet")).to_be_visible()
        preloaded, scripts = (set(page.evaluate(code)) for code in (PRELOADED, SCRIPTS))
        assert preloaded == scripts - {f"{owned.url}/ui/js/main.js"}


PRELOADED = "[...document.querySelectorAll('link[rel=modulepreload]')].map((link) => link.href)"
SCRIPTS = """performance.getEntriesByType('resource').map((e) => e.name)
  .filter((name) => name.endsWith('.js'))"""
USABLE_MS = (
    "Math.round(Math.max(...performance.getEntriesByType('resource').map((e) => e.responseEnd)))"
)


def test_a_thousand_deployments_are_paged_found_and_filtered(
    browser: Browser, owned: Box, api: Api
) -> None:
    multiply(owned, api)
    with visit(browser, owned) as made:
        page = made.log_in()
        expect(page.get_by_text(f"{MANY + 1:,} deployments")).to_be_visible()
        expect(page.locator("tbody tr")).to_have_count(20)
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text(f"21–40 of {MANY + 1:,}")).to_be_visible()
        assert page.url.endswith("?page=2")
        page.get_by_label("Find").fill("copy-77")
        expect(page.get_by_text("11 deployments found")).to_be_visible()
        page.get_by_label("Status").select_option("running")
        expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
        page.reload()
        expect(page.get_by_label("Find")).to_have_value("copy-77")
        expect(page.get_by_label("Status")).to_have_value("running")


def multiply(box: Box, api: Api) -> None:
    """A thousand copies of a failed deployment, written while the appliance is down."""
    made = api.create(templateId=None, customImage="localhost/none")
    api.until(made["id"], "failed")
    box.terminate()
    with sqlite3.connect(box.data / "appliance.db") as db:
        columns = [row[1] for row in db.execute("PRAGMA table_xinfo(deployment)") if row[6] == 0]
        own = {"id": "id || '_' || n", "name": "'copy-' || n", "created_us": "created_us + n"}
        values = ", ".join(own.get(c, c) for c in columns)
        db.execute(
            f"WITH RECURSIVE many(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM many WHERE n < ?)"
            f" INSERT INTO deployment ({', '.join(columns)}) SELECT {values} FROM deployment, many",
            (MANY - 1,),
        )
    db.close()
    box.start()
