"""From logging in to a running deployment and its logs, as a person does it."""

import pytest
from playwright.sync_api import Browser, expect

from tests.box import PASSWORD, Box
from tests.web.browser import OWNER, Visit, visit

pytestmark = pytest.mark.podman


def test_a_template_becomes_a_running_deployment_with_its_logs(ada: Visit) -> None:
    page = ada.page
    expect(page.get_by_role("heading", name="No deployments yet")).to_be_visible()
    page.get_by_role("link", name="Create the first one").click()
    page.get_by_label("Find a template").fill("welcome")
    page.get_by_role("link", name="Welcome A small page").click()
    page.get_by_label("Name", exact=False).first.fill("my first")
    page.get_by_label("GREETING").fill("Hello from the page")
    page.get_by_role("button", name="Deploy").click()

    expect(page.get_by_role("heading", name="my first")).to_be_visible()
    expect(page.get_by_text("Running", exact=True)).to_be_visible()
    expect(page.get_by_text("Listening on port 8080.")).to_be_visible()
    address = page.get_by_role("definition").get_by_role("link").first.get_attribute("href")
    assert address is not None
    assert "Hello from the page" in ada.box.visit(address).text
    ada.box.visit(f"{address}/followed-live")
    expect(page.get_by_text("GET /followed-live")).to_be_visible()

    page.get_by_role("link", name="Deployments").first.click()
    row = page.get_by_role("row", name="my first")
    expect(row.get_by_text("Running")).to_be_visible()
    row.get_by_role("button", name="Stop my first").click()
    expect(row.get_by_text("Stopped")).to_be_visible()
    row.get_by_role("button", name="Start my first").click()
    expect(row.get_by_text("Running")).to_be_visible()
    row.get_by_role("button", name="Delete my first").click()
    expect(page.get_by_role("dialog")).to_contain_text("my first")
    page.get_by_role("button", name="Delete deployment").click()
    expect(page.get_by_role("heading", name="No deployments yet")).to_be_visible()


def test_a_limit_that_is_cleared_is_the_templates(ada: Visit) -> None:
    page = ada.go("/ui/new/welcome")
    memory = page.get_by_label("Memory, MiB", exact=True)
    memory.clear()
    expect(memory).to_have_attribute("placeholder", "128")
    page.get_by_label("CPUs").fill("0.5")
    with page.expect_response(lambda a: a.request.method == "POST") as answered:
        page.get_by_role("button", name="Deploy").click()
    made = answered.value.json()["deployment"]
    assert (made["resources"]["cpus"], made["resources"]["memoryMb"]) == (0.5, 128)
    with ada.box.client(ada.box.token()) as http:
        http.delete(f"/deployments/{made['id']}")


def test_a_wrong_password_is_told_and_the_right_one_leads_back(
    browser: Browser, owned: Box
) -> None:
    with visit(browser, owned) as made:
        made.refusals = {401}
        page = made.go("/ui/machine")
        page.get_by_label("E-mail").fill(OWNER)
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text("E-mail or password is wrong.")).to_be_visible()
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(f"{owned.url}/ui/machine")
        assert made.context.cookies() == []
