"""``complete``: every spelling Docker users know, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.image import complete

DIGEST = "sha256:" + "ab" * 32

COMPLETED = {
    "nginx": "docker.io/library/nginx:latest",
    "nginx:1.27": "docker.io/library/nginx:1.27",
    "nginx:Stable_1.x-y": "docker.io/library/nginx:Stable_1.x-y",
    "ollama/ollama": "docker.io/ollama/ollama:latest",
    "docker.io/nginx": "docker.io/library/nginx:latest",
    "index.docker.io/nginx": "docker.io/library/nginx:latest",
    "docker.io/library/nginx:latest": "docker.io/library/nginx:latest",
    "ghcr.io/open-webui/open-webui:main": "ghcr.io/open-webui/open-webui:main",
    "localhost/appliance/welcome": "localhost/appliance/welcome:latest",
    "localhost:5000/a": "localhost:5000/a:latest",
    "127.0.0.1:5000/a/b__c.d--e": "127.0.0.1:5000/a/b__c.d--e:latest",
    "[::1]:5000/a": "[::1]:5000/a:latest",
    "localhost": "docker.io/library/localhost:latest",
    f"nginx@{DIGEST}": f"docker.io/library/nginx@{DIGEST}",
    f"nginx:1.27@{DIGEST}": f"docker.io/library/nginx@{DIGEST}",
}

REFUSED = {
    "": "an image's name such as",
    " nginx": "an image's name such as",
    "docker://nginx": "without a transport",
    "https://ghcr.io/a/b": "without a transport",
    "oci:/var/lib/x": "without a transport",
    "containers-storage:nginx": "without a transport",
    "dir:/etc": "without a transport",
    "ab" * 32: "not an image's id",
    "Nginx": "lower case",
    "ghcr.io/Owner/name": "lower case",
    "GHCR.io/owner/name": "the registry must be",
    "-nginx": "the name must be",
    "nginx-": "the name must be",
    "a//b": "the name must be",
    "../etc": "the registry must be",
    "nginx:": "the tag must be",
    "nginx:-x": "the tag must be",
    "nginx:" + "a" * 129: "the tag must be",
    "user:secret@ghcr.io/a": "the digest must be",
    "nginx@sha256:short": "the digest must be",
    "nginx@sha512:" + "ab" * 64: "the digest must be",
    "nginx; rm -rf /": "the name must be",
    "nginx\n": "an image's name such as",
    "ngi\x00nx": "the name must be",
    "reg.example:123456/a": "the registry must be",
    "a" * 260: "at most 255",
}


@pytest.mark.parametrize(("reference", "full"), COMPLETED.items())
def test_a_reference_is_completed(reference: str, full: str) -> None:
    assert complete(reference) == full


@pytest.mark.parametrize("full", COMPLETED.values())
def test_a_complete_reference_stays_as_it_is(full: str) -> None:
    assert complete(full) == full


@pytest.mark.parametrize(("reference", "words"), REFUSED.items())
def test_what_is_no_reference_is_refused_in_words(reference: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        complete(reference)


@given(st.text(alphabet="aA0.:/@-_ \n", max_size=40))
def test_whatever_is_accepted_is_a_fixed_point_without_blanks(reference: str) -> None:
    try:
        full = complete(reference)
    except ValueError:
        return
    assert complete(full) == full
    assert not any(c.isspace() for c in full)
