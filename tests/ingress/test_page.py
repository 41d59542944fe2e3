"""A page of a hundred parts and a WebSocket, in a real browser that trusts the authority."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from playwright.async_api import BrowserContext, ConsoleMessage, Page, async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from appliance.ingress.authority import Authority
from appliance.ingress.certificates import Certificates
from appliance.listeners import server
from tests.ingress.doorlab import DOMAIN, Lab, door
from tests.ingress.tls import Place, trust
from tests.podman_harness import free_ports
from tests.waiting import eventually
from tests.web.browser import ARGUMENTS, environ

pytestmark = pytest.mark.anyio

HOST = f"dep-a.{DOMAIN}"
KINDS = {"css": ("text/css", 20), "js": ("text/javascript", 30), "svg": ("image/svg+xml", 50)}
MESSAGES = 50
SCRIPT = """
const socket = new WebSocket(`wss://${location.host}/socket`);
let came = 0;
socket.onopen = () => socket.send('0');
socket.onmessage = (event) => {
  if (event.data !== String(came)) throw new Error(`${event.data} is not ${came}`);
  came += 1;
  if (came < MESSAGES) socket.send(String(came)); else socket.close(1000);
};
socket.onclose = (event) => { window.socketEnd = `${came} ${event.code} ${event.wasClean}`; };
""".replace("MESSAGES", str(MESSAGES))
FOUND = """() => ({
  css: [...document.styleSheets].filter((sheet) => sheet.cssRules.length === 1).length,
  js: window.ran,
  svg: [...document.images].filter((image) => image.naturalWidth === 16).length,
})"""


def page_of_parts() -> str:
    tags = {
        "css": '<link rel="stylesheet" href="/{}.css">',
        "js": '<script src="/{}.js"></script>',
        "svg": '<img src="/{}.svg">',
    }
    parts = [tags[kind].format(n) for kind, (_, count) in KINDS.items() for n in range(count)]
    body = "".join(parts)
    return f'<!doctype html><link rel="icon" href="data:,">{body}<script>{SCRIPT}</script>'


def part(kind: str, n: int) -> bytes:
    """Some 100 bytes to 100 KiB, so that many need more than one read."""
    filler = "x" * (100 * 4 ** (n % 6))
    return {
        "css": f"/* {filler} */ .c{n} {{ color: red; }}",
        "js": f"/* {filler} */ window.ran = (window.ran ?? 0) + 1;",
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg" width="16" height="9"><!-- {filler} -->'
        "</svg>",
    }[kind].encode()


async def whole(_request: Request) -> Response:
    return HTMLResponse(page_of_parts())


async def one_part(request: Request) -> Response:
    name, kind = request.path_params["name"].split(".")
    return Response(part(kind, int(name)), media_type=KINDS[kind][0])


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


APP = Starlette(
    routes=[Route("/", whole), WebSocketRoute("/socket", echo), Route("/{name}", one_part)]
)


@pytest.fixture
def opened(tmp_path: Path) -> tuple[Place, Certificates, Authority]:
    place = Place(tmp_path, console=frozenset({DOMAIN}), hosts=frozenset({HOST}))
    return (place, *place.open())


@pytest.fixture
async def site(tmp_path: Path, opened: tuple[Place, Certificates, Authority]) -> AsyncIterator[Lab]:
    """The page, as a deployment behind the door."""
    [port] = free_ports(1)
    backend = server(APP, grace_s=1)
    backend.config.port = port
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(backend.serve)
        await eventually(lambda: backend.started)
        async with door(tmp_path, certificates=opened[1]) as lab:
            lab.write("dep_a", {80: port})
            yield lab
        backend.should_exit = True


@pytest.fixture
async def browser(
    tmp_path: Path, opened: tuple[Place, Certificates, Authority]
) -> AsyncIterator[BrowserContext]:
    """It trusts the authority, and finds every name on this machine."""
    home = tmp_path / "home"
    trust(home, opened[0].ca_file)
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            home / "chrome",
            executable_path=shutil.which("chromium-headless-shell"),
            args=[*ARGUMENTS, "--host-resolver-rules=MAP * 127.0.0.1"],
            env={**environ(HOME=str(home))},
        )
        yield context
        await context.close()


def listen(page: Page) -> list[str]:
    """What the browser will be unhappy with."""
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"{request.url} {request.failure}"))
    return complaints


async def test_a_page_of_a_hundred_parts_and_a_websocket_loads_without_a_complaint(
    site: Lab, browser: BrowserContext
) -> None:
    page = await browser.new_page()
    complaints = listen(page)
    await page.goto(f"https://{HOST}:{site.https_port}/")
    await page.wait_for_function("window.socketEnd !== undefined")
    assert complaints == []
    assert await page.evaluate("window.socketEnd") == f"{MESSAGES} 1000 true"
    assert await page.evaluate(FOUND) == {kind: count for kind, (_, count) in KINDS.items()}
    assert site.activity.of("dep_a").answers[2] >= 1 + sum(count for _, count in KINDS.values())
