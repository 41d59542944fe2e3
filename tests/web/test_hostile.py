"""Text that wants to be more than text, in every field that a user or a container can write."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.box import PASSWORD, Api, Box
from tests.web.browser import OWNER, Visit, visit
from tests.web.screenshots import settle

pytestmark = pytest.mark.podman
CORPUS = (
    "<script>window.pwned = 1</script>",
    "<img src=x onerror='window.pwned = 1'>",
    '"><svg onload=window.pwned=1>',
    "javascript:window.pwned=1",
    "'-window.pwned=1-'",
    "{{constructor.constructor('window.pwned=1')()}}",
    "</title><iframe srcdoc='<script>parent.pwned=1</script>'>",
    "<math><mtext><style><img src onerror=window.pwned=1>",
    "%3Cscript%3Ewindow.pwned=1%3C/script%3E",
    "<a href=javascript:window.pwned=1>click</a>",
)  # fmt: skip


@pytest.fixture(scope="module")
def api(owned: Box) -> Iterator[Api]:
    with owned.client(owned.token()) as http:
        yield Api(owned, http)


def harmless(page: Page) -> None:
    """Nothing has run, and nothing but our own elements is in the document."""
    assert page.evaluate("window.pwned") is None
    foreign = (
        "main img, main iframe, main math, main script, [onload], [onerror], [href^=javascript]"
    )
    assert page.locator(foreign).count() == 0


def test_names_variables_commands_and_logs_stay_text(ada: Visit, api: Api) -> None:
    script = "\n".join(f"echo {quoted(text)}; echo {quoted(text)} >&2" for text in CORPUS)
    for number, text in enumerate(CORPUS):
        made = api.create(
            name=text[:63], templateId=None, customImage="localhost/test/busybox",
            env={"HOSTILE": text}, command=["sh", "-c", f"{script}\n# {text}\nexit 3"],
            restartPolicy="never", volumes=[{"name": "data", "path": f"/{number}<b>"}],
        )  # fmt: skip
        api.until(made["id"], "failed")
        for tab in ("logs", "events", "configuration", "change"):
            page = ada.go(f"/ui/deployments/{made['id']}/{tab}")
            settle(page)
            harmless(page)
        page = ada.go(f"/ui/deployments/{made['id']}/logs")
        expect(page.locator(".log-text").first).to_be_visible()
        assert set(page.locator(".log-text").all_inner_texts()) == set(CORPUS)
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_role("dialog")).to_contain_text(text[:63])
        harmless(page)
        page.keyboard.press("Escape")
    page = ada.go()
    for text in CORPUS:
        expect(page.get_by_role("link", name=text[:63], exact=True)).to_be_visible()
    harmless(page)


def test_addresses_and_searches_stay_text(browser: Browser, owned: Box) -> None:
    with visit(browser, owned) as made:
        made.refusals = {404, 422}
        page = made.log_in()
        for text in CORPUS:
            for path in (
                "/ui/?q=",
                "/ui/?status=",
                "/ui/new?category=",
                "/ui/new/",
                "/ui/deployments/",
            ):
                made.open(
                    owned.url + path + page.evaluate("encodeURIComponent", text).replace(".", "%2E")
                )
                settle(page)
                harmless(page)


def test_tokens_and_people_stay_text(ada: Visit, api: Api) -> None:
    for number, text in enumerate(CORPUS):
        name = text[:63]
        assert api.http.post("/auth/tokens", json={"name": name}).status_code == 201
        email = f"{text.replace(' ', '').replace('@', '')[:40]}{number}@example.org"
        answer = api.http.post("/users", json={"email": email, "password": PASSWORD})
        assert answer.status_code in (201, 422)
    for path in ("/ui/account", "/ui/settings/users"):
        page = ada.go(path)
        settle(page)
        harmless(page)
    expect(ada.page.get_by_text(OWNER).first).to_be_visible()


def quoted(text: str) -> str:
    """For a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
