"""Credentials for private registries, from a containers-auth.json(5) file."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from appliance.domain.errors import ImageFailure

DOCKER_HUB = "docker.io"
DOCKER_HUB_KEY = "https://index.docker.io/v1/"  # what `docker login` writes for it


class Credentials:
    """The file at ``path``, read anew for every pull so that a login counts at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def header(self, reference: str) -> dict[str, str]:
        """``X-Registry-Auth`` for a complete image reference; empty without file or entry.

        Raises:
            ImageFailure: ``registry_unauthorized``, the file can't be read.
        """
        try:
            entries = json.loads(self._path.read_text()).get("auths", {})
            encoded = entry(entries, reference).get("auth", "")
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            text = f"The registry credentials in {self._path} can't be read: {error}"
            raise ImageFailure("registry_unauthorized", text) from error
        if not user:
            return {}
        login = json.dumps({"username": user, "password": password})
        return {"X-Registry-Auth": base64.urlsafe_b64encode(login.encode()).decode()}


def entry(entries: Mapping[str, Mapping[str, str]], reference: str) -> Mapping[str, str]:
    """The most special entry: ``host/team/app`` goes before ``host/team`` before ``host``."""
    *parents, last = reference.partition("@")[0].split("/")
    parts = [*parents, last.partition(":")[0]]
    keys = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
    if parts[0] == DOCKER_HUB:
        keys.append(DOCKER_HUB_KEY)
    return next((entries[key] for key in keys if key in entries), {})
