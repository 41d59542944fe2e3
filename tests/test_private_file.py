"""Files that hold a secret."""

from pathlib import Path

import pytest

from appliance.engine.vault import load_key
from appliance.private_file import write_private
from tests.runtime.test_credentials import no_file_larger_than


def test_it_is_its_owners_alone_and_takes_the_place_of_a_link_not_of_what_that_leads_to(
    tmp_path: Path,
) -> None:
    other, path = tmp_path / "other", tmp_path / "secret"
    other.write_text("other")
    path.symlink_to(other)
    write_private(path, b"mine")
    assert (path.read_bytes(), other.read_text()) == (b"mine", "other")
    assert path.lstat().st_mode & 0o777 == 0o600


def test_what_can_not_be_written_whole_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, b"old")
    with no_file_larger_than(2), pytest.raises(OSError, match="File too large"):
        write_private(path, b"new one")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_a_key_half_written_at_the_first_start_is_made_anew_at_the_next(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    with no_file_larger_than(7), pytest.raises(OSError, match="File too large"):
        load_key(path)
    assert load_key(path) == load_key(path)


def test_a_key_that_is_kept_elsewhere_and_not_there_is_not_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.symlink_to(tmp_path / "not mounted")
    with pytest.raises(FileNotFoundError):
        load_key(path)
