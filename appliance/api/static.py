"""The web page's files: read once at start, so that one version of the page is served throughout.

A path is looked up among the files that were read, never in the file system: there is nothing to
climb out of. What is below ``/ui/`` and no file is a place inside the page, so it gets the page.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from appliance.api.problems import problem

MOUNT = "/ui/"
INDEX = "index.html"
MIN_GZIP_BYTES = 1024
TEXT_TYPES = ("text/", "application/json", "image/svg+xml")
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
"""Not left to the machine's own table of types, which may say anything."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Our own files only, nothing inline, and no way from text to markup (W3C CSP 3, Trusted Types)."""

HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, ready to be sent. ``packed`` is its gzip form where that is smaller."""

    content: bytes
    packed: bytes | None
    media_type: str
    etag: str


def web_root() -> Path:
    """Where the page's files are: in the package, or beside it in a checkout.

    Raises:
        FileNotFoundError: in neither; the installation is not whole.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "_web", package.parent / "web"):
        if (folder / INDEX).is_file():
            return folder
    raise FileNotFoundError("the web page's files are missing: install the appliance again")


def with_page(app: ASGIApp, root: Path) -> ASGIApp:
    """``app``, with the page below ``root`` at ``/ui/``; ``/`` leads there.

    Raises:
        OSError: the files can't be read.
    """
    assets = _read(root)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        ours = path == "/" or path == MOUNT.rstrip("/") or path.startswith(MOUNT)
        if scope["type"] != "http" or not ours:
            await app(scope, receive, send)
            return
        response = _answer(assets, Request(scope))
        await response(scope, receive, send)

    return serve


def _answer(assets: Mapping[str, Asset], request: Request) -> Response:
    path = request.url.path
    if request.method not in ("GET", "HEAD"):
        headers = {**HEADERS, "Allow": "GET, HEAD"}
        return problem(405, "method_not_allowed", f"{path} takes GET, HEAD", headers)
    if not path.startswith(MOUNT):
        return RedirectResponse(MOUNT, HTTPStatus.FOUND, HEADERS)
    asset = _find(assets, path.removeprefix(MOUNT))
    if asset is None:
        return problem(404, "not_found", f"no file is at {path}", HEADERS)
    return _fresh(asset, request)


def _find(assets: Mapping[str, Asset], name: str) -> Asset | None:
    """The file of that name, or the page itself for a place inside it (no dot in its last part)."""
    is_place = "." not in name.rsplit("/", 1)[-1]
    return assets.get(name) or (assets[INDEX] if is_place else None)


def _fresh(asset: Asset, request: Request) -> Response:
    """The file, or 304 if the caller has it already (RFC 9110, section 13.1.2)."""
    headers = {**HEADERS, "ETag": asset.etag}
    known = request.headers.get("if-none-match", "")
    if asset.etag in (tag.strip() for tag in known.split(",")):
        return Response(None, 304, headers)
    accepted = request.headers.get("accept-encoding", "")
    if asset.packed is None or "gzip" not in accepted:
        return Response(asset.content, 200, headers, media_type=asset.media_type)
    headers["Content-Encoding"] = "gzip"
    return Response(asset.packed, 200, headers, media_type=asset.media_type)


def _read(root: Path) -> dict[str, Asset]:
    files = (file for file in root.rglob("*") if file.is_file())
    return {file.relative_to(root).as_posix(): _asset(file) for file in files}


def _asset(file: Path) -> Asset:
    content = file.read_bytes()
    media_type = TYPES.get(file.suffix, "application/octet-stream")
    is_text = media_type.startswith(TEXT_TYPES)
    packed = gzip.compress(content, mtime=0) if is_text and len(content) > MIN_GZIP_BYTES else None
    etag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Asset(content, packed, media_type, etag)
