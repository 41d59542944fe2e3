"""Secrets at rest: AES-256-GCM, a random nonce each, bound to the deployment they belong to."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.domain.errors import StartRefused
from appliance.private_file import write_private

KEY_BYTES = 32
NONCE_BYTES = 12


class Vault:
    """Seals and opens a deployment's secrets with the key of this installation."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, deployment_id: str, values: Mapping[str, str]) -> bytes | None:
        """The secrets as they may lie on a disk; None for none."""
        if not values:
            return None
        nonce = secrets.token_bytes(NONCE_BYTES)
        text = json.dumps(dict(values)).encode()
        return nonce + self._cipher.encrypt(nonce, text, deployment_id.encode())

    def open(self, deployment_id: str, sealed: bytes | None) -> dict[str, str]:
        """The secrets again.

        Raises:
            StartRefused: they were sealed with another key, or for another deployment.
        """
        if sealed is None:
            return {}
        nonce, text = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            values = json.loads(self._cipher.decrypt(nonce, text, deployment_id.encode()))
        except InvalidTag as error:
            raise StartRefused(
                "The secrets can't be opened with this machine's key (secret.key): "
                "bring back that file, or deploy anew"
            ) from error
        return {str(name): str(value) for name, value in values.items()}


def load_key(path: Path) -> bytes:
    """The key of this installation, made at the first call; the file is the owner's alone.

    Raises:
        ValueError: the file is not a key.
        OSError: it can't be read or made.
    """
    if not os.path.lexists(path):  # a link that leads nowhere now is no reason for another key
        write_private(path, secrets.token_bytes(KEY_BYTES))
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ValueError(f"{path} is not a key of {KEY_BYTES} bytes")
    return key
