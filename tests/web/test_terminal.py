"""A shell in the container, typed into by hand."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.box import Api, Box
from tests.web.browser import PHONE, Visit

pytestmark = pytest.mark.podman


@pytest.fixture
def api(owned: Box) -> Iterator[Api]:
    with owned.client(owned.token()) as http:
        yield Api(owned, http)


def test_what_is_typed_is_done_in_colour_at_the_window_s_size(ada: Visit, api: Api) -> None:
    made = api.create()
    api.until(made["id"], "running")
    page = ada.go(f"/ui/deployments/{made['id']}/terminal")
    expect(page.get_by_text("Connected.")).to_be_visible()
    page.keyboard.type("echo $((6 * 7))-typed; printf '\\033[38;2;9;99;199mblue\\033[0m\\n'\n")
    screen = page.locator(".xterm-rows")
    expect(screen).to_contain_text("42-typed")
    blue = screen.locator("span", has_text="blue").last
    expect(blue).to_have_css("color", "rgb(9, 99, 199)")

    page.keyboard.type("stty size\n")
    expect(screen).to_have_text(re.compile(r"size\d+ 1\d\d~"))
    page.set_viewport_size(PHONE)
    page.keyboard.type("clear; stty size\n")
    expect(screen).to_have_text(re.compile(r"^\d+ [3-5]\d~"))

    page.keyboard.press("Shift+Escape")
    expect(page.get_by_role("link", name="Terminal")).to_be_focused()
    page.locator(".xterm-screen").click()
    page.keyboard.type("exit\n")
    expect(page.get_by_text("The shell has ended.")).to_be_visible()
    page.get_by_role("button", name="New session").click()
    expect(page.get_by_text("Connected.")).to_be_visible()
