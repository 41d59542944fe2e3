"""The machine's commands, help, and the shell's completion."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from starlette.responses import Response, StreamingResponse

from appliance import __version__
from appliance.cli.app import OWN_PROCESS, REMOTE, TOKEN, USER
from appliance.cli.exits import ExitCode
from appliance.store import meta
from appliance.store.database import open_database
from tests.box import Box
from tests.cli.canned import NODE, Canned, Run, deployment, page, serving

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TEMPLATE = {
    "id": "ollama",
    "name": "Ollama",
    "description": "Runs models.",
    "category": "ai",
    "image": "docker.io/ollama/ollama:latest",
    "ports": [{"port": 11434, "protocol": "http", "name": "api"}],
    "env": [{"name": "KEY", "description": "A key.", "default": None, "required": True}],
    "volumes": [{"name": "models", "path": "/root/.ollama"}],
    "gpu": {"required": False, "minVramMb": None},
    "health": {"path": "/api/version", "port": 11434},
    "access": "private",
}


def test_a_backup_is_whole_and_only_its_owners(canned: Canned, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    file.write_text("an older one")
    canned.answer("POST /backup", Response(b"database", media_type="application/vnd.sqlite3"))
    assert run("backup", str(file)).out == f"{file}: 8 bytes\n"
    assert file.read_bytes() == b"database"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("arguments", [("templates",), ("templates", "--json")])
def test_an_answer_that_finds_no_room_is_told_without_a_traceback(
    canned: Canned, arguments: tuple[str, ...]
) -> None:
    canned.answer("GET /templates", {"templates": [TEMPLATE]})
    with Path("/dev/full").open("wb", buffering=0) as full:
        ended = subprocess.run(
            [sys.executable, "-m", "appliance", *arguments],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr == "error: the disk is full: the answer can't be written\n"


def test_a_backup_that_breaks_off_leaves_the_older_one(
    canned: Canned, run: Run, tmp_path: Path
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"data"
        raise ConnectionResetError

    file = tmp_path / "backup.db"
    file.write_text("an older one")
    canned.answer("POST /backup", StreamingResponse(body()))
    assert run("backup", str(file)).code == 3
    assert file.read_text() == "an older one"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["backup.db", "control.sock"]


def test_a_backup_into_nowhere_is_told(canned: Canned, run: Run, tmp_path: Path) -> None:
    canned.answer("POST /backup", Response(b"database"))
    ended = run("backup", str(tmp_path / "none" / "backup.db"))
    assert ended.code == 1
    assert "can't be written: No such file or directory" in ended.err


def test_a_backup_takes_the_place_of_no_device(canned: Canned, run: Run, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    canned.answer("POST /backup", Response(b"database"))
    for name in ("pipe", "link", "."):
        ended = run("backup", str(tmp_path / name))
        assert ended.code == 1
        assert "can't be written: it is no regular file" in ended.err
    assert pipe.is_fifo()


def test_a_backup_goes_to_where_a_link_leads(canned: Canned, run: Run, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("backup.db")
    canned.answer("POST /backup", Response(b"database"))
    assert run("backup", str(link)).code == 0
    assert link.is_symlink()
    assert (tmp_path / "backup.db").read_bytes() == b"database"


def test_restore_of_what_is_no_backup_says_so(run: Run, tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_text("no database" * 1000)
    foreign = tmp_path / "foreign.db"
    sqlite3.connect(foreign).execute("CREATE TABLE t (a)").connection.close()
    data = str(tmp_path / "data")
    for file in (junk, foreign, tmp_path / "none"):
        ended = run("restore", str(file), "--data-dir", data)
        assert ended.code == 1
        assert ended.err.startswith("error: ")
        assert file.name in ended.err


async def a_database(path: Path) -> str:
    """Of an installation of its own, whose containers' names begin with what is answered."""
    db = await open_database(path)
    prefix = await meta.instance_prefix(db)
    await db.close()
    return prefix


