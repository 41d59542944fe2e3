"""Our own credentials in the head of a request: found, and taken out again."""

from collections.abc import Iterable
from dataclasses import replace

from appliance.domain.token_text import is_ours
from appliance.ingress.head import Fields, Head
from appliance.ingress.visits import COOKIE

BEARER = b"bearer "
OURS = COOKIE.encode() + b"="
READING = frozenset({b"GET", b"HEAD"})


def bearers(head: Head) -> list[str]:
    """The tokens of ours that the request shows (RFC 6750, 2.1)."""
    return [t for value in head.all(b"authorization") if (t := _token(value)) is not None]


def cookies(head: Head) -> list[str]:
    """The values of our cookie that the request shows; a browser sends one."""
    pairs = (pair for value in head.all(b"cookie") for pair in _pairs(value))
    found = (pair.removeprefix(OURS) for pair in pairs if pair.startswith(OURS))
    return [value.decode("latin-1") for value in found if value.isascii()]


def without(head: Head) -> Head:
    """The head as the container may see it: without anything of ours, else as it came."""
    return replace(head, fields=tuple(_cleaned(head.fields)))


def asked_by_itself(head: Head, *, secure: bool) -> bool:
    """Whether a browser's request was made by a page of this very host, or by the person.

    Cookies come along from pages of other deployments too, which are the same *site*: SameSite
    does not tell them apart. Fetch Metadata does (w3.org/TR/fetch-metadata), and Origin for what
    changes something or opens a WebSocket (RFC 6454, 7; RFC 6455, 10.2).
    """
    origin = head.get(b"origin")
    if origin is not None and origin.lower() != _own_origin(head, secure=secure):
        return False
    if head.get(b"sec-fetch-site") in (None, b"same-origin", b"none"):
        return True
    opened = head.get(b"sec-fetch-mode") == b"navigate"
    whole = head.get(b"sec-fetch-dest") == b"document"
    return opened and whole and head.method in READING


def _own_origin(head: Head, *, secure: bool) -> bytes:
    scheme = b"https://" if secure else b"http://"
    return scheme + (head.get(b"host") or b"").lower()


def _cleaned(fields: Fields) -> Iterable[tuple[bytes, bytes]]:
    for name, value in fields:
        match name.lower():
            case b"authorization" if _token(value) is not None:
                continue
            case b"cookie" if OURS in value:
                kept = [pair for pair in _pairs(value) if not pair.startswith(OURS)]
                if kept:
                    yield name, b"; ".join(kept)
            case _:
                yield name, value


def _token(value: bytes) -> str | None:
    if value[: len(BEARER)].lower() != BEARER:
        return None
    text = value[len(BEARER) :].strip().decode("latin-1")
    return text if is_ours(text) else None


def _pairs(value: bytes) -> list[bytes]:
    return [pair.strip() for pair in value.split(b";")]
