"""The command line, run in this process against a small server on a real unix socket."""

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.cli import main
from tests.cli.canned import NODE, Canned, Ended, Run, page, serving


@pytest.fixture(autouse=True)
def _nothing_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("APPLIANCE_") or name in ("CONTAINER_HOST", "FORCE_COLOR"):
            monkeypatch.delenv(name)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``run("ps", "--json")``, with what stands on stdin, if anything."""

    def run(*argv: str, stdin: str = "") -> Ended:
        monkeypatch.setattr(sys, "argv", ["appliance", *argv])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int | None)
        return Ended(code or 0, out, err)

    return run


@pytest.fixture
def canned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    """What answers on the control socket of the data directory that the commands use."""
    monkeypatch.setenv("APPLIANCE_DATA_DIR", str(tmp_path))
    canned = Canned()
    canned.answer("GET /nodes", page("nodes", NODE))
    with serving(canned, tmp_path / "control.sock"):
        yield canned


@pytest.fixture
def as_nobody(canned: Canned, tmp_path: Path) -> Iterator[None]:
    """This process loses root's rights over files; the socket is root's alone."""
    (tmp_path / "control.sock").chmod(0o600)
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else for a while")
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    os.seteuid(65534)
    yield
    os.seteuid(0)
