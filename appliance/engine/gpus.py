"""The machine's GPUs as the engine deals with them: held, waited for, given back."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from appliance.clock import Clock
from appliance.domain.deployment import Deployment, Desired
from appliance.domain.eviction import Eviction, Idler, evict
from appliance.domain.gpu_ledger import Hold, Loan, Place, Waiting, in_turn, lacking, settle
from appliance.domain.observed import Container, ContainerState, GpuView
from appliance.engine import views
from appliance.engine.gpu_watch import GpuWatch
from appliance.runtime.port import ContainerRuntime
from appliance.store import gpus
from appliance.store.database import Database, Transaction
from appliance.store.gpus import KeptHold


@dataclass(frozen=True, slots=True)
class _Books:
    """What is on record, and what it comes to with the memory that each really has."""

    kept: Sequence[KeptHold]
    holds: Sequence[Hold]
    line: Sequence[Waiting]


class Gpus:
    """Hands GPUs out and takes them back. ``nudge`` wakes who was served."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        runtime: ContainerRuntime,
        watch: GpuWatch,
        nudge: Callable[[str], None],
    ) -> None:
        self._db = db
        self._clock = clock
        self._runtime = runtime
        self._watch = watch
        self._nudge = nudge
        self._places: dict[str, Place] = {}
        self._unserved = False

    def place(self, deployment_id: str) -> Place | None:
        """Where in line it stands now, None if it does not."""
        return self._places.get(deployment_id)

    def leaked_mb(self, deployment_id: str) -> int:
        """MiB that it left on GPUs it does not hold any more, and that did not come back."""
        leaked = self._watch.state.leaked
        return sum(mb for (owner, _), mb in leaked.items() if owner == deployment_id)

    async def view(self, d: Deployment, c: Container | None) -> GpuView:
        """What ``plan()`` may know of the GPUs for a deployment whose container is ``c``.

        Raises:
            RuntimeFailure: the container can't be looked into now.
        """
        if d.spec.resources.gpu_need is None or d.desired is not Desired.RUNNING:
            return GpuView()
        held = await gpus.held_by(self._db, d.id)
        if not held.devices:
            return GpuView(held=None, place=self.place(d.id))
        if c is not None and c.state is ContainerState.RUNNING:
            missing = await self._missing(c, held.devices)
            return GpuView(held.devices, self.place(d.id), missing=missing, loan=held.loan)
        await self._watch.look()
        return GpuView(held=held.devices, lost=self._lost(held.devices))

    async def claim(self, deployment_id: str) -> None:
        """Gets a deployment into the line, if it is not, and serves the line."""
        await self._watch.look()
        async with self._db.transaction() as tx:
            await gpus.join(tx, deployment_id)
        await self.serve()

    async def take_back(self, deployment_id: str) -> None:
        """Who has lent its share is asked for: gets it in line for that, and its driver to look."""
        await self.claim(deployment_id)
        self._nudge(deployment_id)

    async def freed(self, deployment_id: str, held: Sequence[str]) -> None:
        """Those GPUs were given back: serves the line."""
        self._watch.parted(deployment_id, held)
        await self.serve()

    async def serve(self) -> None:
        """Gives what is free to those in line, in one transaction, and wakes them."""
        self._unserved = True
        now, state = self._clock.now(), self._watch.state
        devices = {r.gpu.key: r.device for r in state.survey.readings if r.device}
        async with self._db.transaction() as tx:
            books = await self._books(tx)
            settlement = settle(state.cards(), books.holds, books.line)
            await gpus.take(tx, settlement.grants, devices, now)
        self._unserved = False
        before, self._places = self._places, dict(settlement.places)
        granted = {hold.deployment_id for hold in settlement.grants}
        for deployment_id in (*granted, *_news(before, self._places)):
            self._nudge(deployment_id)

    def is_unserved(self) -> bool:
        """Whether the line should have been served, and the database could not tell of it."""
        return self._unserved

    def is_waited_for(self) -> bool:
        """Whether anybody stands in line."""
        return bool(self._places)

    async def look_and_serve(self) -> None:
        """Serves the line with what the GPUs really have now."""
        await self._watch.look(older_than_us=0)
        await self.serve()

    async def eviction(
        self, idlers: Sequence[Idler], lenders: Collection[str] | None = None
    ) -> Eviction | None:
        """Who of ``idlers`` would have to give way for the first in line to be served.

        ``lenders`` None: by being stopped. Else by giving back what they use beyond the share they
        declared, and of that too if they are lenders.
        """
        async with self._db.transaction() as tx:
            books = await self._books(tx)
        leaving = frozenset(one.hold.deployment_id for one in books.kept if one.leaving)
        kept = [] if lenders is None else [_after(one.hold, lenders) for one in books.kept]
        cards = self._watch.state.cards()
        return evict(cards, books.holds, books.line, idlers, leaving, kept)

    async def shown(self) -> tuple[views.GpuView, ...]:
        """Every GPU as last seen, and who holds it."""
        held, state = await gpus.holds(self._db), self._watch.state
        return tuple(
            views.GpuView(
                reading=reading,
                holders=tuple(self._holder(kept) for kept in held if kept.hold.gpu == gpu),
                foreign_mb=state.memory[gpu].foreign_mb,
                leaked={i: mb for (i, on), mb in state.leaked.items() if on == gpu},
            )
            for reading in state.survey.readings
            for gpu in [reading.gpu.key]
        )

    async def used_by(self, deployment_id: str) -> tuple[views.GpuUse, ...]:
        """What a deployment has on each GPU that it holds."""
        return tuple(
            views.GpuUse(shown.reading, self._used_mb(deployment_id, shown.reading.gpu.key))
            for shown in await self.shown()
            if any(holder.deployment_id == deployment_id for holder in shown.holders)
        )

    async def _books(self, tx: Transaction) -> _Books:
        kept, line = await gpus.holds_now(tx), await gpus.line(tx)
        holds = [self._true(one) for one in kept]
        own: dict[str, list[Hold]] = {}
        for hold in holds:
            own.setdefault(hold.deployment_id, []).append(hold)
        line = [lacking(one, own.get(one.deployment_id, ())) for one in line]
        return _Books(kept, holds, in_turn(self._watch.state.cards(), holds, line))

    def _true(self, kept: KeptHold) -> Hold:
        """What a hold keeps from others: its share, or what it really has where that is more.

        Of a share that is lent it is what its holder has in spite of that.
        """
        hold = kept.hold
        used_mb = self._used_mb(hold.deployment_id, hold.gpu)
        if hold.exclusive or used_mb is None:
            return hold
        lent = kept.loan is Loan.LENT
        return replace(hold, vram_mb=used_mb if lent else max(hold.vram_mb or 0, used_mb))

    def _holder(self, kept: KeptHold) -> views.GpuHolder:
        hold = kept.hold
        return views.GpuHolder(
            deployment_id=hold.deployment_id,
            owner_id=kept.owner_id,
            exclusive=hold.exclusive,
            share_mb=hold.vram_mb,
            used_mb=self._used_mb(hold.deployment_id, hold.gpu),
        )

    def _used_mb(self, deployment_id: str, gpu: str) -> int | None:
        on_card = self._watch.state.memory.get(gpu)
        return None if on_card is None else on_card.own.get(deployment_id, 0)

    async def _missing(self, c: Container, held: Sequence[str]) -> tuple[str, ...]:
        paths = [path for device in held for path in self._watch.paths(device)]
        return await self._runtime.missing_devices(c.name, paths)

    def _lost(self, held: Iterable[str]) -> str | None:
        known = {reading.device for reading in self._watch.state.survey.readings}
        gone = [device for device in held if device not in known]
        return f"{', '.join(gone)} is not on this machine now" if gone else None


async def line_up(tx: Transaction, d: Deployment) -> None:
    """The place in line for GPUs is that of the order, whenever its driver comes round to it."""
    if d.desired is Desired.RUNNING and d.spec.resources.gpu_need is not None:
        await gpus.join(tx, d.id)


def _after(hold: Hold, lenders: Collection[str]) -> Hold:
    """What is left of a hold once its holder has given back what it can."""
    lends = hold.deployment_id in lenders and not hold.exclusive
    return replace(hold, vram_mb=None) if lends else hold


def _news(before: dict[str, Place], after: dict[str, Place]) -> Iterable[str]:
    """Whose reason to wait is another than before; the number in line alone is no news."""
    for deployment_id, place in after.items():
        then = before.get(deployment_id)
        if then is not None and (then.why, then.hopeless) != (place.why, place.hopeless):
            yield deployment_id
