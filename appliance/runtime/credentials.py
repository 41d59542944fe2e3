"""Credentials for private registries, from a containers-auth.json(5) file."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.domain.errors import ImageFailure, StoreFailure
from appliance.private_file import write_private

DOCKER_HUB = "docker.io"
DOCKER_HUB_KEY = "https://index.docker.io/v1/"  # what `docker login` writes for it
UNREADABLE = (OSError, ValueError, AttributeError, TypeError)
"""The last two: something in it is of another kind than the format has there, null for one."""


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """Who pulls from ``host``; the password is in the file alone."""

    host: str
    username: str


class Credentials:
    """The file at ``path``, read anew for every pull so that a login counts at once.

    It is Podman's own format, so ``podman login --authfile`` and this class may take turns; what
    a key holds besides ``auth`` stays as it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def header(self, reference: str) -> dict[str, str]:
        """``X-Registry-Auth`` for a complete image reference; empty without file or entry.

        Raises:
            ImageFailure: ``registry_unauthorized``, the file can't be read.
        """
        try:
            encoded = entry(self._read().get("auths", {}), reference).get("auth", "")
            user, password = _decoded(encoded)
        except UNREADABLE as error:
            text = f"The registry credentials in {self._path} can't be read: {error}"
            raise ImageFailure("registry_unauthorized", text) from error
        if not user:
            return {}
        login = json.dumps({"username": user, "password": password})
        return {"X-Registry-Auth": base64.urlsafe_b64encode(login.encode()).decode()}

    def logins(self) -> list[RegistryLogin]:
        """Every login of the file, by host.

        Raises:
            StoreFailure: the file can't be read.
        """
        auths = self._checked().get("auths", {})
        return [
            RegistryLogin(host, _decoded(auths[host].get("auth", ""))[0]) for host in sorted(auths)
        ]

    def put(self, host: str, username: str, password: str) -> RegistryLogin:
        """Logs in at ``host`` from the next pull on.

        Raises:
            StoreFailure: the file can't be read or written.
        """
        content = self._checked()
        auth = base64.b64encode(f"{username}:{password}".encode()).decode()
        content.setdefault("auths", {})[host] = {"auth": auth}
        self._write(content)
        return RegistryLogin(host, username)

    def remove(self, host: str) -> bool:
        """Forgets the login at ``host``; False if there is none.

        Raises:
            StoreFailure: the file can't be read or written.
        """
        content = self._checked()
        if content.get("auths", {}).pop(host, None) is None:
            return False
        self._write(content)
        return True

    def _read(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        return content

    def _checked(self) -> dict[str, Any]:
        """The content, all of it as the format wants it, so that a change loses nothing."""
        try:
            content = self._read()
            for login in content.get("auths", {}).values():
                _decoded(login.get("auth", ""))
        except UNREADABLE as error:
            text = f"The registry credentials in {self._path} can't be read: {error}"
            raise StoreFailure(text) from error
        return content

    def _write(self, content: Mapping[str, Any]) -> None:
        try:
            write_private(self._path, json.dumps(content).encode())
        except OSError as error:
            raise StoreFailure(f"{self._path} can't be written: {error.strerror}") from error


def _decoded(auth: str) -> tuple[str, str]:
    user, _, password = base64.b64decode(auth, validate=True).decode().partition(":")
    return user, password


def entry(entries: Mapping[str, Mapping[str, str]], reference: str) -> Mapping[str, str]:
    """The most special entry: ``host/team/app`` goes before ``host/team`` before ``host``."""
    *parents, last = reference.partition("@")[0].split("/")
    parts = [*parents, last.partition(":")[0]]
    keys = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
    if parts[0] == DOCKER_HUB:
        keys.append(DOCKER_HUB_KEY)
    return next((entries[key] for key in keys if key in entries), {})
