"""The log as one reads it: followed, held, searched, and a hundred thousand lines long."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.box import Api, Box
from tests.web.browser import Visit

pytestmark = pytest.mark.podman
MOST_ROWS = 150


@pytest.fixture(scope="module")
def api(owned: Box) -> Iterator[Api]:
    with owned.client(owned.token()) as http:
        yield Api(owned, http)


def shell(api: Api, script: str) -> str:
    made = api.create(
        templateId=None, customImage="localhost/test/busybox", command=["sh", "-c", script]
    )
    return str(made["id"])


def lines(page: Page) -> list[str]:
    return page.locator(".log-text").all_inner_texts()


def test_both_streams_are_followed_held_searched_and_saved(ada: Visit, api: Api) -> None:
    script = (
        "n=0; while [ $n -lt 500 ]; do n=$((n+1)); echo out $n; echo err $n >&2; sleep 0.1; done"
    )
    page = ada.go(f"/ui/deployments/{shell(api, script)}")
    last = page.locator(".log-text").last
    expect(last).to_have_text(re.compile(r"(out|err) \d+"))
    seen = last.inner_text()
    expect(last).not_to_have_text(seen)

    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused,")).to_be_visible()
    held = lines(page)
    expect(page.get_by_text(re.compile(r"Paused, [1-9]"))).to_be_visible()
    assert lines(page) == held
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Paused, ")).to_be_hidden()

    page.get_by_label("Stream").select_option("stderr")
    expect(page.locator(".log-line.stdout")).to_have_count(0)
    page.get_by_label("Find in the log").fill("ERR 7")
    expect(page.locator("mark").first).to_have_text("err 7")
    assert all("err 7" in line for line in lines(page))

    with page.expect_download() as saved:
        page.get_by_role("button", name="Download").click()
    text = saved.value.path().read_text()
    assert " stdout out 1\n" in text
    assert " stderr err 1\n" in text


def test_a_hundred_thousand_lines_stay_few_in_the_document(ada: Visit, api: Api) -> None:
    script = "sleep 4; seq 100000; echo the end; sleep 1000"
    page = ada.go(f"/ui/deployments/{shell(api, script)}")
    expect(page.get_by_text("the end", exact=True)).to_be_visible()
    assert page.locator(".log-line").count() <= MOST_ROWS
    log = page.get_by_label("Log lines")
    log.evaluate("log => log.scrollTop = 0")
    expect(page.get_by_role("button", name="To the end")).to_be_visible()
    assert page.locator(".log-line").count() <= MOST_ROWS
    page.get_by_label("Find in the log").fill("77777")
    expect(page.get_by_text("1 of ")).to_be_visible()
    expect(page.locator(".log-line")).to_have_count(1)
    assert lines(page) == ["77777"]
    slowest = page.evaluate(SCROLL_THROUGH)
    print(f"slowest frame while scrolling through 100,000 lines: {slowest:.0f} ms")


SCROLL_THROUGH = """async () => {
  const find = document.querySelector('.search input[type=search]');
  find.value = ''; find.dispatchEvent(new Event('input'));
  const log = document.querySelector('.log');
  await new Promise(requestAnimationFrame);
  let slowest = 0, last = performance.now();
  for (let i = 0; i <= 60; i += 1) {
    log.scrollTop = (log.scrollHeight * i) / 60;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    slowest = Math.max(slowest, now - last);
    last = now;
  }
  return slowest;
}"""
