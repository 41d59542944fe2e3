"""Raw ports: which port of this machine leads to which TCP port of which deployment."""

from collections.abc import Iterable, Mapping

from appliance.clock import Clock
from appliance.domain.deployment import Deployment, Port, Protocol
from appliance.domain.errors import LimitReached
from appliance.engine.addresses import Address
from appliance.engine.broadcast import Broadcast
from appliance.store import events
from appliance.store import raw_ports as store
from appliance.store.database import Database, Transaction
from appliance.store.events import NewEvent
from appliance.store.raw_ports import RawPort

LOOPBACK = "127.0.0.1"
"""Where a private deployment's raw ports are: nobody can be asked for a token there."""


class RawPorts:
    """Reserves ports of ``ports`` for the life of a deployment; the only writer of them."""

    def __init__(self, db: Database, clock: Clock, broadcast: Broadcast, ports: range) -> None:
        self._db = db
        self._clock = clock
        self._broadcast = broadcast
        self._ports = ports
        self._by_id: dict[str, dict[int, int]] = {}

    async def load(self) -> None:
        """Reads every reservation there is; once, before anything is written."""
        for reserved in await store.load(self._db):
            self._keep(reserved)

    def of(self, deployment_id: str) -> Mapping[int, int]:
        """Ports of the container to ports of this machine."""
        return self._by_id.get(deployment_id, {})

    async def reserve(self, tx: Transaction, d: Deployment) -> None:
        """Gives a deployment a port of this machine for each raw one it is to have.

        One that it has already it keeps.

        Raises:
            LimitReached: there are not so many left.
        """
        if not raw(d.wanted_spec.ports):
            return
        every = await store.every(tx)
        had = {reserved.port for reserved in every if reserved.deployment_id == d.id}
        wanted = [p for p in raw(d.wanted_spec.ports) if p.port not in had]
        taken = {reserved.host_port for reserved in every}
        free = [number for number in self._ports if number not in taken]
        if len(free) < len(wanted):
            raise LimitReached(self._exhausted(len(wanted), len(free)), field="ports")
        for port, number in zip(wanted, free, strict=False):
            reserved = RawPort(number, d.id, port.port)
            await store.insert(tx, reserved)
            self._keep(reserved)  # should the transaction fail, it leads nowhere

    async def settle(self, tx: Transaction, d: Deployment) -> list[RawPort]:
        """Frees what neither serves nor is to follow; ``forget`` it after the commit."""
        asked = {p.port for spec in (d.spec, d.wanted_spec) for p in raw(spec.ports)}
        had = self._by_id.get(d.id, {})
        freed = [RawPort(number, d.id, port) for port, number in had.items() if port not in asked]
        for reserved in freed:
            await store.delete_one(tx, reserved)
        return freed

    def forget(self, freed: Iterable[RawPort]) -> None:
        """They lead nowhere any more."""
        for reserved in freed:
            self._by_id.get(reserved.deployment_id, {}).pop(reserved.port, None)

    async def free(self, tx: Transaction, deployment_id: str) -> None:
        """The deployment is deleted."""
        await store.delete(tx, deployment_id)

    async def move(self, address: Address, port: int, *, tried: Iterable[int]) -> int | None:
        """Somebody else listens on its port: takes another than those ``tried``.

        None if there is no other, or the deployment has been deleted meanwhile.
        """
        before = self._by_id.get(address.deployment_id, {}).get(port)
        if before is None:
            return None
        async with self._db.transaction() as tx:
            taken = {reserved.host_port for reserved in await store.every(tx)} | set(tried)
            number = next((n for n in self._ports if n not in taken), None)
            kept = RawPort(before, address.deployment_id, port)
            moved = None if number is None else await store.move(tx, kept, number)
            if moved is None:
                return None
            words = f"Port {before} of this machine is another program's: now at {number}"
            event = NewEvent("address", words, status=address.status)
            await events.record(
                tx, address.deployment_id, address.owner_id, event, self._clock.now()
            )
        self._keep(moved)
        self._broadcast.notify()
        return moved.host_port

    def heard(self, address: Address) -> None:
        """An address changed."""
        if address.gone:
            self._by_id.pop(address.deployment_id, None)

    def _keep(self, reserved: RawPort) -> None:
        self._by_id.setdefault(reserved.deployment_id, {})[reserved.port] = reserved.host_port

    def _exhausted(self, wanted: int, left: int) -> str:
        first, last = self._ports[0], self._ports[-1]
        return (
            f"{wanted} raw TCP ports are asked for, and of {first} to {last} {left} are left; "
            "delete a deployment that has some, or widen APPLIANCE_TCP_PORTS"
        )


def raw(ports: Iterable[Port] | None) -> list[Port]:
    """Those that are reached by a port of this machine and not through HTTPS."""
    return [p for p in ports or () if p.protocol is Protocol.TCP]
