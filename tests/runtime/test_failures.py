"""Podman's words and what they mean; each text was seen on 4.3.1 or 5.4.2."""

import pytest

from appliance.domain.errors import (
    ContainerWedged,
    ImageFailure,
    NameInUse,
    NoSuchContainer,
    PortTaken,
    RuntimeFailure,
    StartRefused,
)
from appliance.runtime.failures import pull_failure, refusal


@pytest.mark.parametrize(
    ("status", "cause", "message", "failure"),
    [
        (404, "no such container", 'no container with name or ID "x" found', NoSuchContainer),
        (500, "that name is already in use", "creating container storage: …", NameInUse),
        (
            500,
            "address already in use",
            "cannot listen on the TCP port: listen tcp4 127.0.0.1:1: bind: address already in use",
            PortTaken,
        ),
        (
            500,
            "OCI runtime error",
            "runc create failed: container with given ID already exists: OCI runtime error",
            ContainerWedged,
        ),
        (500, "network not found", "unable to find network with name or ID x", ContainerWedged),
        (
            500,
            "OCI runtime attempted to invoke a command that was not found",
            'runc: "nosuch": executable file not found in $PATH',
            StartRefused,
        ),
        (500, "no matching entries in passwd file", "unable to find user x", StartRefused),
        (400, "bad parameter", "invalid value", StartRefused),
        (500, "container state improper", "is running or paused", RuntimeFailure),
        (500, "disk I/O error", "no space left on device", RuntimeFailure),
    ],
)
def test_causes_have_their_class(
    status: int, cause: str, message: str, failure: type[RuntimeFailure]
) -> None:
    error = refusal(status, {"cause": cause, "message": message, "response": status})
    assert type(error) is failure
    assert message in str(error)


@pytest.mark.parametrize("status", [404, 500])
def test_a_missing_image_is_an_image_failure_whatever_the_status(status: int) -> None:
    error = refusal(status, {"cause": "image not known", "message": "x: image not known"})
    assert isinstance(error, ImageFailure)
    assert error.code == "image_not_found"


def test_a_body_that_is_not_podmans_is_still_told() -> None:
    assert "Bad Gateway" in str(refusal(502, "Bad Gateway"))
    assert isinstance(refusal(500, None), RuntimeFailure)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("reading manifest 2 in x: manifest unknown: manifest unknown", "image_not_found"),
        ("requested access to the resource is denied", "registry_unauthorized"),
        ("unauthorized: authentication required", "registry_unauthorized"),
        ("dial tcp 127.0.0.1:1: connect: connection refused", "registry_unreachable"),
        ("dial tcp: lookup none.invalid: no such host", "registry_unreachable"),
        ("http: server gave HTTP response to HTTPS client", "registry_unreachable"),
        ("writing blob: no space left on device", "pull_failed"),
    ],
)
def test_pull_failures_have_their_code(message: str, code: str) -> None:
    error = pull_failure("registry/x:1", message)
    assert error.code == code
    assert "registry/x:1" in str(error)
