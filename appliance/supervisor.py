"""The only composition root: what is made, in which order it starts, and how it ends.

Start: data directory, lock, database, then one task group that owns everything else: Podman's
service, the engine, the listeners, the signals. An error that escapes anywhere ends the process,
and the next start is the recovery.

Stop (SIGTERM): listeners close, streams are told, what is under way gets a few seconds, the rest
is cancelled; containers go on. A second signal ends at once.
"""

import logging
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import anyio
import psutil
import uvloop
from anyio.abc import TaskGroup

from appliance import listeners, welcoming
from appliance.api import app as api
from appliance.api import static
from appliance.api.routes import CONTROL_ROUTES, ROUTES
from appliance.api.services import Services, Trust
from appliance.auth.accounts import Accounts
from appliance.auth.audit import Audit
from appliance.auth.setup import Setup
from appliance.clock import Clock, SystemClock
from appliance.config import Settings, in_force
from appliance.diagnosis import diagnose, observed, podman_command, podman_home
from appliance.domain.errors import ApplianceError
from appliance.domain.node import Room
from appliance.engine.assembly import Engine, Materials, assemble
from appliance.engine.backups import Backups
from appliance.engine.catalogue import PACKAGED_TEMPLATES, Catalogue
from appliance.engine.deployments import House
from appliance.engine.endpoints import Front
from appliance.engine.nodes import NodeProfile, Nodes
from appliance.engine.reports import Reports
from appliance.engine.vault import Vault, load_key
from appliance.host import descriptors, doctor, memory, welcome
from appliance.host.doctor import Check
from appliance.host.firewall import Firewall, table_of
from appliance.host.gpus import GpuReader
from appliance.host.instance import held, prepare_data_dir
from appliance.host.names import console_host
from appliance.host.node import read_room, read_specs
from appliance.ingress.assembly import FrontDoor, front_door
from appliance.ingress.outfit import Outfit, Site
from appliance.runtime.credentials import Credentials
from appliance.runtime.podman import PodmanRuntime, connect
from appliance.runtime.pull import PullDeadlines
from appliance.runtime.service import PodmanService
from appliance.runtime.threads import run_in_daemon
from appliance.runtime.trial import find_runtime
from appliance.store import backup, meta, nodes
from appliance.store.audit import NewEntry
from appliance.store.ballast import Ballast
from appliance.store.database import Database, open_database

GRACE_S = 4
"""What open requests get after SIGTERM; with Podman's own end it all stays below 15 s."""

EXIT_UNUSABLE = 1
UNUSABLE = (ApplianceError, OSError, ValueError)
"""What keeps it from starting is told in words. Once it runs, these are defects as all others."""

SERVICE_WAIT_S = 5.0
MIB = 1024 * 1024

Sockets = tuple[list[socket.socket], list[socket.socket]]
"""The front door's, plain and TLS."""

log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Runs the appliance until it is told to stop; the process's exit code."""
    descriptors.raise_limit()
    try:
        prepare_data_dir(settings.data_dir)
        with held(settings.lock):
            while _run_once(settings):
                log.info("starting again")
    except UNUSABLE as error:
        log.error("the appliance can't run: %s", error)  # noqa: TRY400 - told in words, not as a trace
        return EXIT_UNUSABLE
    return 0


def _run_once(settings: Settings) -> bool:
    backup.put_in_place(settings.database)
    return uvloop.run(serve(settings))


@dataclass(slots=True)
class _Ending:
    """How this run ends: ``stopping`` is set when it does, ``again`` says that another follows."""

    stopping: anyio.Event
    again: bool = False

    def stop(self) -> None:
        self.again = False
        self.stopping.set()

    def restart(self) -> None:
        self.again = True
        self.stopping.set()


async def serve(settings: Settings) -> bool:
    """The appliance, from start to stop. The data directory is ours. True: it is to start again."""
    clock = SystemClock()
    if settings.podman_url is None:
        await run_in_daemon(doctor.refuse_old_podman)
    sockets = listeners.door_sockets(settings.listen_http, settings.listen_https, os.environ)
    db = await open_database(settings.database)
    try:
        again = await _live(settings, clock, db, sockets)
    finally:
        with anyio.CancelScope(shield=True):
            await db.close()
    log.info("stopped; containers go on")
    return again


