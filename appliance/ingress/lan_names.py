"""Names that end in ``.local``, answered by multicast DNS (RFC 6762) to the machines around.

Each is published as a service of type ``_https._tcp`` (RFC 6763), so that it resolves and is also
found by browsing. Nothing here may keep the appliance from starting: a machine without a network,
or without multicast, is told so in the log and tried again.
"""

import logging
from collections.abc import Callable

import anyio
from zeroconf import Error as ZeroconfError
from zeroconf import IPVersion, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from appliance.clock import Clock
from appliance.host.names import LOCAL, lan_addresses

log = logging.getLogger(__name__)

TYPE = "_https._tcp.local."
AGAIN_S = 30.0
LOOK_S = 10.0
FAREWELL_S = 1.0


class LanNames:
    """Publishes ``hosts``, as they are at each moment, at this machine's addresses."""

    def __init__(self, hosts: Callable[[], frozenset[str]], port: int, clock: Clock) -> None:
        self._hosts = hosts
        self._port = port
        self._clock = clock
        self._news = anyio.Event()

    def notice(self) -> None:
        """Host names came or went."""
        self._news.set()

    async def run(self) -> None:
        """Publishes until cancelled, then says goodbye."""
        while True:
            addresses = lan_addresses()
            try:
                if addresses:
                    await self._publish(addresses)
            except OSError as error:
                log.warning("names below .local are not published: %s", error)
            await self._clock.sleep(AGAIN_S)

    async def _publish(self, addresses: frozenset[str]) -> None:
        """Until this machine's addresses change.

        Raises:
            OSError: there is no multicast here.
        """
        responder = AsyncZeroconf(interfaces=sorted(addresses), ip_version=IPVersion.V4Only)
        published: dict[str, ServiceInfo] = {}
        try:
            while lan_addresses() == addresses:
                self._news = anyio.Event()
                await self._keep_up(responder, published, addresses)
                with anyio.move_on_after(LOOK_S):
                    await self._news.wait()
        finally:
            await _say_goodbye(responder)

    async def _keep_up(
        self, responder: AsyncZeroconf, published: dict[str, ServiceInfo], addresses: frozenset[str]
    ) -> None:
        wanted = frozenset(h for h in self._hosts() if h.endswith(f".{LOCAL}"))
        async with anyio.create_task_group() as tasks:
            for host in published.keys() - wanted:
                tasks.start_soon(_withdraw, responder, published.pop(host))
            for host in wanted - published.keys():
                info = published[host] = _service(host, self._port, addresses)
                tasks.start_soon(_announce, responder, info)


async def _announce(responder: AsyncZeroconf, info: ServiceInfo) -> None:
    """Asks whether somebody has the name, then tells everybody (RFC 6762, 8)."""
    try:
        await (await responder.async_register_service(info))
    except (ZeroconfError, OSError) as error:
        log.warning("%s is not published: %r", info.server, error)


async def _withdraw(responder: AsyncZeroconf, info: ServiceInfo) -> None:
    try:
        await (await responder.async_unregister_service(info))
    except (ZeroconfError, OSError) as error:
        log.warning("%s is not withdrawn: %r", info.server, error)


async def _say_goodbye(responder: AsyncZeroconf) -> None:
    """Even when cancelled: what is left in the caches around would lead nowhere for minutes."""
    with anyio.CancelScope(shield=True):
        with anyio.move_on_after(FAREWELL_S):
            await responder.async_unregister_all_services()
        with anyio.move_on_after(FAREWELL_S):
            await responder.async_close()


def _service(host: str, port: int, addresses: frozenset[str]) -> ServiceInfo:
    label = host.removesuffix(f".{LOCAL}").replace(".", "-")
    return ServiceInfo(
        TYPE,
        f"{label}.{TYPE}",
        port=port,
        server=f"{host}.",
        parsed_addresses=sorted(addresses),
    )
