"""The engine put together: the same in the appliance and in its tests."""

from collections.abc import Callable
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from appliance.clock import Clock
from appliance.domain.deployment import Process
from appliance.engine.access_tokens import AccessTokens
from appliance.engine.activity import Activity
from appliance.engine.addresses import Addresses
from appliance.engine.broadcast import Broadcast
from appliance.engine.catalogue import Catalogue
from appliance.engine.companions import Companions
from appliance.engine.deployments import Deployments, House
from appliance.engine.drains import Drains
from appliance.engine.driver import Workshop
from appliance.engine.feed import Feed
from appliance.engine.gpu_leaks import GpuLeaks
from appliance.engine.gpu_watch import GpuSource, GpuWatch
from appliance.engine.gpus import Gpus
from appliance.engine.heartbeat import Heartbeat
from appliance.engine.ledger import Ledger
from appliance.engine.logs import Logs
from appliance.engine.probes import Probes
from appliance.engine.pulls import Pulls
from appliance.engine.pulse import Pulse
from appliance.engine.raw_ports import RawPorts
from appliance.engine.reconciler import Reconciler
from appliance.engine.samples import Samples
from appliance.engine.sleep import Sleep
from appliance.engine.soft_steps import SoftSteps
from appliance.engine.softening import Softening
from appliance.engine.stats import StatsReader
from appliance.engine.terminals import Terminals
from appliance.engine.updates import Updates
from appliance.engine.vault import Vault
from appliance.runtime import process
from appliance.runtime.port import ContainerRuntime
from appliance.store.ballast import Ballast
from appliance.store.database import Database
from appliance.store.pages import Pages


@dataclass(frozen=True, slots=True)
class Engine:
    """What the API uses, and ``run``, which makes it all happen."""

    deployments: Deployments
    updates: Updates
    terminals: Terminals
    sleep: Sleep
    logs: Logs
    feed: Feed
    pulse: Pulse
    reconciler: Reconciler
    heartbeat: Heartbeat
    gpus: Gpus
    gpu_watch: GpuWatch
    gpu_leaks: GpuLeaks
    samples: Samples
    addresses: Addresses
    drains: Drains
    activity: Activity
    access_tokens: AccessTokens
    raw_ports: RawPorts
    pulls: Pulls

    async def load(self, db: Database) -> None:
        """Reads what is kept in memory; once, before anything is written."""
        await self.raw_ports.load()
        await self.addresses.load(db)

    async def run(self) -> None:
        """Reconciles and keeps the books, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.reconciler.run)
            tasks.start_soon(self.heartbeat.run)
            tasks.start_soon(self.gpu_watch.run, self.gpus.serve, self.gpus.is_unserved)
            tasks.start_soon(self.gpu_leaks.run)
            tasks.start_soon(self.samples.run)
            tasks.start_soon(self.sleep.run)


@dataclass(frozen=True, slots=True)
class Materials:
    """What an engine is made from. ``tasks`` outlives every piece of its work.

    ``alive`` tells whether a container's process still runs.
    """

    db: Database
    ballast: Ballast
    runtime: ContainerRuntime
    clock: Clock
    catalogue: Catalogue
    vault: Vault
    house: House
    gpus: GpuSource
    tasks: TaskGroup
    stop_grace_s: int = 10
    drain_s: int = 30
    alive: Callable[[Process], bool] = process.alive


def assemble(m: Materials) -> Engine:
    """An engine at rest; nothing happens before ``run``."""
    broadcast, pulse, addresses = Broadcast(), Pulse(m.clock), Addresses()
    watch = GpuWatch(m.db, m.clock, m.gpus)
    gpus = Gpus(m.db, m.clock, m.runtime, watch, lambda i: reconciler.nudge(i))  # noqa: PLW0108 - made below, with these
    raw_ports = RawPorts(m.db, m.clock, broadcast, m.house.tcp_ports)
    ledger = Ledger(m.db, m.clock, broadcast, addresses, raw_ports, gpus.freed)
    access_tokens = AccessTokens(m.db, m.clock, m.vault)
    addresses.listen(raw_ports.heard)
    drains = Drains(m.clock, addresses, m.drain_s)
    pulls = Pulls(m.runtime, m.clock, m.tasks)
    probes = Probes(m.runtime, m.clock, m.tasks, lambda i: reconciler.nudge(i))  # noqa: PLW0108 - made below, with these
    activity = _activity(m.clock, addresses)
    companions = Companions(m.db, ledger, m.runtime, m.clock, m.tasks, probes, activity)
    steps = SoftSteps(m.runtime, m.catalogue, ledger, m.house.prefix)
    shop = Workshop(
        m.db, ledger, m.runtime, m.clock, pulls, companions, gpus, addresses, drains, m.vault,
        pulse, steps,
        prefix=m.house.prefix, stop_grace_s=m.stop_grace_s,
    )  # fmt: skip
    reconciler = Reconciler(shop, m.tasks)
    deployments = Deployments(
        db=m.db, ballast=m.ballast, pages=Pages(m.db), clock=m.clock, house=m.house,
        catalogue=m.catalogue, vault=m.vault, pulls=pulls,
        stats=StatsReader(m.runtime, m.clock, gpus),
        broadcast=broadcast, addresses=addresses, access_tokens=access_tokens, raw_ports=raw_ports,
        ordered=reconciler.ordered, place=gpus.place, leaked_mb=gpus.leaked_mb,
    )  # fmt: skip
    return Engine(
        deployments=deployments,
        updates=Updates(
            db=m.db, clock=m.clock, house=m.house, catalogue=m.catalogue, vault=m.vault,
            broadcast=broadcast, deployments=deployments, addresses=addresses,
            access_tokens=access_tokens, raw_ports=raw_ports, ordered=reconciler.ordered,
        ),
        terminals=Terminals(m.db, m.clock, m.runtime, ledger, activity, m.house.prefix),
        sleep=Sleep(
            db=m.db, clock=m.clock, broadcast=broadcast, addresses=addresses, activity=activity,
            gpus=gpus, ordered=reconciler.ordered,
            softening=Softening(m.db, m.clock, steps, addresses, gpus, ledger),
        ),
        logs=Logs(m.db, m.clock, broadcast),
        feed=Feed(m.db, deployments, broadcast),
        pulse=pulse,
        reconciler=reconciler,
        heartbeat=Heartbeat(m.db, m.clock, reconciler, watch, m.alive),
        addresses=addresses,
        drains=drains,
        access_tokens=access_tokens,
        raw_ports=raw_ports,
        activity=activity,
        pulls=pulls,
        samples=Samples(m.db, m.clock, m.runtime, activity, m.house.prefix),
        gpus=gpus,
        gpu_watch=watch,
        gpu_leaks=GpuLeaks(m.db, m.clock, watch, ledger),
    )  # fmt: skip


def _activity(clock: Clock, addresses: Addresses) -> Activity:
    """The books of the front door; those of a deployment go with it."""
    activity = Activity(clock)
    addresses.listen(lambda a: activity.forget(a.deployment_id) if a.gone else None)
    return activity
