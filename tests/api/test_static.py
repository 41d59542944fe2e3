"""The web page's files: what is served, what a browser is told to allow, what is never reached."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse

from appliance.api.static import web_root, with_page
from tests.api.served import problem

pytestmark = pytest.mark.anyio
SCRIPT = "export const answer = 42;\n" * 100


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    root = tmp_path / "web"
    (root / "js").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>page</title>")
    (root / "js" / "main.js").write_text(SCRIPT)
    (tmp_path / "secret.key").write_text("hush")
    app = with_page(PlainTextResponse("the API"), root)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as made:
        yield made


@pytest.mark.parametrize("path", ["/", "/ui"])
async def test_the_root_leads_to_the_page(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.headers["location"]) == (302, "/ui/")


@pytest.mark.parametrize("path", ["/ui/", "/ui/deployments/dep_x/logs", "/ui/new"])
async def test_every_place_inside_the_page_is_the_page(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>page</title>" in answer.text


@pytest.mark.parametrize("path", ["/deployments", "/uix", "/healthz"])
async def test_all_else_is_the_api(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).text == "the API"


@pytest.mark.parametrize(
    "path",
    ["/ui/../secret.key", "/ui/%2e%2e/secret.key", "/ui/..%2fsecret.key", "/ui//etc/host.conf"],
)
async def test_nothing_outside_is_reached(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert "hush" not in answer.text
    assert answer.status_code in (200, 404)


async def test_a_file_that_is_not_there_is_not_the_page(http: httpx.AsyncClient) -> None:
    gone = problem(await http.get("/ui/js/gone.js"), 404)
    assert (gone["code"], gone["detail"]) == ("not_found", "no file is at /ui/js/gone.js")


async def test_a_browser_may_run_our_files_and_nothing_else(http: httpx.AsyncClient) -> None:
    headers = (await http.get("/ui/")).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in headers


async def test_what_the_browser_has_is_not_sent_again(http: httpx.AsyncClient) -> None:
    first = await http.get("/ui/js/main.js")
    assert first.headers["cache-control"] == "no-cache"
    again = await http.get("/ui/js/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_text_goes_packed_to_those_who_take_it(http: httpx.AsyncClient) -> None:
    packed = await http.get("/ui/js/main.js", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(SCRIPT) / 4
    assert packed.text == SCRIPT
    plain = await http.get("/ui/js/main.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == SCRIPT
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("path", ["/", "/ui/", "/ui/js/main.js"])
async def test_nothing_can_be_sent_to_a_file(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.post(path, content=b"x")
    assert problem(answer, 405)["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "GET, HEAD"


async def test_every_file_of_the_page_that_a_browser_reads_has_its_type() -> None:
    """A script of no type is not run."""
    app, root = with_page(PlainTextResponse("the API"), web_root()), web_root()
    files = [f.relative_to(root) for f in root.rglob("*") if f.is_file()]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as http:
        kinds = {f.suffix: (await http.get(f"/ui/{f}")).headers["content-type"] for f in files}
    script = "text/javascript; charset=utf-8"
    assert {s: k for s, k in kinds.items() if s in (".js", ".mjs")} == {
        ".js": script,
        ".mjs": script,
    }
    unread = {s for s, k in kinds.items() if k == "application/octet-stream"}
    assert unread == {".LICENSE", ""}


def test_the_page_is_where_the_code_is() -> None:
    assert (web_root() / "js" / "main.js").is_file()
