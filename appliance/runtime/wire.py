"""httpx on the socket of Podman's service."""

import ssl

import httpx


def client(url: str, timeout: httpx.Timeout) -> httpx.AsyncClient:
    """A client of the service at ``url``: ``unix:///path`` or ``tcp://host:port``."""
    local = url.startswith("unix://")
    # Nothing there is TLS, and every public authority httpx would trust costs 2 MiB in all.
    transport = httpx.AsyncHTTPTransport(
        uds=url.removeprefix("unix://") if local else None,
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )
    base = "http://podman" if local else url.replace("tcp://", "http://", 1)
    return httpx.AsyncClient(transport=transport, base_url=base, timeout=timeout, trust_env=False)
