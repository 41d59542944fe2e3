"""A backup is taken away and brought back by the page."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.box import Api
from tests.web.browser import Visit

pytestmark = pytest.mark.podman


@pytest.fixture
def api(ada: Visit) -> Iterator[Api]:
    with ada.box.client(ada.box.token()) as http:
        yield Api(ada.box, http)


def choose(page: Page, file: Path) -> None:
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Restore a backup").click()
    chosen.value.set_files(file)


def test_a_backup_comes_down_and_goes_back(ada: Visit, api: Api, tmp_path: Path) -> None:
    ada.refusals = {422, 503}  # the events it knows are not those of the backup; away for a moment
    api.create(templateId=None, customImage="localhost/none", name="in-the-backup")
    page = ada.go("/ui/settings/upkeep")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download a backup").click()
    file = tmp_path / "backup.db"
    saved.value.save_as(file)
    later = api.create(templateId=None, customImage="localhost/none", name="made-since")["id"]

    choose(page, file)
    dialog = page.get_by_role("dialog", name="Restore this backup?")
    expect(dialog).to_contain_text("It holds 1 deployment and ")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert api.get(later)["name"] == "made-since"

    choose(page, file)
    dialog.get_by_role("button", name="Restore and restart").click()
    expect(page.get_by_text("The appliance restarts with the backup")).to_be_visible()
    page.get_by_role("link", name="Deployments").click()
    expect(page.get_by_role("link", name="in-the-backup")).to_be_visible()
    expect(page.get_by_role("link", name="made-since")).to_have_count(0)
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Audit log").click()
    expect(page.get_by_text("appliance.db.before-restore")).to_be_visible()
    ada.complaints = [c for c in ada.complaints if "ERR_" not in c]


def test_a_backup_of_another_installation_comes_with_a_warning(ada: Visit, tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    assert ada.box.cli("backup", str(file)).returncode == 0
    with closing(sqlite3.connect(file)) as db:
        db.executescript("UPDATE meta SET value = 'nnother' WHERE key = 'instance'")
    page = ada.go("/ui/settings/upkeep")
    choose(page, file)
    dialog = page.get_by_role("dialog", name="Restore this backup?")
    expect(dialog).to_contain_text("is of another installation")
    expect(dialog).to_contain_text("no appliance knows it any more")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_what_is_no_backup_is_told_and_nothing_happens(ada: Visit, tmp_path: Path) -> None:
    ada.refusals = {422}
    (tmp_path / "picture.db").write_bytes(b"GIF89a" * 100)
    page = ada.go("/ui/settings/upkeep")
    choose(page, tmp_path / "picture.db")
    expect(page.get_by_text("It was not restored")).to_be_visible()
    expect(page.get_by_text("Not a backup that can be used: the file is not")).to_be_visible()
