"""The welcome image: the same files give the same bytes, and its container does what it says."""

import io
import os
import socket
import struct
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from appliance.host import welcome
from tests.box import NO_TLS

BUSYBOX = welcome.find_busybox()
HARDENED = ("--init", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")

CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "{lab}/runtime"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
image_copy_tmp_dir = "{lab}"
[network]
network_backend = "netavark"
default_network = "welcome"
"""
NETWORK = """
{{"name": "welcome", "id": "{id:064x}", "driver": "bridge", "network_interface": "wel{id}",
 "created": "2026-01-01T00:00:00Z", "ipv6_enabled": false, "internal": false,
 "subnets": [{{"subnet": "10.197.{octet}.0/24", "gateway": "10.197.{octet}.1"}}],
 "dns_enabled": false, "ipam_options": {{"driver": "host-local"}}}}
"""


def elf(*segment_types: int, bits: int = 64) -> bytes:
    wide = bits == 64
    head = bytearray(64)
    head[:6] = b"\x7fELF" + bytes([2 if wide else 1, 1])
    struct.pack_into("<Q" if wide else "<I", head, 32 if wide else 28, 64)
    struct.pack_into("<HH", head, 54 if wide else 42, 56 if wide else 32, len(segment_types))
    return bytes(head) + b"".join(
        struct.pack("<I", kind).ljust(56 if wide else 32, b"\0") for kind in segment_types
    )


@pytest.mark.parametrize("bits", [32, 64])
def test_a_program_without_an_interpreter_is_static(bits: int) -> None:
    assert welcome.is_static(elf(1, 2, bits=bits))
    assert not welcome.is_static(elf(1, 3, bits=bits))


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF"])
def test_what_is_no_program_is_not_static(content: bytes) -> None:
    assert not welcome.is_static(content)


def test_a_busybox_that_needs_a_loader_is_passed_over(tmp_path: Path) -> None:
    dynamic, static = tmp_path / "dynamic", tmp_path / "static"
    dynamic.write_bytes(elf(3))
    static.write_bytes(elf(1))
    assert welcome.find_busybox([tmp_path / "none", dynamic, static]) == static
    assert welcome.find_busybox([dynamic]) is None


def test_the_same_files_give_the_same_image(tmp_path: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(elf(1))
    first = welcome.build_archive(busybox)
    busybox.touch()
    assert welcome.build_archive(busybox) == first
    busybox.write_bytes(elf(2))
    assert welcome.digest(welcome.build_archive(busybox)) != welcome.digest(first)


def test_the_image_names_its_digest(tmp_path: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(elf(1))
    archive = welcome.build_archive(busybox)
    assert welcome.changes(archive)[-1] == (
        f"LABEL {welcome.DIGEST_LABEL}={welcome.digest(archive)}"
    )


def test_every_applet_leads_to_the_busybox(tmp_path: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(elf(1))
    with tarfile.open(fileobj=io.BytesIO(welcome.build_archive(busybox))) as archive:
        members = {m.name: m for m in archive.getmembers()}
    assert members["bin/sh"].linkname == "busybox"
    assert members["bin/busybox"].mode == members["welcome/handle"].mode == 0o755
    assert members["tmp"].mode == 0o1777


@dataclass(frozen=True)
class Lab:
    """A Podman of its own: storage, OCI state and network; nobody else's containers."""

    folder: Path

    def podman(self, *arguments: str) -> str:
        roots = {"root": "root", "runroot": "run", "tmpdir": "tmp", "volumepath": "vol",
                 "network-config-dir": "net"}  # fmt: skip
        return subprocess.run(
            ["podman", *(f"--{k}={self.folder / v}" for k, v in roots.items()), *arguments],
            env=os.environ | {"CONTAINERS_CONF": str(self.folder / "containers.conf")},
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout.strip()


def within(deadline_s: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    assert BUSYBOX is not None
    folder = tmp_path_factory.mktemp("lab")
    runtime = folder / "runtime"
    runtime.write_text(f'#!/bin/sh\nexec runc --root {folder}/runc "$@"\n')
    runtime.chmod(0o755)
    (folder / "containers.conf").write_text(CONTAINERS_CONF.format(lab=folder))
    (folder / "net").mkdir()
    network = NETWORK.format(id=os.getpid(), octet=os.getpid() % 256)
    (folder / "net" / "welcome.json").write_text(network)
    archive = welcome.build_archive(BUSYBOX)
    (folder / "image.tar").write_bytes(archive)
    changes = [word for change in welcome.changes(archive) for word in ("--change", change)]
    made = Lab(folder)
    made.podman("import", "-q", *changes, str(folder / "image.tar"), welcome.REFERENCE)
    yield made
    made.podman("rm", "-af", "-t", "0")
    subprocess.run(["umount", folder / "root" / "overlay"], check=False, capture_output=True)


@dataclass(frozen=True)
class Welcome:
    """A running container of the image."""

    lab: Lab
    name: str
    client: httpx.Client

    def answers(self) -> bool:
        try:
            return self.client.head("/").status_code == 200
        except httpx.TransportError:
            return False

    def logs(self) -> Sequence[str]:
        return self.lab.podman("logs", self.name).splitlines()


MODES = {"init": HARDENED, "as PID 1": HARDENED[1:]}


@contextmanager
def welcome_container(lab: Lab, mode: str) -> Iterator[Welcome]:
    name = lab.podman(
        "run", "-d", *MODES[mode], "-p", "127.0.0.1::8080",
        "-e", 'GREETING=<b>A&B\\1/"', "-e", "TWO_LINES=a\nb", welcome.REFERENCE,
    )  # fmt: skip
    url = f"http://{lab.podman('port', name, '8080')}"
    with httpx.Client(base_url=url, verify=NO_TLS) as client:
        started = Welcome(lab, name, client)
        assert within(10, started.answers)
        yield started
    lab.podman("rm", "-f", "-t", "0", name)


@pytest.fixture(scope="module", params=MODES)
def running(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Welcome]:
    with welcome_container(lab, request.param) as shared:
        yield shared


@pytest.fixture(params=MODES)
def ending(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Welcome]:
    with welcome_container(lab, request.param) as own:
        yield own


@pytest.mark.podman
def test_the_page_greets_and_hides_no_markup(running: Welcome) -> None:
    answer = running.client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<h1>&lt;b&gt;A&amp;B\\1/"</h1>' in answer.text
    assert "@" not in answer.text.replace("@media", "")


@pytest.mark.podman
def test_env_is_exactly_the_containers_environment(running: Welcome) -> None:
    names = [line.split("=")[0] for line in running.client.get("/env").text.splitlines()]
    if "TERM" in names:  # Podman 4 sets it without a terminal too, 5 does not
        names.remove("TERM")
    assert names == ["GREETING", "HOME", "HOSTNAME", "PATH", "TWO_LINES", "b", "container"]


@pytest.mark.podman
def test_a_stream_comes_line_by_line_and_blocks_nobody(running: Welcome) -> None:
    with running.client.stream("GET", "/stream") as stream:
        lines = stream.iter_lines()
        began = time.monotonic()
        assert next(lines).startswith("line 1 at ")
        assert running.client.get("/env").status_code == 200
        assert next(lines).startswith("line 2 at ")
        assert next(lines).startswith("line 3 at ")
        assert 1.5 < time.monotonic() - began < 5


@pytest.mark.podman
def test_many_at_once_are_all_answered(running: Welcome) -> None:
    url = str(running.client.base_url.join("/stream"))
    clients = [httpx.Client(verify=NO_TLS) for _ in range(40)]
    streams = [c.send(c.build_request("GET", url), stream=True) for c in clients]
    assert [s.status_code for s in streams] == [200] * 40
    for client in clients:
        client.close()


@pytest.mark.podman
@pytest.mark.parametrize("path", ["/", "/env", "/stream", "/exit?code=3"])
def test_head_answers_with_headers_alone_and_ends_nothing(running: Welcome, path: str) -> None:
    answer = running.client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert running.answers()


@pytest.mark.podman
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("GET", "/env/", 404),
        ("POST", "/", 405),
        ("GET", "/exit?code=256", 400),
        ("GET", "/exit?code=-1", 400),
        ("GET", "/exit?code=0300", 400),
        ("GET", "/exit?other=1", 400),
    ],
)
def test_what_it_does_not_know_is_refused(
    running: Welcome, method: str, path: str, status: int
) -> None:
    assert running.client.request(method, path).status_code == status
    assert running.answers()


@pytest.mark.podman
@pytest.mark.parametrize(
    ("path", "code"), [("/exit", 0), ("/exit?code=7", 7), ("/exit?code=255", 255)]
)
def test_exit_ends_the_container_with_that_code(ending: Welcome, path: str, code: int) -> None:
    assert ending.client.get(path).text == f"Exiting with code {code}.\n"
    assert ending.lab.podman("wait", ending.name) == str(code)


@pytest.mark.podman
def test_an_earlier_exit_code_is_forgotten(ending: Welcome) -> None:
    ending.client.get("/exit?code=7")
    ending.lab.podman("wait", ending.name)
    ending.lab.podman("start", ending.name)
    assert within(10, ending.answers)
    ending.lab.podman("stop", "-t", "10", ending.name)
    assert ending.lab.podman("wait", ending.name) == "0"


@pytest.mark.podman
def test_it_stops_at_once_even_with_a_stream_open(ending: Welcome) -> None:
    with ending.client.stream("GET", "/stream") as stream:
        next(stream.iter_lines())
        began = time.monotonic()
        ending.lab.podman("stop", "-t", "10", ending.name)
        assert time.monotonic() - began < 3


@pytest.mark.podman
def test_every_request_is_logged_with_method_path_and_time(running: Welcome) -> None:
    running.client.get("/nope?a=1")
    with socket.create_connection(
        (running.client.base_url.host, running.client.base_url.port)
    ) as raw:
        raw.sendall(b"GET /\x1b[31m HTTP/1.1\r\n\r\n")
        assert raw.makefile("rb").readline() == b"HTTP/1.1 404 Not Found\r\n"
    lines = [line.split(" ", 1) for line in running.logs()]
    logged = {rest for moment, rest in lines if moment.endswith("Z")}
    assert "GET /nope?a=1 404" in logged
    assert "GET /[31m 404" in logged
    assert ["Listening", "on port 8080."] in lines