async def _live(settings: Settings, clock: Clock, db: Database, sockets: Sockets) -> bool:
    """Raises: one of ``UNUSABLE`` as itself, out of the task group, if it can't start."""
    outcome: bool | Exception
    async with anyio.create_task_group() as tasks:
        try:
            await _tell_of_restore(settings, db, clock)
            plant = await _power_up(settings, clock, db, sockets, tasks)
            front = await _furnish(settings, db, clock, plant, sockets, tasks)
        except UNUSABLE as error:
            outcome = error
        else:
            outcome = await _open(settings, front, sockets, tasks)
        tasks.cancel_scope.cancel()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _tell_of_restore(settings: Settings, db: Database, clock: Clock) -> None:
    """The record that was put in place of another one says so itself."""
    with backup.noted(settings.database) as kept:
        if kept is not None:
            await Audit(db, clock).record(NewEntry("restored", "ok", object=kept or None))


@dataclass(frozen=True, slots=True)
class _Plant:
    """The working parts behind the API."""

    engine: Engine
    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class _Desk:
    """Who is let in, and by what."""

    accounts: Accounts
    setup: Setup
    operator_id: str
    outfit: Outfit


async def _power_up(
    settings: Settings, clock: Clock, db: Database, sockets: Sockets, tasks: TaskGroup
) -> _Plant:
    """Podman and the engine, at work."""
    prefix = await meta.instance_prefix(db)
    node = await nodes.register(db, clock.now())
    vault = Vault(load_key(settings.secret_key))
    runtime = await _podman(settings, prefix, clock, tasks)
    catalogue = _catalogue(settings)
    house = _house(settings, prefix, node.id, sockets)
    gpus = GpuReader(settings.cdi_dirs)
    ballast = Ballast(settings.data_dir / "ballast")
    engine = assemble(
        Materials(
            db, ballast, runtime, clock, catalogue, vault, house, gpus, tasks,
            stop_grace_s=settings.stop_grace_s, drain_s=settings.drain_s,
        )
    )  # fmt: skip
    await engine.load(db)
    tasks.start_soon(ballast.keep, clock)
    tasks.start_soon(engine.run)
    return _Plant(engine, catalogue)


async def _podman(settings: Settings, prefix: str, clock: Clock, tasks: TaskGroup) -> PodmanRuntime:
    """Finds Podman's service or runs one; the welcome image is made on the way.

    Our firewall keeps the containers of our own service apart; another service's Podman has to.
    """
    firewall = Firewall(table_of(prefix), settings.network_pool)
    guarded = await firewall.apply()
    tasks.start_soon(firewall.keep, clock)
    home = podman_home(settings)
    home.prepare()
    trial = await find_runtime(home, welcome.find_busybox(), os.environ)
    url = settings.podman_url
    if url is None:
        service = PodmanService(home, _podman_environ(settings))
        tasks.start_soon(service.run)
        url = service.url
        with anyio.move_on_after(SERVICE_WAIT_S):
            await service.ready.wait()
    deadlines = PullDeadlines(stall_s=settings.pull_stall_s, total_s=settings.pull_total_s)
    runtime = connect(
        url, prefix=prefix, limits=trial.limits, clock=clock,
        credentials=Credentials(settings.auth_file),
        pull_deadlines=deadlines, isolate=not guarded or settings.podman_url is not None,
    )  # fmt: skip
    if not await welcoming.make_image(url, runtime):
        tasks.start_soon(welcoming.make_image_later, url, runtime, clock)
    return runtime


@dataclass(frozen=True, slots=True)
class _Frontage:
    """All that listens, ready to be opened."""

    door: FrontDoor
    servers: Sequence[tuple[listeners.Server, socket.socket]]
    setup: Setup
    ending: _Ending


async def _furnish(
    settings: Settings,
    db: Database,
    clock: Clock,
    plant: _Plant,
    sockets: Sockets,
    tasks: TaskGroup,
) -> _Frontage:
    accounts = Accounts(db, clock)
    owner = await accounts.machine_owner()
    ending = _Ending(anyio.Event())
    front, secret = _front(settings, sockets), load_key(settings.secret_key)
    door = front_door(Site(settings, clock, plant.engine, accounts, front, secret, *sockets, tasks))
    setup = Setup(accounts, clock, settings.setup_link, listeners.http_url(sockets[0][0]))
    desk = _Desk(accounts, setup, owner.user_id, door.outfit)
    services = _services(settings, db, clock, plant, desk, ending)
    public = static.with_page(
        api.create_app(services, ROUTES, api.bearer(accounts)), static.web_root()
    )
    control = api.create_app(services, CONTROL_ROUTES, api.owner_or_bearer(accounts, owner))
    behind = listeners.server(public, grace_s=GRACE_S, behind_door=True)
    beside = listeners.server(control, grace_s=GRACE_S)
    servers = (
        (behind, listeners.unix(settings.api_socket)),
        (beside, listeners.unix(settings.control_socket)),
    )
    return _Frontage(door, servers, setup, ending)


