"""What went wrong is shown where it can be put right."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.browser import Visit

pytestmark = pytest.mark.podman


def test_a_misspelt_image_is_shown_and_mended(ada: Visit) -> None:
    page = ada.go("/ui/new/image")
    page.get_by_label("Image").fill("localhost/appliance/welcom")
    page.get_by_label("Name").first.fill("misspelt")
    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_text("Failed", exact=True)).to_be_visible()
    expect(page.get_by_text("localhost/appliance/welcom:latest is not on")).to_be_visible()
    expect(page.get_by_text("Check the image's name and tag.")).to_be_visible()
    page.get_by_role("link", name="Change").click()
    page.get_by_label("Image").fill("localhost/appliance/welcome")
    page.get_by_role("button", name="Apply the change").click()
    expect(page.get_by_text("Running", exact=True)).to_be_visible()
    expect(page.get_by_text("Check the image's name and tag.")).to_be_hidden()


def test_errors_of_the_api_stand_beside_their_fields(ada: Visit) -> None:
    ada.refusals = {422}
    page = ada.go("/ui/new/image")
    page.get_by_label("Image").fill("UPPER CASE")
    page.get_by_label("Memory, MiB", exact=True).fill("lots")
    page.get_by_label("CPUs").fill("-1")
    page.get_by_role("button", name="Add port").click()
    page.get_by_placeholder("8080").fill("70000")
    page.get_by_role("button", name="Add variable").click()
    page.get_by_placeholder("NAME").fill("NOT A NAME")
    page.get_by_role("button", name="Deploy").click()
    for field in ("Image", "Memory, MiB", "CPUs", "Port"):
        box = page.get_by_role("textbox", name=field, exact=True)
        expect(box).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("textbox", name="Image")).to_be_focused()
    expect(page.get_by_text("is no variable name")).to_be_visible()
    page.get_by_label("Image").fill("upper-case")
    expect(page.get_by_label("Image")).not_to_have_attribute("aria-invalid", "true")


def test_the_text_of_an_env_file_becomes_variables_and_secrets(ada: Visit) -> None:
    page = ada.go("/ui/new/image")
    page.get_by_label("Image").fill("localhost/none")
    page.get_by_role("button", name="Paste .env").click()
    text = "# settings\nexport MODE=fast\nGREETING='good day' # comment\nAPI_TOKEN=hush\nnonsense"
    page.get_by_label("Text of a .env file").fill(text)
    page.get_by_role("button", name="Add variables").click()
    expect(page.get_by_text("1 line left away, not NAME=value: nonsense")).to_be_visible()
    with page.expect_request("**/deployments") as sent:
        page.get_by_role("button", name="Deploy").click()
    body: dict[str, Any] = sent.value.post_data_json or {}
    assert body["env"] == {"MODE": "fast", "GREETING": "good day"}
    assert body["secrets"] == {"API_TOKEN": "hush"}
    page.get_by_role("link", name="Configuration").click()
    expect(page.get_by_text("kept encrypted, never shown")).to_be_visible()
    expect(page.get_by_text("hush")).to_be_hidden()


def test_what_a_template_needs_is_asked_for_and_its_secrets_are_made(ada: Visit) -> None:
    page = ada.go("/ui/new/postgres")
    password = page.get_by_label("POSTGRES_PASSWORD", exact=False).first
    made = password.input_value()
    assert len(made) == 32
    page.get_by_role("button", name="Make a new POSTGRES_PASSWORD").click()
    assert password.input_value() != made
    with page.expect_request("**/deployments") as sent:
        page.get_by_role("button", name="Deploy").click()
    body: dict[str, Any] = sent.value.post_data_json or {}
    assert list(body["secrets"]) == ["POSTGRES_PASSWORD"]
    assert "env" not in body


def test_deleting_asks_once_and_names_what_is_lost(ada: Visit) -> None:
    page = ada.go("/ui/new/image")
    page.get_by_label("Image").fill("localhost/none")
    page.get_by_label("Name").first.fill("keeps-data")
    page.get_by_role("button", name="Add volume").click()
    page.get_by_placeholder("data", exact=True).fill("pictures")
    page.get_by_placeholder("/data").fill("/pictures")
    page.get_by_role("button", name="Deploy").click()
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete keeps-data?")
    expect(dialog).to_contain_text("Its volume pictures and all data in it will be lost.")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete deployment").click()
    expect(page.get_by_text("keeps-data is deleted")).to_be_visible()
    expect(page).to_have_url(f"{ada.box.url}/ui/")
