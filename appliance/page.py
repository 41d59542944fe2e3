"""A small page of our own: no script, one style, a policy that allows nothing else.

What comes from a request, a container or a user stands in it only through ``fill``, as text.
"""

import base64
import hashlib
from html import escape
from importlib.resources import files

STYLE = (files("appliance") / "page.css").read_text(encoding="utf-8")
STYLE_SHA256 = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_SHA256}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
"""What a page is served with (CSP 3, 2.3.1: the style is allowed by its digest)."""


def fill(template: str, **values: object) -> str:
    """HTML from a ``template`` of ours with ``values``, escaped, in place of ``{name}``."""
    return template.format(**{name: escape(str(value)) for name, value in values.items()})


def document(title: str, body: str, *, wide: bool = False, refresh_s: int | None = None) -> bytes:
    """The whole page. ``body`` is HTML already; the page loads itself again after ``refresh_s``."""
    refresh = "" if refresh_s is None else f'<meta http-equiv="refresh" content="{refresh_s}">\n'
    kind = ' class="wide"' if wide else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n'
        f"{refresh}<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main{kind}>\n{body}\n</main>\n</body>\n</html>\n"
    ).encode()
