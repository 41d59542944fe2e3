"""Space kept for a full disk, on a small file system of its own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.domain.errors import StoreFull
from appliance.store.ballast import MIB, NEARLY_FULL_BYTES, Ballast

pytestmark = pytest.mark.podman  # mount(8) needs root, too
SIZE_BYTES = 16 * MIB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def free_bytes(disk: Path) -> int:
    return os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize


def fill(disk: Path, *, but_bytes: int) -> Path:
    file = disk / "others"
    with file.open("wb") as target:
        os.posix_fallocate(target.fileno(), 0, free_bytes(disk) - but_bytes)
    return file


def test_it_takes_its_space_where_there_is_plenty_and_gives_it_where_there_is_none(
    disk: Path,
) -> None:
    ballast = Ballast(disk / "ballast", SIZE_BYTES)
    ballast.take()
    assert (disk / "ballast").stat().st_size == SIZE_BYTES
    ballast.give()
    ballast.check()
    others = fill(disk, but_bytes=MIB)
    with pytest.raises(StoreFull, match="delete deployments"):
        ballast.check()
    ballast.give()
    assert free_bytes(disk) > SIZE_BYTES
    others.unlink()
    ballast.take()
    assert (disk / "ballast").stat().st_size == SIZE_BYTES


def test_what_was_given_up_is_not_for_orders_that_need_space(disk: Path) -> None:
    ballast = Ballast(disk / "ballast", SIZE_BYTES)
    fill(disk, but_bytes=2 * SIZE_BYTES)
    ballast.take()
    assert not (disk / "ballast").exists()  # too little is free to keep any
    ballast.check()
    (disk / "more").write_bytes(bytes(SIZE_BYTES + MIB))
    assert free_bytes(disk) > NEARLY_FULL_BYTES
    with pytest.raises(StoreFull):
        ballast.check()