async def _open(settings: Settings, front: _Frontage, sockets: Sockets, tasks: TaskGroup) -> bool:
    """Listens until a signal or a restart comes, then closes in good order. True: start again."""
    async with anyio.create_task_group() as serving:
        tasks.start_soon(_watch_signals, front.ending)
        for server, sock in front.servers:
            serving.start_soon(_serve_on, server, sock)
        async with anyio.create_task_group() as outside:
            outside.start_soon(front.door.run, front.ending.stopping, GRACE_S)
            url = listeners.http_url(sockets[0][0])
            log.info("ready address=%s data=%s", url, settings.data_dir)
            await front.setup.announce()
            memory.settle()
        # Not before the door has seen its last guest off: it would find nobody behind it.
        for server, _ in front.servers:
            server.stop()
    settings.control_socket.unlink(missing_ok=True)
    settings.api_socket.unlink(missing_ok=True)
    return front.ending.again


async def _serve_on(server: listeners.Server, sock: socket.socket) -> None:
    await server.serve(sockets=[sock])


async def _watch_signals(ending: _Ending) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            if ending.stopping.is_set() and not ending.again:
                os._exit(128 + number)
            log.info("stopping signal=%s", signal.Signals(number).name)
            ending.stop()


def _services(
    settings: Settings,
    db: Database,
    clock: Clock,
    plant: _Plant,
    desk: _Desk,
    ending: _Ending,
) -> Services:
    engine, ca, profile = plant.engine, desk.outfit.authority, _profile(settings, desk.operator_id)
    return Services(
        deployments=engine.deployments,
        updates=engine.updates,
        terminals=engine.terminals,
        samples=engine.samples,
        logs=engine.logs,
        feed=engine.feed,
        nodes=Nodes(db, clock, profile, engine.pulse, engine.gpus, partial(_room, settings)),
        reports=Reports(db, clock, settings.energy_cents_per_kwh),
        catalogue=plant.catalogue,
        pulse=engine.pulse,
        activity=engine.activity,
        accounts=desk.accounts,
        tickets=desk.outfit.tickets,
        trust=Trust(ca.pem, ca.fingerprint, tuple(sorted(ca.reach().domains))),
        audit=Audit(db, clock),
        setup=desk.setup,
        backups=Backups(db, settings.database, ending.restart, podman_command(settings)),
        doctor=partial(_doctor, settings, engine),
        observed=lambda: observed(settings, engine.reconciler.strangers),
        registries=Credentials(settings.auth_file),
        settings=in_force(settings, os.environ),
        stopping=ending.stopping,
    )


def _profile(settings: Settings, operator_id: str) -> NodeProfile:
    return NodeProfile(
        operator_id=operator_id,
        name=settings.node_name or socket.gethostname(),
        specs=read_specs(settings.data_dir),
        region=settings.region,
        country=settings.country,
        hourly_rate_cents=settings.hourly_rate_cents,
        gpu_hourly_rate_cents=settings.gpu_hourly_rate_cents,
        max_deployments=settings.max_deployments,
    )


async def _doctor(settings: Settings, engine: Engine) -> list[Check]:
    found = await run_in_daemon(partial(diagnose, settings, engine.gpu_watch.state.survey))
    return [*found, *observed(settings, engine.reconciler.strangers)]


async def _room(settings: Settings) -> Room:
    return await run_in_daemon(partial(read_room, settings.data_dir))


def _podman_environ(settings: Settings) -> dict[str, str]:
    """Podman reads the credentials itself too, but fails at everything if the file is missing."""
    there = settings.auth_file.exists()
    extra = {"REGISTRY_AUTH_FILE": str(settings.auth_file)} if there else {}
    return {**os.environ, **extra}


def _catalogue(settings: Settings) -> Catalogue:
    owned = settings.templates_dir if settings.templates_dir.is_dir() else None
    catalogue = Catalogue.load(PACKAGED_TEMPLATES, owned)
    for problem in catalogue.problems:
        log.warning("template left out: %s", problem)
    return catalogue


def _house(settings: Settings, prefix: str, node_id: str, sockets: Sockets) -> House:
    return House(
        node_id=node_id,
        prefix=prefix,
        rate_cents=settings.hourly_rate_cents,
        gpu_rate_cents=settings.gpu_hourly_rate_cents,
        max_deployments=settings.max_deployments,
        cpus=psutil.cpu_count() or 1,
        memory_mb=psutil.virtual_memory().total // MIB,
        front=_front(settings, sockets),
        tcp_ports=settings.tcp_ports,
    )


def _front(settings: Settings, sockets: Sockets) -> Front:
    return Front(settings.domain, console_host(settings.domain), listeners.port(sockets[1][0]))
