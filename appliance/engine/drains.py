"""What a container that was replaced still answers: counted, and given its time."""

from collections.abc import Callable

from appliance.clock import Clock
from appliance.domain.observed import Drain
from appliance.engine.addresses import Address, Addresses

Counter = Callable[[frozenset[int]], int]
"""How many requests are under way at those loopback ports."""


class Drains:
    """Knows since when a replaced container is left, and asks the doors who is still at it.

    Kept in memory alone: whoever was answered through a process that is gone has been cut off.
    """

    def __init__(self, clock: Clock, addresses: Addresses, limit_s: int) -> None:
        self._clock = clock
        self._addresses = addresses
        self._limit_us = limit_s * 1_000_000
        self._counters: list[Counter] = []
        self._until_boot_us: dict[str, int] = {}
        addresses.listen(self._heard)

    def count_by(self, counter: Counter) -> None:
        """``counter`` is asked too from now on."""
        self._counters.append(counter)

    def of(self, deployment_id: str) -> Drain | None:
        """What a deployment's replaced container still has to answer; None: there is none."""
        address = self._addresses.of(deployment_id)
        until_boot_us = self._until_boot_us.get(deployment_id)
        if address is None or until_boot_us is None:
            return None
        return Drain(sum(count(address.leaving) for count in self._counters), until_boot_us)

    def _heard(self, address: Address) -> None:
        if address.gone or not address.leaving:
            self._until_boot_us.pop(address.deployment_id, None)
        elif address.deployment_id not in self._until_boot_us:
            until_boot_us = self._clock.now().boot_us + self._limit_us
            self._until_boot_us[address.deployment_id] = until_boot_us
