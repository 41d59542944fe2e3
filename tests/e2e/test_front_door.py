"""The front door as people and programs meet it: real containers, curl, a browser, raw TCP."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.box import Api, Box, wait_for
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.podman

Json = dict[str, Any]


def curl(box: Box, url: str, *more: str) -> "subprocess.CompletedProcess[str]":
    """Over the authority's certificate alone; names below localhost are loopback's."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    trust = ["--cacert", str(box.data / "tls/ca.crt"), "--resolve", f"{host}:{port}:127.0.0.1"]
    return subprocess.run(
        ["curl", "-sS", "--max-time", "20", *trust, *more, url],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def status(box: Box, url: str, *more: str) -> int:
    done = curl(box, url, *more, "-o", "/dev/null", "-w", "%{http_code}")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def bearer(token: str) -> tuple[str, str]:
    return "-H", f"Authorization: Bearer {token}"


@pytest.fixture(scope="module")
def private(box: Box) -> Iterator[Json]:
    with box.client(box.token()) as http:
        api = Api(box, http)
        made = api.create(access="private", name="mine")
        yield api.until(made["id"], "running")
        http.delete(f"/deployments/{made['id']}")


def address_of(deployment: Json) -> str:
    [endpoint] = deployment["endpoints"]
    return str(endpoint["url"])


def test_a_private_deployment_is_closed_to_programs_and_people(box: Box, private: Json) -> None:
    url = address_of(private)
    assert status(box, url) == 401
    page = curl(box, url, "-H", "Accept: text/html")
    assert "mine is private" in page.stdout


def test_its_access_token_opens_it_until_it_is_replaced(box: Box, api: Api, private: Json) -> None:
    where, url = f"/deployments/{private['id']}/access", address_of(private)
    before = api.http.get(where).json()["access"]["token"]
    assert status(box, url, *bearer(before)) == 200
    after = api.http.post(where).json()["access"]["token"]
    assert status(box, url, *bearer(before)) == 401
    assert status(box, url, *bearer(after)) == 200


def test_a_browser_comes_in_by_a_ticket_once(
    box: Box, api: Api, private: Json, tmp_path: Path
) -> None:
    made = api.http.post(f"/deployments/{private['id']}/ticket")
    assert made.status_code == 201
    link = made.json()["url"]
    assert link.startswith(address_of(private))
    jar = ["-b", str(tmp_path / "jar"), "-c", str(tmp_path / "jar")]
    inside = curl(box, link, "-L", *jar, "-w", "%{http_code} %{url_effective}", "-o", "/dev/null")
    assert inside.stdout == f"200 {address_of(private)}/"
    assert status(box, address_of(private), *jar) == 200
    assert status(box, link) == 401
    assert status(box, address_of(private)) == 401


def test_a_cookie_ends_with_the_token_it_was_asked_for_with(
    box: Box, api: Api, private: Json, tmp_path: Path
) -> None:
    with box.client(box.token()) as short_lived:
        link = short_lived.post(f"/deployments/{private['id']}/ticket").json()["url"]
        jar = ["-b", str(tmp_path / "jar"), "-c", str(tmp_path / "jar")]
        assert status(box, link, "-L", *jar) == 200
        assert short_lived.post("/auth/logout").status_code == 200
    assert status(box, address_of(private), *jar) == 401


def test_a_name_nobody_has_gets_no_handshake(box: Box) -> None:
    done = curl(box, f"https://dep-nobody.localhost:{box.https_port}/")
    assert done.returncode == 35, done.stderr


def test_the_authority_is_there_to_be_trusted(box: Box) -> None:
    url = f"https://localhost:{box.https_port}"
    assert curl(box, f"{url}/ca.crt").stdout == (box.data / "tls/ca.crt").read_text()
    page = curl(box, f"{url}/trust").stdout
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(box.data / "tls/ca.crt"), "-noout", "-fingerprint",
         "-sha256"], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.strip().rpartition("=")[2] in page


def test_a_chosen_name_has_its_certificate_too(box: Box, api: Api) -> None:
    made = api.create(hostname="hello", name="named")
    shown = api.until(made["id"], "running")
    assert address_of(shown) == f"https://hello.localhost:{box.https_port}"
    assert status(box, address_of(shown)) == 200
    api.http.delete(f"/deployments/{made['id']}")


def test_a_raw_port_reaches_the_container_and_is_given_back(box: Box, api: Api) -> None:
    made = api.create(
        templateId=None, customImage="localhost/test/busybox", name="echo",
        ports=[{"port": 7, "protocol": "tcp"}],
        command=["/bin/busybox", "nc", "-ll", "-p", "7", "-e", "/bin/busybox", "cat"],
    )  # fmt: skip
    shown = api.until(made["id"], "running")
    [endpoint] = shown["endpoints"]
    assert (endpoint["type"], endpoint["internalPort"]) == ("tcp", 7)
    where = urlsplit(endpoint["url"])
    port, data = where.port or 0, b"hello" * 10_000
    wait_for(lambda: echoed(port, data) == data)
    api.http.post(f"/deployments/{made['id']}/stop")
    api.until(made["id"], "stopped")
    assert echoed(port, data) == b""
    api.http.post(f"/deployments/{made['id']}/start")
    [again] = api.until(made["id"], "running")["endpoints"]
    assert again["url"] == endpoint["url"]
    api.http.delete(f"/deployments/{made['id']}")


def echoed(port: int, data: bytes) -> bytes:
    """What comes back until the other side ends, after we have ended ours."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except OSError:
            return b""


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_the_command_line_comes_from_elsewhere_over_the_authority(
    api: Api, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("APPLIANCE_TOKEN", api.box.token())
    elsewhere = ("ps", "--url", f"{scheme}://localhost:{api.box.https_port}")
    untrusted = api.box.cli(*elsewhere)
    assert untrusted.returncode != 0
    assert "is not trusted here" in untrusted.stderr
    assert f"{elsewhere[-1]}/trust says how" in untrusted.stderr
    monkeypatch.setenv("SSL_CERT_FILE", str(api.box.data / "tls/ca.crt"))
    trusted = api.box.cli(*elsewhere)
    assert trusted.returncode == 0, trusted.stderr
