"""A browser trusts the authority for this machine's names, and for nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from appliance.ingress.certificates import Certificates
from tests.ingress.tls import Place, Server, serving, trust
from tests.web.browser import environ

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HOST = "dep-a.localhost"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    names = frozenset({"localhost", "127.0.0.1"})
    return Place(tmp_path, console=names, hosts=frozenset({HOST}))


@pytest.fixture
def certificates(place: Place) -> Certificates:
    return place.open()[0]


@pytest.fixture
async def server(certificates: Certificates) -> AsyncIterator[Server]:
    async with serving(certificates) as made:
        yield made


async def visit(home: Path, url: str) -> str:
    """What the browser makes of a page."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={home / 'chrome'}"]
    rules = "--host-resolver-rules=MAP * 127.0.0.1"
    done = await anyio.run_process(
        ["chromium-headless-shell", *options, rules, "--dump-dom", url],
        env=environ(HOME=str(home)), check=False,
    )  # fmt: skip
    return done.stdout.decode()


@pytest.mark.parametrize("name", [HOST, "localhost", "127.0.0.1"])
async def test_chromium_opens_what_the_authority_may_speak_for(
    place: Place, server: Server, tmp_path: Path, name: str
) -> None:
    trust(tmp_path / "home", place.ca_file)
    assert "yes" in await visit(tmp_path / "home", f"https://{name}:{server.port}/")


async def test_chromium_opens_nothing_before_the_authority_is_trusted(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    page = await visit(tmp_path / "home", f"https://{HOST}:{server.port}/")
    assert "<body>yes" not in page
    assert ">yes<" not in page
