"""The wheel, in a clean environment far from the source, is the whole appliance."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.box import ROOT, Api, Box, drop_firewall
from tests.podman_harness import remove_lab

pytestmark = pytest.mark.podman
SOURCES = ("packaging", "appliance", "web", "README.md", "pyproject.toml")


@dataclass
class WheelBox(Box):
    """One that runs from what is installed, and knows of no source."""

    @property
    def environ(self) -> dict[str, str]:
        return {k: v for k, v in super().environ.items() if k != "PYTHONPATH"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tree, as ``pip install .`` does it."""
    tree = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    run(
        sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tree / "dist"), str(tree)
    )
    [made] = (tree / "dist").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a virtual environment with nothing but the wheel and what it asks for."""
    venv = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", str(venv))
    run(sys.executable, "-m", "pip", "--python", str(venv), "install", "-q", str(wheel))
    return venv / "bin"


@pytest.fixture
def api(installed: Path) -> Iterator[Api]:
    box = WheelBox(Path(tempfile.mkdtemp(prefix="nnwheel-", dir="/tmp")), str(installed / "python"))
    try:
        box.start()
        with box.client(box.token()) as http:
            yield Api(box, http)
        assert box.terminate() == 0
        box.podman("rm", "--all", "--force", "--time=0", "--volumes")
        drop_firewall(box)
    finally:
        if box.process is not None and box.process.poll() is None:
            box.kill()
        remove_lab(box.top, box.pool)


def run(*command: str) -> str:
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd="/", env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_every_file_of_the_package_and_the_page(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    for folder, place in (("appliance", "appliance"), ("web", "appliance/_web")):
        files = [p for p in (ROOT / folder).rglob("*") if p.is_file()]
        wanted = {
            f"{place}/{p.relative_to(ROOT / folder)}" for p in files
            if "__pycache__" not in p.parts and not p.name.startswith(".")
        }  # fmt: skip
        assert wanted - held == set()


def test_it_brings_the_command(installed: Path) -> None:
    assert "deploy" in run(str(installed / "appliance"), "--help")


def test_what_is_installed_serves_and_deploys(api: Api) -> None:
    running = api.until(api.create()["id"], "running")
    assert api.box.visit(running["endpoints"][0]["url"]).status_code == 200
    assert len(api.http.get("/templates").json()["templates"]) >= 16
    assert api.http.delete(f"/deployments/{running['id']}").status_code == 200
