"""Every setting: its name, its default, what it may be, what it is for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from appliance.config import parse
from appliance.config.parse import Address


def _about(parser: Callable[[str], object], text: str) -> dict[str, Any]:
    return {"parser": parser, "help": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this appliance runs. ``None`` means: the machine decides, or nobody told."""

    data_dir: Path = field(
        metadata=_about(
            parse.path,
            "Where everything lives. Default: /var/lib/appliance for root, "
            "else ~/.local/share/appliance.",
        )
    )
    listen_http: Address = field(
        default=Address("127.0.0.1", 8080),
        metadata=_about(
            parse.address,
            "Plain HTTP for this machine itself; who comes from elsewhere is sent to HTTPS. "
            "Port 0 takes a free one.",
        ),
    )
    listen_https: Address = field(
        default=Address("0.0.0.0", 8443),  # noqa: S104 - the front door is for the network
        metadata=_about(parse.address, "HTTPS, for everybody."),
    )
    max_connections: int = field(
        default=1000,
        metadata=_about(
            parse.integer(10, 100_000), "How many connections the front door takes at once."
        ),
    )
    max_connections_per_address: int = field(
        default=100,
        metadata=_about(
            parse.integer(1, 100_000), "How many of them may come from one IP address."
        ),
    )
    domain: str = field(
        default="localhost",
        metadata=_about(parse.domain, "Deployments get their host names under this one."),
    )
    tls_cert: Path | None = field(
        default=None,
        metadata=_about(
            parse.path,
            "Your own certificate with its chain, PEM, followed when it changes. "
            "Default: this machine's own authority makes them.",
        ),
    )
    tls_key: Path | None = field(
        default=None,
        metadata=_about(
            parse.path, "The key of that certificate, PEM. Default: it is in the same file."
        ),
    )
    listen_tcp: str = field(
        default="0.0.0.0",  # noqa: S104 - a raw port is asked for to be reached
        metadata=_about(parse.ip, "Where the raw ports of deployments are bound."),
    )
    tcp_ports: range = field(
        default=range(20_000, 20_100),
        metadata=_about(parse.port_range, "What raw ports are taken from, both included."),
    )
    node_name: str | None = field(
        default=None,
        metadata=_about(parse.label, "What this machine is called. Default: its host name."),
    )
    region: str | None = field(
        default=None, metadata=_about(parse.label, "Where this machine stands, in your words.")
    )
    country: str | None = field(
        default=None, metadata=_about(parse.country, "Two letters (ISO 3166), such as DE.")
    )
    hourly_rate_cents: int = field(
        default=0,
        metadata=_about(
            parse.integer(0, 1_000_000), "What an hour of a running deployment costs, in cents."
        ),
    )
    gpu_hourly_rate_cents: int = field(
        default=0,
        metadata=_about(
            parse.integer(0, 1_000_000), "What each GPU of a deployment adds to that, in cents."
        ),
    )
    energy_cents_per_kwh: int = field(
        default=0,
        metadata=_about(
            parse.integer(0, 1_000_000), "What you pay for a kilowatt-hour; for `GET /usage`."
        ),
    )
    max_deployments: int = field(
        default=100,
        metadata=_about(parse.integer(1, 10_000), "How many deployments this machine takes."),
    )
    cdi_dirs: tuple[Path, ...] = field(
        default=(Path("/etc/cdi"), Path("/var/run/cdi")),
        metadata=_about(
            parse.paths, "Where Podman finds CDI specs, which name the GPUs; a later one wins."
        ),
    )
    podman_url: str | None = field(
        default=None,
        metadata=_about(
            parse.podman_url,
            "A Podman service to use, unix:// or tcp://; else the one of CONTAINER_HOST. "
            "Default: one of our own.",
        ),
    )
    podman_root: Path | None = field(
        default=None,
        metadata=_about(
            parse.path, "Our Podman keeps its images and containers here, apart from all others."
        ),
    )
    network_pool: IPv4Network = field(
        default=IPv4Network("10.210.0.0/16"),
        metadata=_about(
            parse.network_pool, "Private addresses; every deployment gets a network from them."
        ),
    )
    registry_auth_file: Path | None = field(
        default=None,
        metadata=_about(
            parse.path,
            "Registry credentials as `podman login --authfile` writes them. "
            "Default: auth.json in the data directory.",
        ),
    )
    pull_stall_s: int = field(
        default=60,
        metadata=_about(
            parse.integer(1, 86_400), "A pull without progress for so many seconds has failed."
        ),
    )
    pull_total_s: int = field(
        default=1800,
        metadata=_about(
            parse.integer(1, 86_400), "A pull that takes more seconds than this has failed."
        ),
    )
    stop_grace_s: int = field(
        default=10,
        metadata=_about(
            parse.integer(0, 600), "Seconds from SIGTERM to SIGKILL when a deployment is stopped."
        ),
    )
    wake_hold_s: int = field(
        default=60,
        metadata=_about(
            parse.integer(1, 3600),
            "Seconds that a request waits at most for a sleeping deployment to wake up.",
        ),
    )
    drain_s: int = field(
        default=30,
        metadata=_about(
            parse.integer(0, 86_400),
            "Seconds that a container replaced by an update may still answer what it was asked.",
        ),
    )
    log_level: str = field(
        default="info", metadata=_about(parse.log_level, "debug, info, warning or error.")
    )

    @property
    def database(self) -> Path:
        """The one SQLite file."""
        return self.data_dir / "appliance.db"

    @property
    def lock(self) -> Path:
        """Held by flock(2) for the life of the process: one instance a data directory."""
        return self.data_dir / "lock"

    @property
    def control_socket(self) -> Path:
        """Mode 0600; being able to open it is the right to everything."""
        return control_socket(self.data_dir)

    @property
    def api_socket(self) -> Path:
        """Mode 0600; where the front door finds the API. Opening it gives no rights."""
        return self.data_dir / "api.sock"

    @property
    def secret_key(self) -> Path:
        """The key that deployments' secrets are encrypted with."""
        return self.data_dir / "secret.key"

    @property
    def setup_link(self) -> Path:
        """Holds the one-time link to the first admin's account while there is none."""
        return self.data_dir / "setup-link"

    @property
    def auth_file(self) -> Path:
        """Where registry credentials are read from, if it exists (containers-auth.json(5))."""
        return self.registry_auth_file or self.data_dir / "auth.json"

    @property
    def tls_dir(self) -> Path:
        """Our certificate authority and the certificates it has made."""
        return self.data_dir / "tls"

    @property
    def podman_dir(self) -> Path:
        """Configuration, sockets and scratch of a Podman service of our own."""
        return self.data_dir / "podman"

    @property
    def templates_dir(self) -> Path:
        """The owner's templates, beside and over those of the package."""
        return self.data_dir / "templates"


def control_socket(data_dir: Path) -> Path:
    """Where the appliance of that data directory listens for its command line."""
    return data_dir / "control.sock"