def test_restore_of_anothers_data_warns_of_what_goes_on_running(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    database, other = tmp_path / "data" / "appliance.db", tmp_path / "other.db"
    prefix = anyio.run(a_database, database)
    anyio.run(a_database, other)
    shutil.copyfile(database, tmp_path / "own.db")
    into = ("--data-dir", str(tmp_path / "data"))
    assert (
        json.loads(run("restore", str(tmp_path / "own.db"), *into, "--json").out)["warning"] is None
    )
    warned = run("restore", str(other), *into).out
    assert "left alone" in warned
    assert f"`podman rm --force --filter name=^{prefix}-`" in warned
    assert f"`nft delete table inet appliance_{prefix}`" in warned


def test_templates_are_listed_and_shown(canned: Canned, run: Run) -> None:
    canned.answer("GET /templates", {"templates": [TEMPLATE]})
    canned.answer("GET /templates/ollama", {"template": TEMPLATE})
    assert run("templates").out.splitlines()[1].split()[:2] == ["ollama", "ai"]
    assert json.loads(run("templates", "--json").out) == [TEMPLATE]
    shown = run("templates", "ollama").out
    assert "KEY (required) A key." in shown
    assert "11434/http" in shown
    assert json.loads(run("templates", "ollama", "--json").out) == TEMPLATE
    assert run("templates", "none").code == 4
    assert run("templates", "../templates").code == 4


def test_the_node_is_shown_without_what_is_not_known(run: Run, canned: Canned) -> None:
    shown = run("node").out
    assert re.search(r"^cpuCores +2$", shown, re.MULTILINE)
    assert re.search(r"^gpu +H200 143771 MiB$", shown, re.MULTILINE)
    assert "region" not in shown
    assert json.loads(run("node", "--json").out) == NODE
    assert canned.asked


def test_doctor_needs_no_appliance_and_fails_only_if_a_check_does(run: Run, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    ended = run("doctor", "--data-dir", str(tmp_path), "--json")
    found = {check["name"]: check for check in json.loads(ended.out)}
    assert found["data directory"]["status"] == "fail"
    assert ended.code == 1
    shown = run("doctor", "--data-dir", str(tmp_path)).out
    assert re.search(r"^fail +data directory: mode 755\n +chmod 700$", shown, re.MULTILINE)
    tmp_path.chmod(0o700)
    ended = run("doctor", "--data-dir", str(tmp_path), "--json")
    checks = json.loads(ended.out)
    assert ended.code == int(any(check["status"] == "fail" for check in checks))


def test_doctor_asks_the_running_appliance_for_what_it_alone_can_know(
    run: Run, tmp_path: Path
) -> None:
    def found() -> dict[str, str]:
        checks = json.loads(run("doctor", "--data-dir", str(tmp_path), "--json").out)
        return dict(next(check for check in checks if check["name"] == "containers"))

    assert found()["status"] == "unknown"
    check = {"name": "containers", "status": "warn", "detail": "nn1-dep-a-g1", "remedy": "rm it",
             "why": ""}  # fmt: skip
    canned = Canned()
    canned.answer("GET /doctor/observed", {"checks": [check]})
    with serving(canned, tmp_path / "control.sock"):
        assert found() == check
        shown = run("doctor", "--data-dir", str(tmp_path)).out
    assert "warn    containers: nn1-dep-a-g1\n        rm it" in shown


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").out == f"{__version__}\n"


def test_the_bare_command_shows_its_commands_and_exit_codes(run: Run) -> None:
    ended = run("--help")
    assert ended.code == 0
    for command in (*OWN_PROCESS, *REMOTE):
        assert re.search(rf"^  {command.__name__} ", ended.out, re.MULTILINE)
    assert all(str(code.value) in ended.out for code in ExitCode)


@pytest.mark.parametrize(
    "argv",
    [
        *([command.__name__] for command in (*OWN_PROCESS, *REMOTE)),
        *(["user", verb] for verb in USER),
        *(["token", verb] for verb in TOKEN),
    ],
    ids=" ".join,
)
def test_every_command_has_help_json_and_a_data_directory(run: Run, argv: list[str]) -> None:
    shown = run(*argv, "--help").out
    assert "--data-dir" in shown
    assert ("--json" in shown) is (argv != ["serve"])


@pytest.mark.parametrize("command", [c.__name__ for c in (*OWN_PROCESS, *REMOTE)])
def test_every_command_stands_in_the_readme(command: str) -> None:
    assert f"`{command}`" in README


def test_serve_has_a_flag_for_every_setting(run: Run) -> None:
    shown = run("serve", "--help").out
    for flag in ("--listen-http", "--hourly-rate-cents", "--podman-root", "--pull-stall-s"):
        assert flag in shown


def completed(line: str, position: int) -> list[str]:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv = ['appliance']; from appliance.cli import main; main()",
        ],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "_APPLIANCE_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(position),
        },
        capture_output=True,
        check=False,
        text=True,
    )
    return done.stdout.split()


def test_the_shell_completes_the_names_and_ids_of_the_running_appliance(canned: Canned) -> None:
    other = deployment(id="dep_other", name="dense")
    canned.answer("GET /deployments", page("deployments", deployment(), other))
    assert completed("appliance stop de", 2) == ["dense", "dep_other", "dep_xyz789"]


def test_the_shell_completes_nothing_where_no_appliance_runs(tmp_path: Path) -> None:
    assert completed(f"appliance show --data-dir {tmp_path} de", 4) == []


def test_audit_ls_shows_who_did_what(canned: Canned, run: Run) -> None:
    entry = {"at": "2024-01-15T10:30:00Z", "actor": "a@b.c", "action": "login", "object": None,
             "result": "denied", "address": "192.0.2.7"}  # fmt: skip
    canned.answer("GET /audit", page("entries", entry))
    ended = run("audit", "ls")
    assert "a@b.c" in ended.out
    assert "denied" in ended.out


def test_audit_verify_fails_where_an_entry_was_changed(canned: Canned, run: Run) -> None:
    canned.answer("GET /audit/verify", {"entries": 3, "intact": True, "firstBroken": None})
    assert run("audit", "verify").code == 0
    canned.answer("GET /audit/verify", {"entries": 3, "intact": False, "firstBroken": 2})
    ended = run("audit", "verify")
    assert ended.code == 1
    assert "entry 2 of 3" in ended.err


def test_a_start_that_cant_be_is_told_in_words_and_not_as_a_defect(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.data.mkdir()
    (box.data / "secret.key").write_bytes(b"too short")
    refused = box.cli("serve")
    assert refused.returncode == 1
    assert "can't run: " in refused.stderr
    assert "secret.key is not a key of 32 bytes" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_server_does_not_carry_what_draws_on_terminals() -> None:
    code = (
        "import sys; sys.argv = ['appliance', 'serve', '--help']\n"
        "from appliance.cli import main\n"
        "try: main()\n"
        "except SystemExit: import appliance.supervisor\n"
        "print([m for m in sys.modules if m.startswith(('rich.', 'appliance.cli.deploy'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--listen-http" in done.stdout
    assert done.stdout.endswith("\n[]\n")
