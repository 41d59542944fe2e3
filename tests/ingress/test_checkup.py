"""What doctor says of the certificates."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.config import Settings
from appliance.ingress.authority import LIFE, load_or_make
from appliance.ingress.checkup import check_certificates

NOW = datetime(2026, 1, 15, tzinfo=UTC)


def test_before_the_first_start_there_is_nothing_wrong(tmp_path: Path) -> None:
    [check] = check_certificates(Settings(data_dir=tmp_path), NOW)
    assert (check.status, check.detail) == ("ok", "not there yet; the first start makes it")


def test_the_authority_is_shown_by_what_one_compares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "attic")
    settings = Settings(data_dir=tmp_path)
    settings.tls_dir.mkdir()
    ca = load_or_make(settings.tls_dir, ["localhost", "attic"], "attic", NOW)
    [good] = check_certificates(settings, NOW)
    assert good.status == "ok"
    assert ca.fingerprint in good.detail
    [old] = check_certificates(settings, NOW + LIFE)
    assert old.status == "warn"
    assert "makes a new one" in old.remedy


def test_a_broken_authority_is_told(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    settings.tls_dir.mkdir()
    load_or_make(settings.tls_dir, ["localhost"], "attic", NOW)
    (settings.tls_dir / "ca.key").write_bytes(b"nonsense")
    assert check_certificates(settings, NOW)[0].status == "fail"


def test_a_bad_certificate_of_the_owners_is_told(tmp_path: Path) -> None:
    pem = tmp_path / "both.pem"
    pem.write_bytes(load_or_make(tmp_path, ["box.local"], "attic", NOW).issue(["box.local"], NOW))
    settings = Settings(data_dir=tmp_path, tls_cert=pem)
    assert check_certificates(settings, NOW)[1].detail == "for box.local"
    late = check_certificates(settings, NOW + timedelta(days=91))[1]
    assert late.status == "fail"
    assert "is valid from" in late.detail
