"""How often one may try to log in: an account from an address, an address, everybody together.

Each limit is a GCRA, one number a key: when its bucket will be full again. A limit delays, it
never locks out: an owner must not lose the machine because a stranger guesses at the door.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network, ip_address

from appliance.clock import Clock
from appliance.domain.errors import RateLimited

KEYS_MAX = 10_000
IPV6_SITE_BITS = 64
SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` tries at once, and that many every ``period_s`` seconds."""

    burst: int
    period_s: int

    @property
    def step_us(self) -> int:
        """What one try takes from the bucket, as time."""
        return self.period_s * SECOND_US // self.burst


PER_ACCOUNT = Rate(burst=5, period_s=60)
PER_ADDRESS = Rate(burst=30, period_s=60)
OVERALL = Rate(burst=10, period_s=1)


class Limit:
    """One ``Rate`` for every key, remembering a key only while it matters."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._full_at_us: dict[str, int] = {}

    def take(self, key: str) -> None:
        """Counts one try of ``key``.

        Raises:
            RateLimited: it is one too many; it has not been counted.
        """
        now_us = self._clock.now().boot_us
        full_at_us = max(self._full_at_us.get(key, 0), now_us) + self._rate.step_us
        excess_us = full_at_us - now_us - self._rate.period_s * SECOND_US
        if excess_us > 0:
            wait_s = -(-excess_us // SECOND_US)
            raise RateLimited(
                f"too many tries, wait {wait_s} seconds before the next", retry_after_s=wait_s
            )
        self._make_room(now_us)
        self._full_at_us[key] = full_at_us

    def forget(self, key: str) -> None:
        """Gives ``key`` its whole burst back."""
        self._full_at_us.pop(key, None)

    def _make_room(self, now_us: int) -> None:
        if len(self._full_at_us) < KEYS_MAX:
            return
        live = {k: at for k, at in self._full_at_us.items() if at > now_us}
        if len(live) >= KEYS_MAX:
            del live[min(live, key=lambda k: live[k])]
        self._full_at_us = live


class LoginLimits:
    """The three limits of a login, the widest first."""

    def __init__(self, clock: Clock) -> None:
        self._overall = Limit(OVERALL, clock)
        self._addresses = Limit(PER_ADDRESS, clock)
        self._accounts = Limit(PER_ACCOUNT, clock)

    def take(self, email: str, address: str | None) -> None:
        """Counts one try to log in as ``email`` from the socket's peer ``address``.

        Raises:
            RateLimited: one of the limits is reached.
        """
        place = site(address)
        self._addresses.take(place)
        self._accounts.take(_account(email, place))
        self._overall.take("")

    def succeeded(self, email: str, address: str | None) -> None:
        """Who knows the password may go on logging in."""
        self._accounts.forget(_account(email, site(address)))


def site(address: str | None) -> str:
    """What counts as one address: IPv6 by its /64, for one household has 2**64 of them."""
    if not address:
        return "local"
    try:
        parsed = ip_address(address)
    except ValueError:
        return "local"
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Network((int(parsed), IPV6_SITE_BITS), strict=False))


def _account(email: str, place: str) -> str:
    return f"{place} {email.lower()}"
