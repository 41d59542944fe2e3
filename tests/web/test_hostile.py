"""Text that wants to be more than text, in every field that a user or a container can write."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.box import PASSWORD, Api, Box, running_box
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
                page.goto(
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


def test_what_owners_and_strangers_write_stays_text(browser: Browser) -> None:
    with running_box(APPLIANCE_NODE_NAME=CORPUS[1], APPLIANCE_REGION=CORPUS[0]) as box:
        own_templates(box)
        box.cli("user", "add", OWNER, "--admin", "--password-stdin", stdin=PASSWORD)
        with box.client(box.token()) as http:
            for number, text in enumerate(CORPUS):
                login = {"email": f"{text}{number}@example.org", "password": "guessed"}
                assert http.post("/auth/login", json=login).status_code in (401, 429)
                body = {"username": text.replace(":", ""), "password": PASSWORD}
                answer = http.put(f"/registries/r{number}.example", json=body)
                assert answer.status_code == 200, answer.text
        with visit(browser, box) as made:
            made.log_in()
            for path, texts in (
                ("/ui/machine", CORPUS[:2]),
                ("/ui/new", CORPUS),
                ("/ui/new/hostile0", CORPUS[:1]),
                ("/ui/settings/registries", [text.replace(":", "") for text in CORPUS]),
                ("/ui/settings/audit", CORPUS[:1]),
                ("/ui/settings/upkeep", CORPUS[:2]),
            ):
                page = made.go(path)
                settle(page)
                for text in texts:
                    expect(page.get_by_text(text).first).to_be_visible()
                harmless(page)


def own_templates(box: Box) -> None:
    """One a text, in the owner's folder; they are read at the start."""
    folder = box.data / "templates"
    folder.mkdir()
    for number, text in enumerate(CORPUS):
        quoted_text = json.dumps(text)
        lines = (
            f"id = 'hostile{number}'", f"name = {quoted_text}", f"description = {quoted_text}",
            "category = 'tools'", "image = 'localhost/none:latest'", "access = 'private'",
            "[[env]]", "name = 'VALUE'", f"description = {quoted_text}", f"default = {quoted_text}",
        )  # fmt: skip
        (folder / f"hostile{number}.toml").write_text("\n".join(lines))
    box.terminate()
    box.start()
