"""Keeps containers from each other and from this machine's services: one nftables table of ours.

Containers of one network reach every service of the host that listens on all addresses, whatever
Podman's ``isolate`` says (measured). What they may: answer connections the host opened (published
ports), and ask Podman's own DNS. The host itself and everybody else's IPv6 stay untouched; from our
bridges (``nn…``) IPv6 is dropped, for a container reaches the host by the bridge's link-local
address even on a network without IPv6 (measured).

One rule keeps all our bridges apart, also from those of Podman's own networks. Podman's
``isolate=true`` runs iptables six times more for each start (measured: 15 to 20 ms of 150), so it
is asked for only where this table can't be had.
"""

import logging
import os
import shutil
import subprocess
from ipaddress import IPv4Network

from anyio.to_thread import run_sync

from appliance.clock import Clock

NFT_S = 10.0
AGAIN_S = 60.0

log = logging.getLogger(__name__)


def table_of(prefix: str) -> str:
    """The table of the instance whose container names begin with ``prefix``."""
    return f"appliance_{prefix}"


def ruleset(table: str, pool: IPv4Network) -> str:
    """The nft(8) script that puts the table in place, or replaces it, in one transaction."""
    return f"""\
add table inet {table}
delete table inet {table}
table inet {table} {{
    chain input {{
        type filter hook input priority filter; policy accept;
        iifname "lo" accept
        meta nfproto ipv6 iifname != "nn*" accept
        ip saddr != {pool} accept
        ct state established,related accept
        meta l4proto {{ tcp, udp }} th dport 53 accept
        drop
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname "nn*" oifname "nn*" drop
        iifname "nn*" oifname "podman*" drop
        ip saddr {pool} ip daddr 169.254.0.0/16 drop
    }}
}}
"""


class Firewall:
    """Puts the rules in place. They stay when the appliance ends, as the containers do."""

    def __init__(self, table: str, pool: IPv4Network) -> None:
        self._table = table
        self._pool = pool
        self._problem: str | None = None

    async def apply(self) -> bool:
        """Puts them in place; whether they are. Why they can't be is logged, once."""
        problem = _absent() or await run_sync(
            _nft, ruleset(self._table, self._pool), abandon_on_cancel=True
        )
        if problem is not None and problem != self._problem:
            log.warning("containers can reach this machine's services: %s", problem)
        self._problem = problem
        return problem is None

    async def keep(self, clock: Clock) -> None:
        """Puts them in place ever again: a reload of the machine's own rules takes them away."""
        while True:
            await clock.sleep(AGAIN_S)
            await self.apply()


def unavailable(pool: IPv4Network) -> str | None:
    """Why this process can't have a firewall; None if it can. Tries all but the commit; blocks."""
    return _absent() or _nft("--check", ruleset("appliance_trial", pool))


def _absent() -> str | None:
    if os.geteuid() != 0:
        return "only root can set firewall rules"
    return None if shutil.which("nft") else "nft is missing (Debian: nftables)"


def _nft(*arguments: str) -> str | None:
    """Runs nft; what is wrong, or None.

    The script goes as an argument: nft 1.0.9 (Ubuntu 24.04) reads ``-f -`` only from a pipe or a
    file, and an event loop may give its child a socket (uvloop does).
    """
    try:
        done = subprocess.run(  # noqa: S603 - rules of ours, and no shell
            ["nft", *arguments],  # noqa: S607 - wherever this machine has it
            capture_output=True, text=True, timeout=NFT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nft: {error}"
    return None if done.returncode == 0 else f"nft: {done.stderr.strip()}"
