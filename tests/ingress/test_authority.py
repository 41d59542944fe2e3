"""The authority: what it may speak for, how long, and what is left of it after a restart."""

import stat
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.ingress.authority import (
    LEAF_LIFE,
    LIFE,
    Authority,
    Reach,
    due,
    load_or_make,
    names_in,
    outlived,
)

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
MACHINE = ("box.local", "localhost", "attic", "attic.local", "192.168.1.20", "203.0.113.9")
DEPLOYED = frozenset({"dep-a.box.local"})


def make(now: datetime = NOW) -> Authority:
    return Authority.make(Reach.of(MACHINE), "attic", now)


def leaf(ca: Authority, *names: str, now: datetime = NOW) -> x509.Certificate:
    return x509.load_pem_x509_certificate(ca.issue(names, now))


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("box.local", "OK"),
        ("dep-4k2v9xq0m7ab.box.local", "OK"),
        ("dep-4k2v9xq0m7ab-9000.box.local", "OK"),
        ("localhost", "OK"),
        ("dep-4k2v9xq0m7ab.localhost", "OK"),
        ("attic", "OK"),
        ("attic.local", "OK"),
        ("127.0.0.1", "OK"),
        ("::1", "OK"),
        ("192.168.77.1", "OK"),
        ("203.0.113.9", "OK"),
        ("example.org", "permitted subtree violation"),
        ("box.local.example.org", "permitted subtree violation"),
        ("notbox.local", "permitted subtree violation"),
        ("local", "permitted subtree violation"),
        ("203.0.113.10", "permitted subtree violation"),
        ("2001:db8::1", "permitted subtree violation"),
    ],
)
def test_openssl_honours_exactly_the_names_of_this_machine(
    tmp_path: Path, name: str, verdict: str
) -> None:
    now = datetime.now(UTC)
    ca = make(now=now)
    (tmp_path / "ca.crt").write_bytes(ca.pem)
    (tmp_path / "leaf.pem").write_bytes(ca.issue([name], now))
    strict = ["-x509_strict", "-purpose", "sslserver"]
    done = subprocess.run(
        ["openssl", "verify", *strict, "-CAfile", "ca.crt", "leaf.pem"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert verdict in done.stdout + done.stderr
    assert ca.reach().covers(name) is (verdict == "OK")


def test_the_authority_can_sign_nothing_but_tls_servers() -> None:
    extensions = make().certificate.extensions
    assert extensions.get_extension_for_class(x509.ExtendedKeyUsage).value == x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.SERVER_AUTH]
    )
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert basic.value == x509.BasicConstraints(ca=True, path_length=0)
    assert extensions.get_extension_for_class(x509.NameConstraints).critical


def test_an_ipv6_address_of_the_internet_stands_for_its_network() -> None:
    reach = Reach.of(["2001:db8:1:2:aaaa::1"])
    assert reach.covers("2001:db8:1:2:bbbb::7")
    assert not reach.covers("2001:db8:1:3::1")


def test_a_leaf_lives_for_ninety_days_and_begins_a_day_ago() -> None:
    made = leaf(make(), "box.local")
    assert made.not_valid_after_utc == NOW + LEAF_LIFE
    assert made.not_valid_before_utc == NOW - timedelta(days=1)
    assert names_in(made) == {"box.local"}


@pytest.mark.parametrize(
    ("after", "wanted"),
    [
        (timedelta(0), False),
        (timedelta(days=59), False),
        (timedelta(days=60), True),
        (timedelta(days=400), True),
        (timedelta(days=-2), True),
    ],
)
def test_a_leaf_is_renewed_in_its_last_third_or_when_the_clock_was_wrong(
    after: timedelta, wanted: bool
) -> None:
    ca = make()
    assert due(leaf(ca, *DEPLOYED), DEPLOYED, ca, NOW + after) is wanted


def test_a_leaf_for_other_names_or_of_another_authority_is_replaced() -> None:
    ca = make()
    assert due(leaf(ca, "dep-b.box.local"), DEPLOYED, ca, NOW)
    assert due(leaf(make(), *DEPLOYED), DEPLOYED, ca, NOW)


def test_the_authority_survives_a_restart_and_its_files_are_the_owners_alone(
    tmp_path: Path,
) -> None:
    first = load_or_make(tmp_path, MACHINE, "attic", NOW)
    again = load_or_make(tmp_path, MACHINE, "attic", NOW + timedelta(days=300))
    assert again.certificate == first.certificate
    assert {f.name for f in tmp_path.iterdir()} == {"ca.key", "ca.crt"}
    assert all(stat.S_IMODE(f.stat().st_mode) == 0o600 for f in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("names", "after", "word"),
    [
        (["new.example.org"], timedelta(0), "may not speak for new.example.org"),
        (MACHINE, LIFE, "it is good from 2026-01-14 to 2036-01-13"),
        (MACHINE, timedelta(days=-30), "it is good from"),
    ],
)
def test_another_domain_or_the_end_of_its_life_takes_a_new_authority(
    tmp_path: Path, names: Iterable[str], after: timedelta, word: str
) -> None:
    first = load_or_make(tmp_path, MACHINE, "attic", NOW)
    assert word in (outlived(first, names, NOW + after) or "")
    assert load_or_make(tmp_path, names, "attic", NOW + after).certificate != first.certificate


def test_another_address_takes_no_new_authority(tmp_path: Path) -> None:
    first = load_or_make(tmp_path, MACHINE, "attic", NOW)
    moved = ("box.local", "198.51.100.7")
    assert load_or_make(tmp_path, moved, "attic", NOW).certificate == first.certificate


def test_a_crash_between_key_and_certificate_is_mended(tmp_path: Path) -> None:
    first = load_or_make(tmp_path, MACHINE, "attic", NOW)
    load_or_make(tmp_path / ".", ["new.example.org"], "attic", NOW)
    (tmp_path / "ca.crt").write_bytes(first.pem)
    mended = load_or_make(tmp_path, MACHINE, "attic", NOW)
    assert mended.certificate.public_key() == mended.key.public_key()


def test_a_key_that_is_no_key_is_told_and_not_replaced(tmp_path: Path) -> None:
    load_or_make(tmp_path, MACHINE, "attic", NOW)
    (tmp_path / "ca.key").write_bytes(b"nonsense")
    with pytest.raises(ValueError):
        load_or_make(tmp_path, MACHINE, "attic", NOW)
    assert (tmp_path / "ca.key").read_bytes() == b"nonsense"
