"""The certificate authority of this machine: made at the first start, good for its names alone.

Its certificate is name-constrained (RFC 5280, 4.2.1.10) and for TLS servers only (4.2.1.12):
whoever trusts it, trusts it for the appliance's domain, this machine's own names and private
addresses, and for nothing else, even if its key is stolen.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.private_file import write_private

log = logging.getLogger(__name__)

Network = IPv4Network | IPv6Network

LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=90)
"""Browsers refuse more than 398 days of a public authority, Apple more than 825 of any."""

BACKDATED = timedelta(days=1)
"""Certificates begin in the past: the clocks of the machines around are not all right."""

LAST_THIRD = LEAF_LIFE / 3
ORGANIZATION = "Neuranet Appliance"
IPV6 = 6
NAME_MAX = 64  # RFC 5280, ub-common-name
HOME_NETWORKS = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "100.64.0.0/10", "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
"""Addresses that are nobody's on the internet: a machine may get another of them any day."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What an authority may speak for: domains with all below them, and networks."""

    domains: frozenset[str]
    networks: frozenset[Network]

    @classmethod
    def of(cls, names: Iterable[str]) -> "Reach":
        """What is needed for ``names`` (host names and addresses), and every home network."""
        domains, networks = set(), set(HOME_NETWORKS)
        for name in names:
            address = address_of(name)
            if address is None:
                domains.add(name)
            elif not any(_within(address, n) for n in HOME_NETWORKS):
                networks.add(_site(address))
        return cls(frozenset(domains), frozenset(networks))

    def covers(self, name: str) -> bool:
        """Whether a certificate for ``name`` would be honoured."""
        address = address_of(name)
        if address is not None:
            return any(_within(address, network) for network in self.networks)
        return any(name == d or name.endswith(f".{d}") for d in self.domains)


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority's own certificate and key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, reach: Reach, machine: str, now: datetime) -> "Authority":
        """A new one. ``machine`` stands in its name, to be told from another machine's."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"{ORGANIZATION} on {machine}")
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_constraints(reach), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    def issue(self, names: Iterable[str], now: datetime) -> bytes:
        """A certificate for ``names``, PEM, after its fresh key."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate
        certificate = (
            x509.CertificateBuilder(
                issuer.subject, _name(None), key.public_key(), x509.random_serial_number()
            )
            .not_valid_before(now - BACKDATED)
            .not_valid_after(min(now + LEAF_LIFE, issuer.not_valid_after_utc))
            .add_extension(
                x509.SubjectAlternativeName(map(_general, sorted(names))), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),  # type: ignore[arg-type]
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return _pem(key) + certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def pem(self) -> bytes:
        """What is handed out to be trusted."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate as systems show it: ``AB:CD:…``."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def reach(self) -> Reach:
        """What it may speak for, as its certificate says."""
        constraints = self.certificate.extensions.get_extension_for_class(x509.NameConstraints)
        permitted = constraints.value.permitted_subtrees or []
        return Reach(
            frozenset(n.value for n in permitted if isinstance(n, x509.DNSName)),
            frozenset(
                n.value
                for n in permitted
                if isinstance(n, x509.IPAddress) and isinstance(n.value, IPv4Network | IPv6Network)
            ),
        )


def outlived(authority: Authority, names: Iterable[str], now: datetime) -> str | None:
    """Why another authority is needed from now on; None while this one will do.

    A host name beyond its reach is a reason, an address is none: addresses come and go, and every
    new authority has to be trusted anew on every device.
    """
    begins = authority.certificate.not_valid_before_utc
    ends = authority.certificate.not_valid_after_utc
    if not begins <= now < ends - LEAF_LIFE:
        return f"it is good from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}"
    reach = authority.reach()
    beyond = sorted(n for n in names if address_of(n) is None and not reach.covers(n))
    return f"it may not speak for {', '.join(beyond)}" if beyond else None


def due(certificate: x509.Certificate, names: frozenset[str], ca: Authority, now: datetime) -> bool:
    """Whether a certificate for ``names`` has to be made anew: other names, other CA, or old."""
    if names_in(certificate) != names or not _issued_by(certificate, ca.certificate):
        return True
    ends = certificate.not_valid_after_utc
    return not certificate.not_valid_before_utc <= now < ends - LAST_THIRD


def names_in(certificate: x509.Certificate) -> frozenset[str]:
    """The host names and addresses a certificate is for."""
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    names = [name.lower() for name in san.get_values_for_type(x509.DNSName)]
    return frozenset([*names, *map(str, san.get_values_for_type(x509.IPAddress))])


def load_or_make(folder: Path, names: Iterable[str], machine: str, now: datetime) -> Authority:
    """The authority kept in ``folder``; a new one at the first start, or where it is outlived.

    Raises:
        OSError: the folder can't be used.
        ValueError: the files are not what we wrote.
    """
    names = frozenset(names)
    kept = load(folder)
    reason = "there was none" if kept is None else outlived(kept, names, now)
    if kept is not None and reason is None:
        return kept
    made = Authority.make(Reach.of(names), machine, now)
    log.warning("a new certificate authority, to be trusted at /trust: %s", reason)
    write_private(folder / "ca.key", _pem(made.key))
    write_private(folder / "ca.crt", made.pem)
    return made


def address_of(name: str) -> IPv4Address | IPv6Address | None:
    """The IP address that ``name`` is, None where it is a host name."""
    try:
        return ip_address(name)
    except ValueError:
        return None


def load(folder: Path) -> Authority | None:
    """The authority kept in ``folder``, None if there is none.

    Raises:
        OSError, ValueError: the files can't be read, or are not what we wrote.
    """
    try:
        key_pem, pem = (folder / "ca.key").read_bytes(), (folder / "ca.crt").read_bytes()
    except FileNotFoundError:
        return None
    key = serialization.load_pem_private_key(key_pem, password=None)
    certificate = x509.load_pem_x509_certificate(pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{folder / 'ca.key'} is not a key of ours")  # noqa: TRY004 - the file is wrong, not a type
    # A crash between the two writes leaves the new key beside the old certificate.
    return Authority(certificate, key) if certificate.public_key() == key.public_key() else None


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _site(address: IPv4Address | IPv6Address) -> Network:
    """An address for life, or the /64 in which IPv6 addresses change daily (RFC 8981)."""
    return ip_network((address, 64 if address.version == IPV6 else 32), strict=False)


def _within(address: IPv4Address | IPv6Address, network: Network) -> bool:
    return address.version == network.version and address in network


def _constraints(reach: Reach) -> x509.NameConstraints:
    domains = [x509.DNSName(d) for d in sorted(reach.domains)]
    networks = [x509.IPAddress(n) for n in sorted(reach.networks, key=str)]
    return x509.NameConstraints(permitted_subtrees=[*domains, *networks], excluded_subtrees=None)


def _general(name: str) -> x509.GeneralName:
    address = address_of(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _name(common_name: str | None) -> x509.Name:
    """Without a common name for a leaf: its names are those of the SAN (RFC 9525, 2)."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION)]
    if common_name is not None:
        parts.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name[:NAME_MAX]))
    return x509.Name(parts)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
