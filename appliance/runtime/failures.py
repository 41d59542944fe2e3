"""What Podman's complaints mean: the one place that maps its words to our errors.

Podman answers the same trouble with different status codes from version to version, so what
counts is the text: ``cause`` is its own name for the error, ``message`` the whole story
(libpod's error model; the texts were measured on 4.3.1 and 5.4.2).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anyio

from appliance.domain.errors import (
    ContainerWedged,
    ImageFailure,
    InterfacesMoved,
    NameInUse,
    NoSuchContainer,
    PortTaken,
    RuntimeFailure,
    RuntimeTimeout,
    StartRefused,
)

BAD_REQUEST = 400
LONGEST_MESSAGE = 600

REFUSALS: tuple[tuple[str, type[RuntimeFailure]], ...] = (
    ("no such container", NoSuchContainer),
    ("no container with name or id", NoSuchContainer),
    ("name is already in use", NameInUse),
    ("network already exists", NameInUse),
    ("no such network interface", InterfacesMoved),
    ("cannot listen on the tcp port", PortTaken),
    ("address already in use", PortTaken),
    ("given id already exists", ContainerWedged),
    ("conmon exited prematurely", ContainerWedged),
    ("timed out waiting for file", ContainerWedged),
    ("network not found", ContainerWedged),
    ("command that was not found", StartRefused),
    ("executable file not found", StartRefused),
    ("exec format error", StartRefused),
    ("not a directory", StartRefused),
    ("oci permission denied", StartRefused),
    ("no matching entries in passwd", StartRefused),
    ("unresolvable cdi devices", StartRefused),
)
NO_IMAGE = ("image not known", "no such image")

PULL_FAILURES: tuple[tuple[str, str], ...] = (
    ("manifest unknown", "image_not_found"),
    ("name unknown", "image_not_found"),
    ("repository name not known", "image_not_found"),
    ("no image found in", "image_not_found"),
    ("unauthorized", "registry_unauthorized"),
    ("authentication required", "registry_unauthorized"),
    ("access to the resource is denied", "registry_unauthorized"),
    ("invalid username/password", "registry_unauthorized"),
    ("connection refused", "registry_unreachable"),
    ("connection reset", "registry_unreachable"),
    ("no such host", "registry_unreachable"),
    ("server misbehaving", "registry_unreachable"),
    ("no route to host", "registry_unreachable"),
    ("network is unreachable", "registry_unreachable"),
    ("i/o timeout", "registry_unreachable"),
    ("tls handshake", "registry_unreachable"),
    ("x509:", "registry_unreachable"),
    ("http response to https client", "registry_unreachable"),
    ("not found", "image_not_found"),
)


@contextmanager
def deadline(seconds: float, verb: str) -> Iterator[None]:
    """Gives what is inside ``seconds``.

    Raises:
        RuntimeTimeout: they are over; what was asked may still happen.
    """
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError as late:
        raise RuntimeTimeout(f"Podman did not {verb} within {seconds:g} s.") from late


def refusal(status: int, body: object) -> RuntimeFailure:
    """The error behind an answer of ``status`` 400 or above; ``body`` as Podman sent it."""
    cause, message = _story(body)
    text = f"{cause}\n{message}".lower()
    if any(words in text for words in NO_IMAGE):
        return ImageFailure("image_not_found", _sentence(message))
    for words, failure in REFUSALS:
        if words in text:
            return failure(_sentence(message))
    if status == BAD_REQUEST:
        return StartRefused(_sentence(message))
    return RuntimeFailure(_sentence(message))


def pull_failure(reference: str, message: str) -> ImageFailure:
    """The error behind a failed pull; Podman tells it in words only."""
    text = message.lower()
    code = next((code for words, code in PULL_FAILURES if words in text), "pull_failed")
    return ImageFailure(code, f"{reference} can't be fetched: {message[:LONGEST_MESSAGE]}")


def _story(body: object) -> tuple[str, str]:
    if isinstance(body, Mapping):
        fields: Mapping[str, Any] = body
        return str(fields.get("cause", "")), str(fields.get("message", ""))
    return "", str(body)


def _sentence(message: str) -> str:
    return f"Podman refused: {message[:LONGEST_MESSAGE]}"
