"""Certificates of our own authority, one a host: kept over restarts, renewed before they end."""

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from appliance.auth.limits import Limit, Rate
from appliance.clock import Clock
from appliance.domain.errors import RateLimited
from appliance.ingress.authority import LAST_THIRD, Authority, due, names_in
from appliance.private_file import write_private

log = logging.getLogger(__name__)

MINTING = Rate(burst=300, period_s=3600)
"""So that nothing that makes names in a loop keeps the machine signing and writing."""

SUFFIX = ".pem"


def server_context() -> ssl.SSLContext:
    """TLS 1.2 and 1.3 with Python's own choice of ciphers, for HTTP/1.1 alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate in use. Outside ``begins`` to ``renewed_at`` it is time for another."""

    names: frozenset[str]
    begins: datetime
    renewed_at: datetime
    context: ssl.SSLContext

    def serves(self, names: frozenset[str], now: datetime) -> bool:
        """Whether it will do for ``names`` at this moment."""
        return self.names == names and self.begins <= now < self.renewed_at


class Leaves:
    """The certificates in ``folder``, one file each, key and certificate together."""

    def __init__(self, folder: Path, authority: Authority, clock: Clock) -> None:
        self._folder = folder
        self._authority = authority
        self._clock = clock
        self._limit = Limit(MINTING, clock)
        self._reach = authority.reach()
        self._leaves: dict[str, Leaf] = {}

    @property
    def keys(self) -> frozenset[str]:
        """The file names of those in use."""
        return frozenset(self._leaves)

    @property
    def contexts(self) -> dict[str, ssl.SSLContext]:
        """By file name: what to shake hands with."""
        return {key: leaf.context for key, leaf in self._leaves.items()}

    def new_context(self, key: str) -> ssl.SSLContext:
        """A context of its own with that certificate, bare if there is none yet."""
        context = server_context()
        if key in self._leaves:
            context.load_cert_chain(self._file(key))
        return context

    def fetch(self, host: str) -> ssl.SSLContext | None:
        """The certificate of a host that is asked for: from before, or made now.

        None: it can't be had now; the log tells why.
        """
        names = frozenset({host})
        if self._reach.covers(host):
            self._replace(host, names, self._clock.now().wall)
        leaf = self._leaves.get(host)
        return None if leaf is None else leaf.context

    def keep(self, wanted: Mapping[str, frozenset[str]]) -> None:
        """Sees to a certificate for each of ``wanted`` (file name to names) and to no other.

        What can't be had now is told in the log and tried again at the next call; an old
        certificate serves until then.
        """
        for key in self._leaves.keys() - wanted.keys():
            del self._leaves[key]
            self._file(key).unlink(missing_ok=True)
        now = self._clock.now().wall
        for key, asked in wanted.items():
            # One name out of reach would spoil the certificate for all others (RFC 5280, 6.1.3).
            names = frozenset(n for n in asked if self._reach.covers(n))
            leaf = self._leaves.get(key)
            if names and (leaf is None or not leaf.serves(names, now)):
                self._replace(key, names, now)

    def sweep(self, hosts: frozenset[str]) -> None:
        """Removes what earlier runs have left for names that are none of ``hosts`` any more."""
        for file in self._folder.glob(f"*{SUFFIX}"):
            if file.name.removesuffix(SUFFIX) not in hosts | self._leaves.keys():
                file.unlink(missing_ok=True)

    def _replace(self, key: str, names: frozenset[str], now: datetime) -> None:
        try:
            self._leaves[key] = self._loaded(key, names, now) or self._minted(key, names, now)
        except (OSError, RateLimited) as error:
            log.warning("no certificate for %s yet: %s", key, error)

    def _loaded(self, key: str, names: frozenset[str], now: datetime) -> Leaf | None:
        """The one on disk, if it will do."""
        try:
            certificate = x509.load_pem_x509_certificate(self._file(key).read_bytes())
            if due(certificate, names, self._authority, now):
                return None
            return self._leaf(key, certificate)
        except (FileNotFoundError, ValueError, ssl.SSLError):
            return None

    def _minted(self, key: str, names: frozenset[str], now: datetime) -> Leaf:
        self._limit.take("")
        pem = self._authority.issue(names, now)
        write_private(self._file(key), pem)
        return self._leaf(key, x509.load_pem_x509_certificate(pem))

    def _leaf(self, key: str, certificate: x509.Certificate) -> Leaf:
        context = server_context()
        context.load_cert_chain(self._file(key))
        return Leaf(
            names=names_in(certificate),
            begins=certificate.not_valid_before_utc,
            renewed_at=certificate.not_valid_after_utc - LAST_THIRD,
            context=context,
        )

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}{SUFFIX}"
