"""What ``doctor`` says of the certificates, with and without a running appliance."""

from datetime import datetime

from appliance.config import Settings
from appliance.host.doctor import Check
from appliance.host.names import console_host, machine_name
from appliance.ingress.authority import Authority, load, outlived
from appliance.ingress.owned import Unfit, owner_files, read


def check_certificates(settings: Settings, now: datetime) -> list[Check]:
    """The authority of this machine, and the owner's certificate if there is one."""
    try:
        ca = load(settings.tls_dir)
    except (OSError, ValueError) as error:
        remedy = "bring the files back, or remove both: devices then have to trust a new one"
        return [Check("certificate authority", "fail", str(error), remedy)]
    return [_authority(ca, settings, now), *_owners(settings, now)]


def _authority(ca: Authority | None, settings: Settings, now: datetime) -> Check:
    if ca is None:
        return Check("certificate authority", "ok", "not there yet; the first start makes it")
    ends, shown = ca.certificate.not_valid_after_utc, f"SHA-256 {ca.fingerprint}"
    names = {console_host(settings.domain), machine_name(), "localhost"}
    problem = outlived(ca, names, now)
    if problem is not None:
        remedy = "the next start makes a new one, to be trusted at /trust"
        return Check("certificate authority", "warn", f"{problem}; {shown}", remedy)
    return Check("certificate authority", "ok", f"good until {ends:%Y-%m-%d}, {shown}")


def _owners(settings: Settings, now: datetime) -> list[Check]:
    files = owner_files(settings)
    if files is None:
        return []
    try:
        names = ", ".join(sorted(read(files, now).names))
    except Unfit as error:
        remedy = "put it right; until then the one before, or this machine's own, is served"
        return [Check("owner's certificate", "fail", str(error), remedy)]
    return [Check("owner's certificate", "ok", f"for {names}")]
