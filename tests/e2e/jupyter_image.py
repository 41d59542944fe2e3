"""An image of JupyterLab from PyPI and this machine's Python, without a registry."""

import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from tests.podman_harness import busybox_archive

INSIDE = Path("/opt/jupyter")
PYTHON = INSIDE / "bin/python"
LEFT_OUT = {"__pycache__", "test", "tests", "site-packages", "idlelib", "pip", "setuptools"}
LINKED = re.compile(r"^\s(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)


def jupyter_archive(folder: Path) -> Path:
    """A root filesystem: BusyBox, this interpreter with its libraries, JupyterLab for ``PYTHON``.

    ``folder`` is room for what is downloaded and for the archive.
    """
    venv, archive = folder / "venv", folder / "jupyter.tar"
    run(sys.executable, "-m", "venv", str(venv))
    run(str(venv / "bin/pip"), "install", "-q", "--disable-pip-version-check", "jupyterlab")
    archive.write_bytes(busybox_archive())
    base = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    with tarfile.open(archive, "a") as made:
        interpreter = Path((venv / "bin/python").resolve())
        made.add(interpreter)
        made.add(base / "lib" / version, filter=wanted)
        for library in sorted(
            libraries((interpreter, base / "lib" / version / "lib-dynload", venv))
        ):
            made.add(Path(library).resolve(), library)
        made.add(venv, str(INSIDE), filter=wanted_of_venv)
    return archive


def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    name = Path(member.name)
    return None if name.name in LEFT_OUT or name.name.startswith("config-") else member


def wanted_of_venv(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if Path(member.name).name in LEFT_OUT - {"site-packages"} else member


def libraries(places: tuple[Path, ...]) -> set[str]:
    """What the dynamic linker loads for the programs and modules there, from elsewhere."""
    found: set[str] = set()
    for file in binaries(places):
        done = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False)
        found |= set(LINKED.findall(done.stdout))
    return {f for f in found if not any(Path(f).is_relative_to(p) for p in places)}


def binaries(places: tuple[Path, ...]) -> Iterator[Path]:
    for place in places:
        if place.is_file():
            yield place
        else:
            yield from place.rglob("*.so*")


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
