"""Which paths of a deployment are open, where not all of them are."""

from collections.abc import Collection
from urllib.parse import unquote_to_bytes


def leads_to(paths: Collection[str] | None, target: bytes) -> bool:
    """Whether a request's ``target`` is one of ``paths``, or lies below one that ends in a slash.

    Servers take escapes out of a path, and some walk along its dots: it is judged as they would
    see it, and one that could be walked in two ways leads nowhere. None: every path is open.
    """
    if paths is None:
        return True
    path = unquote_to_bytes(target.partition(b"?")[0])
    if b"\\" in path or not {b".", b"..", b""}.isdisjoint(path.split(b"/")[1:-1]):
        return False
    if path.endswith((b"/.", b"/..")):
        return False
    return any(_matches(one.encode(), path) for one in paths)


def _matches(one: bytes, path: bytes) -> bool:
    return path.startswith(one) if one.endswith(b"/") else path == one
