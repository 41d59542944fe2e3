"""The owner's certificate and key: files that somebody else renews while we serve."""

import logging
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from appliance.config import Settings
from appliance.ingress.authority import address_of, names_in
from appliance.ingress.leaves import server_context

log = logging.getLogger(__name__)

Version = tuple[tuple[int, int, int], ...]
"""Of both files: inode, size, time of change. Another one means other contents."""


@dataclass(frozen=True, slots=True)
class OwnerFiles:
    """Where the owner's certificate (with its chain) and key are, PEM."""

    certificate: Path
    key: Path

    def version(self) -> Version | None:
        """What is there now; None where a file is missing."""
        try:
            stats = [path.stat() for path in (self.certificate, self.key)]
        except OSError:
            return None
        return tuple((s.st_ino, s.st_size, s.st_mtime_ns) for s in stats)


def owner_files(settings: Settings) -> OwnerFiles | None:
    """Those the settings name; one file may hold both."""
    if settings.tls_cert is None:
        return None
    return OwnerFiles(settings.tls_cert, settings.tls_key or settings.tls_cert)


@dataclass(frozen=True, slots=True)
class OwnerCertificate:
    """A certificate of the owner's that was found good."""

    names: frozenset[str]
    context: ssl.SSLContext

    def covers(self, host: str) -> bool:
        """Whether it is good for ``host``: by name, or a wildcard of one label (RFC 9525, 6.3)."""
        if host in self.names:
            return True
        return address_of(host) is None and f"*.{host.partition('.')[2]}" in self.names


class Unfit(ValueError):
    """The files can't be served; the message says why."""


def read(files: OwnerFiles, now: datetime) -> OwnerCertificate:
    """The certificate in ``files``.

    Raises:
        Unfit: one can't be read, they do not belong together, or it is not valid now.
    """
    try:
        certificate = x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]
        context = server_context()
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except ssl.SSLError as error:
        raise Unfit(
            f"{files.key} is not the key of {files.certificate} ({error.reason})"
        ) from error
    except (OSError, ValueError) as error:
        raise Unfit(f"{files.certificate}, {files.key}: {error}") from error
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        raise Unfit(f"{files.certificate} is valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}")
    return OwnerCertificate(names_in(certificate), context)


class Owned:
    """Follows the owner's files: a good change is taken up, a bad one is told and waited out."""

    def __init__(self, files: OwnerFiles) -> None:
        self._files = files
        self._seen: Version | None = None
        self._looked = False
        self.current: OwnerCertificate | None = None

    def look(self, now: datetime) -> None:
        """Reads the files if they have changed since the last look."""
        version = self._files.version()
        if self._looked and version == self._seen:
            return
        self._looked, self._seen = True, version
        try:
            self.current = read(self._files, now)
            log.info(
                "serving the owner's certificate for %s", ", ".join(sorted(self.current.names))
            )
        except Unfit as error:
            kept = "our own" if self.current is None else "the one before"
            log.error("the owner's certificate can't be used, serving %s: %s", kept, error)  # noqa: TRY400 - told in words, not as a trace


def _no_password() -> str:
    """OpenSSL would ask on the terminal otherwise."""
    raise ValueError("the key is encrypted; give one without a password")
