"""Handshakes by real clients: who gets which certificate, and what a change of it costs."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from appliance.ingress.authority import Authority, Reach
from appliance.ingress.certificates import Certificates
from appliance.ingress.leaves import MINTING
from appliance.ingress.owned import OwnerFiles
from tests.ingress.tls import Place, Server, asked, curl, s_client, serving
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

HOST = "dep-a.box.local"
NO_HANDSHAKE = "no peer certificate available"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def certificates(place: Place) -> Certificates:
    return place.open()[0]


@pytest.fixture
async def server(certificates: Certificates) -> AsyncIterator[Server]:
    async with serving(certificates) as made, anyio.create_task_group() as tasks:
        tasks.start_soon(certificates.run)
        yield made
        tasks.cancel_scope.cancel()


def leaf_file(place: Place, name: str = HOST) -> Path:
    return place.folder / f"tls/{name}.pem"


def serial(file: Path) -> int:
    return x509.load_pem_x509_certificate(file.read_bytes()).serial_number


async def served_serial(port: int, host: str | None) -> int | None:
    """The serial number of the certificate a client is shown, None if it is shown none."""

    def shake() -> int | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            pem = _shown(context, port, host)
        except ssl.SSLError:
            return None
        return x509.load_der_x509_certificate(pem).serial_number

    return await anyio.to_thread.run_sync(shake)


def _shown(context: ssl.SSLContext, port: int, host: str | None) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        return connection.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize("name", ["box.local", "localhost", "127.0.0.1", HOST, HOST.upper()])
async def test_curl_trusts_every_name_by_the_authority_alone(
    place: Place, server: Server, name: str
) -> None:
    done = await curl(f"https://{name}/", server.port, place.ca_file)
    assert done.stderr == b""
    assert done.stdout == b"yes"


async def test_a_name_that_is_none_of_ours_gets_no_handshake(place: Place, server: Server) -> None:
    said = await s_client(server.port, "-servername", "dep-z.box.local")
    assert NO_HANDSHAKE in said
    assert not leaf_file(place, "dep-z.box.local").exists()


async def test_the_door_learns_which_name_was_asked_for(place: Place, server: Server) -> None:
    await curl(f"https://{HOST.upper()}/", server.port, place.ca_file)
    await curl("https://127.0.0.1/", server.port, place.ca_file)
    assert server.asked == [HOST, None]


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (["-tls1_3"], "New, TLSv1.3, Cipher is"),
        (["-tls1_2"], "New, TLSv1.2, Cipher is"),
        (["-tls1_1"], NO_HANDSHAKE),
        (["-alpn", "h2,http/1.1"], "ALPN protocol: http/1.1"),
        (["-alpn", "h2"], "No ALPN negotiated"),
    ],
)
async def test_tls_is_1_2_or_1_3_and_speaks_http_1_1(
    place: Place, server: Server, asked: list[str], answered: str
) -> None:
    trust = ["-CAfile", str(place.ca_file), "-servername", HOST]
    said = await s_client(server.port, *asked, *trust)
    assert answered in said


async def test_a_deployments_name_gets_its_certificate_when_asked_for_and_loses_it_as_it_goes(
    place: Place, certificates: Certificates, server: Server
) -> None:
    assert await served_serial(server.port, "dep-b.box.local") is None
    place.hosts |= {"dep-b.box.local"}
    certificates.notice()

    async def answered() -> bool:
        done = await curl("https://dep-b.box.local/", server.port, place.ca_file)
        return done.stdout == b"yes"

    await eventually(answered)
    assert leaf_file(place, "dep-b.box.local").exists()
    place.hosts -= {"dep-b.box.local"}
    certificates.notice()
    await eventually(lambda: not leaf_file(place, "dep-b.box.local").exists())
    assert await served_serial(server.port, "dep-b.box.local") is None


def test_a_restart_makes_no_certificate_anew(place: Place) -> None:
    assert asked(place.open()[0], HOST)
    before = {file.name: file.read_bytes() for file in (place.folder / "tls").iterdir()}
    assert leaf_file(place).name in before
    assert asked(place.open()[0], HOST)
    assert {file.name: file.read_bytes() for file in (place.folder / "tls").iterdir()} == before


def test_a_restart_forgets_certificates_of_what_is_gone(place: Place) -> None:
    assert asked(place.open()[0], HOST)
    place.hosts = frozenset()
    place.open()
    assert not leaf_file(place).exists()


def test_a_file_cut_short_by_a_crash_is_made_anew(place: Place) -> None:
    assert asked(place.open()[0], HOST)
    leaf_file(place).write_bytes(leaf_file(place).read_bytes()[:300])
    assert asked(place.open()[0], HOST)
    assert serial(leaf_file(place))


async def test_a_certificate_renews_itself_while_a_connection_stays(
    place: Place, certificates: Certificates, server: Server
) -> None:
    trust = ssl.create_default_context(cafile=place.ca_file)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=trust, server_hostname=HOST
    )
    before = await served_serial(server.port, HOST), await served_serial(server.port, None)
    place.clock.move(timedelta(days=61))
    certificates.notice()

    async def both_renewed() -> bool:
        now = await served_serial(server.port, HOST), await served_serial(server.port, None)
        return all(a != b for a, b in zip(before, now, strict=True))

    await eventually(both_renewed)
    writer.write(b"still there?")
    assert (await reader.read(100)).endswith(b"yes")
    writer.close()


async def test_a_new_address_gets_into_the_consoles_certificate(
    place: Place, server: Server
) -> None:
    place.console |= {"192.168.77.5", "203.0.113.5"}

    async def covered() -> bool:
        done = await curl("https://192.168.77.5/", server.port, place.ca_file)
        return done.returncode == 0

    await eventually(covered)
    # An address out of the authority's reach is left out: in it would spoil all the others.
    done = await curl("https://203.0.113.5/", server.port, place.ca_file)
    assert b"no alternative certificate subject name matches" in done.stderr


def test_nobody_asked_nothing_is_minted_and_minting_is_bounded(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.hosts = frozenset(f"dep-{n}.box.local" for n in range(MINTING.burst + 10))
    certificates, _ = place.open()
    assert not list((place.folder / "tls").glob("dep-*"))
    got = [host for host in sorted(place.hosts) if asked(certificates, host)]
    assert len(got) == MINTING.burst - 1  # and the console's
    assert "no certificate for dep-" in caplog.text
    place.clock.move(timedelta(hours=1))
    assert all(asked(certificates, host) for host in place.hosts)


class Owner:
    """Somebody with an authority of their own, who writes the files we follow."""

    def __init__(self, folder: Path, now: datetime) -> None:
        self.now = now
        self.ca = Authority.make(Reach.of(["box.local"]), "owner", now)
        self.ca_file = folder / "owner-ca.crt"
        self.ca_file.write_bytes(self.ca.pem)
        self.files = OwnerFiles(folder / "cert.pem", folder / "key.pem")
        self.renew()

    def renew(self, now: datetime | None = None) -> int:
        pem = self.ca.issue(["box.local", "*.box.local"], now or self.now)
        key, _, certificate = pem.partition(b"-----BEGIN CERTIFICATE-----")
        self.files.key.write_bytes(key)
        self.files.certificate.write_bytes(b"-----BEGIN CERTIFICATE-----" + certificate)
        return serial(self.files.certificate)


@pytest.fixture
def owner(place: Place) -> Owner:
    made = Owner(place.folder, place.clock.now().wall)
    place.owner = made.files
    return made


async def test_the_owners_certificate_answers_to_its_names_and_ours_to_the_others(
    place: Place, owner: Owner, server: Server
) -> None:
    for name in ("box.local", HOST):
        done = await curl(f"https://{name}/", server.port, owner.ca_file)
        assert done.stdout == b"yes", done.stderr
    for name in ("localhost", "127.0.0.1"):
        done = await curl(f"https://{name}/", server.port, place.ca_file)
        assert done.stdout == b"yes", done.stderr
    assert await served_serial(server.port, "dep-z.box.local") is None
    assert not leaf_file(place).exists()


async def test_a_renewed_owners_certificate_is_served_and_no_connection_is_lost(
    owner: Owner, server: Server, certificates: Certificates
) -> None:
    trust = ssl.create_default_context(cafile=owner.ca_file)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=trust, server_hostname=HOST
    )
    renewed = owner.renew()
    certificates.notice()

    async def served() -> bool:
        return await served_serial(server.port, HOST) == renewed

    await eventually(served)
    writer.write(b"still there?")
    assert (await reader.read(100)).endswith(b"yes")
    writer.close()


@pytest.mark.parametrize("fault", ["nonsense", "another key", "expired", "missing", "encrypted"])
async def test_a_bad_new_file_never_replaces_a_good_one(
    owner: Owner,
    server: Server,
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    good = await served_serial(server.port, HOST)
    spoil(owner, fault)
    certificates.notice()
    await eventually(lambda: "serving the one before" in caplog.text)
    assert await served_serial(server.port, HOST) == good
    mended = owner.renew()
    certificates.notice()

    async def served() -> bool:
        return await served_serial(server.port, HOST) == mended

    await eventually(served)


def spoil(owner: Owner, fault: str) -> None:
    match fault:
        case "nonsense":
            owner.files.certificate.write_bytes(b"nonsense")
        case "another key":
            kept = owner.files.key.read_bytes()
            owner.renew()
            owner.files.key.write_bytes(kept)
        case "expired":
            owner.renew(owner.now - timedelta(days=100))
        case "missing":
            owner.files.key.unlink()
        case _:
            key = serialization.load_pem_private_key(owner.files.key.read_bytes(), None)
            sealed = serialization.BestAvailableEncryption(b"secret")
            pkcs8 = serialization.PrivateFormat.PKCS8
            owner.files.key.write_bytes(
                key.private_bytes(serialization.Encoding.PEM, pkcs8, sealed)
            )


def test_bad_files_at_the_start_are_told_and_our_own_serve(
    place: Place, owner: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(owner, "nonsense")
    certificates, _ = place.open()
    assert "serving our own" in caplog.text
    assert asked(certificates, HOST)
    assert leaf_file(place).exists()
