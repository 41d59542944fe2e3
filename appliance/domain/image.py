"""Image references, completed as Docker users expect.

The grammar is that of github.com/distribution/reference (``reference.go``); the completion that of
its ``normalize.go``, with two differences: the transport prefixes of Skopeo and Podman are refused
by name, and a tag beside a digest is dropped, because the digest alone decides what runs.
"""

import re

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
NAME_MAX = 255

TRANSPORT = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://|(?:containers-storage|dir|docker-archive|docker-daemon|oci"
    r"|oci-archive|ostree|sif|tarball):)",
    re.IGNORECASE,
)
LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
DOMAIN = re.compile(rf"(?:{LABEL}(?:\.{LABEL})*|\[[0-9a-f:]+\])(?::[0-9]{{1,5}})?")
PATH = re.compile(
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
)
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
IMAGE_ID = re.compile(r"[0-9a-f]{64}")


def complete(reference: str) -> str:
    """The full reference: ``nginx`` is ``docker.io/library/nginx:latest``.

    A name on ``localhost/`` stays as it is: it is this machine's own. Completing a complete
    reference changes nothing.

    Raises:
        ValueError: it is no image reference; the message says why.
    """
    _refuse_look_alikes(reference)
    named, at, digest = reference.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise ValueError("the digest must be sha256: and 64 digits of 0-9 and a-f")
    name, tag = _split_tag(named)
    full = _full_name(name)
    return f"{full}@{digest}" if at else f"{full}:{tag or DEFAULT_TAG}"


def _refuse_look_alikes(reference: str) -> None:
    if TRANSPORT.match(reference):
        raise ValueError("must be an image's name without a transport such as docker://")
    if IMAGE_ID.fullmatch(reference):
        raise ValueError("must be an image's name, not an image's id")
    if reference != reference.strip() or not reference:
        raise ValueError("must be an image's name such as nginx or ghcr.io/owner/name:tag")


def _split_tag(named: str) -> tuple[str, str | None]:
    """The last colon begins a tag, unless a slash follows: then it begins a port."""
    name, colon, tag = named.rpartition(":")
    if not colon or "/" in tag:
        return named, None
    if not TAG.fullmatch(tag):
        raise ValueError("the tag must be 1 to 128 letters, digits, '_', '.' or '-'")
    return name, tag


def _full_name(name: str) -> str:
    domain, path = _split_domain(name)
    if not DOMAIN.fullmatch(domain):
        raise ValueError("the registry must be a host name in lower case, with a port or none")
    if path != path.lower():
        raise ValueError("the name must be in lower case")
    if not PATH.fullmatch(path):
        raise ValueError(
            "the name must be lower-case letters and digits, with '.', '_', '-' or '/' between them"
        )
    if len(full := f"{domain}/{path}") > NAME_MAX:
        raise ValueError(f"the name must be at most {NAME_MAX} characters")
    return full


def _split_domain(name: str) -> tuple[str, str]:
    """What stands before the first slash is a registry if it could not be a folder."""
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = DEFAULT_DOMAIN, name
    if first == "index.docker.io":
        first = DEFAULT_DOMAIN
    if first == DEFAULT_DOMAIN and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest
