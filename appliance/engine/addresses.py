"""Where deployments answer: the front door's table, kept in memory as rows are written.

Every write of a row passes through here, so the door never asks the database and knows of an
order (stop, delete) before the caller has its answer.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from appliance.domain.deployment import (
    ON_THE_WAY,
    Access,
    Deployment,
    Desired,
    Port,
    Protocol,
    Reason,
    Status,
)
from appliance.store import deployments, gpus
from appliance.store.database import Database

Listener = Callable[["Address"], None]


@dataclass(frozen=True, slots=True)
class Address:
    """What the front door may know of a deployment.

    ``status`` is the one callers see, and began at ``since_boot_us``. ``http`` maps container
    ports that speak HTTP to loopback ports of this machine, the primary one first, and ``tcp`` the
    raw ones. They lead somewhere only while the deployment runs, and are empty while it neither
    runs nor can be woken. ``asleep``: it sleeps, or is about to, until somebody asks for it;
    ``dozing``: whether it is to is being written down. ``lending``: it runs, but has given up its
    GPU memory for another, and answers nobody until it has that again. ``paused``: it runs, but
    somebody has frozen it with Podman, so that it takes connections and never answers. ``gone``:
    it was deleted, and this is the last that is told of it. ``generation`` names the container
    that answers; at the loopback ports ``leaving`` the one before it ends what it has begun to
    answer, and is asked nothing new. For ``paths`` see ``Spec``.
    """

    deployment_id: str
    owner_id: str
    name: str
    image: str
    hostname: str | None
    access: Access
    status: Status
    reason: Reason | None
    http: Mapping[int, int]
    tcp: Mapping[int, int]
    idle_timeout_minutes: float | None = None
    evictable: bool = False
    since_boot_us: int = 0
    asleep: bool = False
    dozing: bool = False
    lending: bool = False
    paused: bool = False
    gone: bool = False
    generation: int = 1
    leaving: frozenset[int] = frozenset()
    paths: tuple[str, ...] | None = None

    @property
    def awaited(self) -> bool:
        """Whether who asks has to wait: it sleeps, or is on its way and may have slept before."""
        if self.lending and self.status is Status.RUNNING:
            return True
        return self.asleep or self.dozing or (self.sleeps and self.status in ON_THE_WAY)

    @property
    def sleeps(self) -> bool:
        """Whether it is ever put to sleep, so that who asks waits for it to wake up."""
        return self.idle_timeout_minutes is not None or self.evictable

    @property
    def label(self) -> str:
        """Its DNS label below the domain: ``dep-4k2v9xq0m7ab``."""
        return host_label(self.deployment_id)


def host_label(deployment_id: str) -> str:
    """The DNS label of an id: underscores are none of DNS's letters (RFC 1035, 2.3.1)."""
    return deployment_id.replace("_", "-")


def ports_of(d: Deployment) -> tuple[Port, ...]:
    """The ports it was asked to answer on; those of the image where nothing was said."""
    return d.spec.ports if d.spec.ports is not None else tuple(map(Port, sorted(d.published)))


def address_of(d: Deployment) -> Address:
    """The address of a row."""
    published = d.published if can_be_asked(d) else {}
    http: dict[int, int] = {}
    tcp: dict[int, int] = {}
    for p in ports_of(d):
        if p.port in published:
            (http if p.protocol is Protocol.HTTP else tcp)[p.port] = published[p.port]
    return Address(
        deployment_id=d.id,
        owner_id=d.owner_id,
        name=d.name,
        image=d.spec.image,
        hostname=d.spec.hostname,
        access=d.spec.access,
        status=d.shown,
        reason=d.reason,
        http=http,
        tcp=tcp,
        idle_timeout_minutes=d.spec.idle_timeout_minutes,
        evictable=d.spec.evictable,
        since_boot_us=d.since_boot_us,
        asleep=d.desired is Desired.SLEEPING,
        gone=d.desired is Desired.DELETED,
        generation=d.generation,
        paths=d.spec.paths,
    )


def can_be_asked(d: Deployment) -> bool:
    """Whether it has addresses: it runs, or wakes up for whoever asks."""
    sleeps = d.spec.evictable or d.spec.idle_timeout_minutes is not None
    wakes_up = sleeps and d.shown in ON_THE_WAY
    return d.shown is Status.RUNNING or d.desired is Desired.SLEEPING or wakes_up


