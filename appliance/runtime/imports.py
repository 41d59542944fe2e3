"""Makes an image of a root filesystem on this machine; no registry, no network."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

import httpx

from appliance.domain.errors import RuntimeFailure, RuntimeUnavailable
from appliance.runtime import wire

IMPORT_S = 120.0


async def import_image(
    url: str, references: Sequence[str], archive: bytes, changes: Sequence[str]
) -> None:
    """Imports a tar as an image with the names ``references`` (each with its tag).

    Args:
        url: where Podman's service listens.
        references: its names, each with a tag.
        archive: the root filesystem as a tar.
        changes: Dockerfile lines, as podman-import(1) takes them.

    Raises:
        RuntimeUnavailable: the service does not answer.
        RuntimeFailure: it refuses.
    """
    query = [("reference", references[0]), *(("changes", line) for line in changes)]
    async with wire.client(url, httpx.Timeout(IMPORT_S)) as client:
        await _post(client, f"import?{urlencode(query)}", archive)
        for reference in references[1:]:
            repo, _, tag = reference.rpartition(":")
            name = quote(references[0], safe="")
            await _post(client, f"{name}/tag?{urlencode({'repo': repo, 'tag': tag})}", b"")


async def _post(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    headers = {"Content-Type": "application/x-tar"}
    try:
        answer = await client.post(f"/v4.0.0/libpod/images/{path}", content=body, headers=headers)
    except httpx.TransportError as error:
        raise RuntimeUnavailable(f"Podman does not answer: {error}") from error
    if answer.is_error:
        raise RuntimeFailure(f"Podman can't import an image: {answer.text[:300]}")
