"""The certificate authority of this machine, to be downloaded, and how each system trusts it."""

from dataclasses import dataclass

from starlette.responses import Response

from appliance import page
from appliance.api.call import Call

FILE_NAME = "neuranet-appliance.crt"


@dataclass(frozen=True, slots=True)
class System:
    """How one system is told; ``commands`` where a shell is the way."""

    name: str
    steps: tuple[str, ...]
    commands: tuple[str, ...] = ()


SYSTEMS = (
    System(
        "Windows",
        (
            "Open the downloaded file and choose Install Certificate, then Current User.",
            "Place them all in the store Trusted Root Certification Authorities.",
            "Finish, agree, and start the browser anew.",
        ),
    ),
    System(
        "macOS",
        (
            "Open the downloaded file; Keychain Access adds it to the login keychain.",
            "Double-click Neuranet Appliance in the list and open Trust.",
            "Set When using this certificate to Always Trust and close the window.",
        ),
    ),
    System(
        "iPhone and iPad",
        (
            "Download it in Safari and allow the profile.",
            "Settings, General, VPN & Device Management: choose the profile and install it.",
            "Settings, General, About, Certificate Trust Settings: switch it on.",
        ),
    ),
    System(
        "Android",
        (
            "Settings, Security & privacy, More security settings, Encryption & credentials.",
            "Install a certificate, CA certificate, Install anyway, and choose the file.",
        ),
    ),
    System(
        "Firefox",
        (
            "Settings, Privacy & Security, View Certificates, Authorities, Import.",
            "Choose the file and tick Trust this CA to identify websites.",
        ),
    ),
    System(
        "Chrome on Linux",
        (
            "Open chrome://certificate-manager, Local certificates, Installed by you.",
            "Import the file under Trusted Certificates.",
        ),
    ),
    System(
        "Debian and Ubuntu",
        (),
        (
            f"sudo cp {FILE_NAME} /usr/local/share/ca-certificates/",
            "sudo update-ca-certificates",
        ),
    ),
    System(
        "Fedora",
        (),
        (f"sudo cp {FILE_NAME} /etc/pki/ca-trust/source/anchors/", "sudo update-ca-trust"),
    ),
)


async def get_authority(call: Call) -> Response:
    """Sends the certificate of this machine's authority (PEM)."""
    disposition = {"Content-Disposition": f'attachment; filename="{FILE_NAME}"'}
    return Response(
        call.services.trust.pem, headers=disposition, media_type="application/x-x509-ca-cert"
    )


async def explain_trust(call: Call) -> Response:
    """Shows how each system is told to trust this machine."""
    trust = call.services.trust
    body = [INTRODUCTION, page.fill(FACTS, fingerprint=trust.fingerprint,
                                    names=", ".join(trust.names))]  # fmt: skip
    body += [_section(system) for system in SYSTEMS]
    return Response(
        page.document("Trust this machine", "\n".join(body), wide=True), headers=page.HEADERS
    )


INTRODUCTION = f"""<h1>Trust this machine</h1>
<p>This machine has made a certificate authority of its own, so that every deployment has HTTPS
without the internet. Browsers warn until they know it.</p>
<p><a class="button" href="/ca.crt" download="{FILE_NAME}">Download the certificate</a></p>"""

FACTS = """<p class="soft">It is good for {names}, for what is below them, and for addresses of
home networks; for no other site, even if somebody stole its key.</p>
<p class="soft">Before you install it, compare its SHA-256 with the one that
<code>appliance doctor</code> prints on the machine itself:</p>
<p><code>{fingerprint}</code></p>"""


def _section(system: System) -> str:
    steps = "".join(page.fill("<li>{step}</li>", step=step) for step in system.steps)
    parts = [page.fill("<h2>{name}</h2>", name=system.name), f"<ol>{steps}</ol>" if steps else ""]
    if system.commands:
        lines = "\n".join(system.commands)
        parts.append(page.fill("<blockquote>{lines}</blockquote>", lines=lines))
    return "\n".join(part for part in parts if part)