class Addresses:
    """The live table. Listeners are told of every change, at once and on the loop.

    ``edition`` is another number after every change: what was found stays true until then.
    """

    def __init__(self) -> None:
        self.edition = 0
        self._by_id: dict[str, Address] = {}
        self._by_label: dict[str, Address] = {}
        self._versions: dict[str, int] = {}
        self._listeners: list[Listener] = []

    async def load(self, db: Database) -> None:
        """Reads every row there is; once, before anything is written."""
        for d in await deployments.live(db):
            self.written(d)
        for deployment_id in await gpus.lenders(db):
            self.lent(deployment_id)

    def listen(self, listener: Listener) -> None:
        """``listener`` hears of every change from now on, deletions included."""
        self._listeners.append(listener)

    def all(self) -> Iterable[Address]:
        """Every address there is now."""
        return tuple(self._by_id.values())

    def of(self, deployment_id: str) -> Address | None:
        """The address of a deployment, None if there is none of that id."""
        return self._by_id.get(deployment_id)

    def named(self, label: str) -> Address | None:
        """Whose label or chosen host name this is (lower case)."""
        return self._by_label.get(label)

    def written(self, d: Deployment) -> None:
        """A row was written; news of an earlier write that comes late changes nothing."""
        if self._versions.get(d.id, 0) >= d.version:
            return
        self._versions[d.id] = d.version
        before, after = self._by_id.get(d.id), address_of(d)
        if before is not None:
            after = _carried_on(before, after)
        self._become(before, after)

    def seen(self, deployment_id: str, *, paused: bool) -> None:
        """Its container was looked at: it runs, frozen or not."""
        before = self._by_id.get(deployment_id)
        if before is not None and before.paused != paused:
            self._become(before, replace(before, paused=paused))

    def doze(self, deployment_id: str) -> int:
        """It may be put to sleep: who asks from now on waits. The version of its row, as known.

        Ends with the next write of its row, or with ``rouse``.
        """
        address = self._by_id[deployment_id]
        self._become(address, replace(address, dozing=True))
        return self._versions[deployment_id]

    def rouse(self, deployment_id: str) -> None:
        """It is not put to sleep after all."""
        address = self._by_id.get(deployment_id)
        if address is not None:
            self._become(address, replace(address, dozing=False))

    def lent(self, deployment_id: str) -> None:
        """It gives up its GPU memory: who asks from now on waits until ``took_back``."""
        self._lend(deployment_id, lending=True)

    def took_back(self, deployment_id: str) -> None:
        """It has its GPU memory, or its process is gone and the next begins with all of it."""
        self._lend(deployment_id, lending=False)

    def alone(self, deployment_id: str) -> None:
        """No other container of its is left than the one that answers."""
        before = self._by_id.get(deployment_id)
        if before is not None and before.leaving:
            self._become(before, replace(before, leaving=frozenset()))

    def buried(self, deployment_id: str) -> None:
        """A deleted deployment's row is closed: nothing of it will be written again."""
        self._versions.pop(deployment_id, None)

    def _lend(self, deployment_id: str, *, lending: bool) -> None:
        address = self._by_id.get(deployment_id)
        if address is not None:
            self._become(address, replace(address, lending=lending))

    def _become(self, before: Address | None, after: Address) -> None:
        if before == after:
            return
        if after.gone:
            self._forget(after)
        else:
            self._keep(after)
        self.edition += 1
        for listener in self._listeners:
            listener(after)

    def _keep(self, address: Address) -> None:
        self._forget(address)  # its chosen name may have been another
        self._by_id[address.deployment_id] = address
        for label in _labels(address):
            self._by_label[label] = address

    def _forget(self, address: Address) -> None:
        before = self._by_id.pop(address.deployment_id, None)
        for label in () if before is None else _labels(before):
            if self._by_label.get(label) is before:
                del self._by_label[label]


def _carried_on(before: Address, after: Address) -> Address:
    """``after`` with what no row tells: it lends, is frozen, its former container is there."""
    running = after.status is Status.RUNNING
    leaving = before.leaving
    if running and before.status is Status.RUNNING and before.generation != after.generation:
        leaving |= {*before.http.values(), *before.tcp.values()}
    return replace(after, lending=before.lending, paused=before.paused and running, leaving=leaving)


def _labels(address: Address) -> tuple[str, ...]:
    chosen = address.hostname
    return (address.label,) if chosen is None else (address.label, chosen)
