"""The whole API in this process: real engine, store and accounts, the fake runtime behind them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import anyio
import httpx
from starlette.routing import compile_path
from starlette.types import ASGIApp

from appliance.api.answers import ANSWERS, Problem
from appliance.api.app import bearer, create_app, owner_or_bearer
from appliance.api.routes import CONTROL_ROUTES, ROUTES
from appliance.api.services import Services, Trust
from appliance.auth.accounts import Accounts
from appliance.auth.audit import Audit
from appliance.auth.setup import Setup
from appliance.auth.tickets import Tickets
from appliance.clock import SystemClock
from appliance.config import Settings, in_force
from appliance.domain.node import DiskType, NodeSpecs, Room
from appliance.domain.observed import ImageFacts
from appliance.domain.permissions import Principal, Role, Scope
from appliance.engine.assembly import Engine, Materials, assemble
from appliance.engine.backups import Backups
from appliance.engine.catalogue import PACKAGED_TEMPLATES, Catalogue
from appliance.engine.deployments import House
from appliance.engine.nodes import NodeProfile, Nodes
from appliance.engine.reports import Reports
from appliance.engine.vault import Vault
from appliance.host.doctor import Check, judge_strangers
from appliance.host.gpus import GpuReader
from appliance.runtime.credentials import Credentials
from appliance.store import nodes
from appliance.store.ballast import Ballast
from appliance.store.database import Database, open_database
from tests.fake_runtime import FakeRuntime
from tests.waiting import eventually

PREFIX = "nntest0001"
IMAGE = "docker.io/library/app:latest"
ADDRESS = "http://appliance"
PASSWORD = "correct horse battery"
RATE_CENTS = 150
GPU_RATE_CENTS = 50
KWH_CENTS = 30
CATALOGUE = Catalogue.load(PACKAGED_TEMPLATES, None)
TRUST = Trust(b"-----BEGIN CERTIFICATE-----\n", "AB:CD", ("box.local", "localhost"))
Json = dict[str, Any]


@dataclass
class Caller:
    """Somebody with a token, or whoever has opened the control socket."""

    http: httpx.AsyncClient
    node_id: str
    user_id: str = ""

    async def create(self, **fields: Any) -> Json:
        body = {"nodeId": self.node_id, "customImage": IMAGE, **fields}
        answer = await self.http.post("/deployments", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json()["deployment"])

    async def get(self, path: str) -> Json:
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def until(self, deployment_id: str, status: str) -> Json:
        async def reached() -> bool:
            shown = await self.get(f"/deployments/{deployment_id}")
            return bool(shown["deployment"]["status"] == status)

        await eventually(reached)
        return dict((await self.get(f"/deployments/{deployment_id}"))["deployment"])

    async def refused(self, **fields: Any) -> dict[str, str]:
        """What is said of each wrong field of a create, if it is refused."""
        body = {"nodeId": self.node_id, **fields}
        answer = await self.http.post("/deployments", json=body)
        return field_errors(answer)


DESCRIBED = {name: model for name, (_, model) in ANSWERS.items() if model is not None}
LOCATED = {route.handler.__name__ for route in CONTROL_ROUTES if route.located}


def handler_of(request: httpx.Request) -> str:
    """The name of the handler that answers it."""
    found = (
        r.handler.__name__ for r in CONTROL_ROUTES
        if r.method == request.method and compile_path(r.path)[0].match(request.url.path)
    )  # fmt: skip
    return next(found, "")


@dataclass
class Served:
    """The appliance without its sockets.

    Every answer to every client is held against its description as it comes; ``held`` names the
    handlers of those that were good.
    """

    services: Services
    engine: Engine
    runtime: FakeRuntime
    db: Database
    accounts: Accounts
    node_id: str
    stopping: anyio.Event
    clients: list[httpx.AsyncClient] = field(default_factory=list)
    held: set[str] = field(default_factory=set)

    @cached_property
    def app(self) -> ASGIApp:
        return create_app(self.services, ROUTES, bearer(self.accounts))

    async def control_app(self) -> ASGIApp:
        owner = await self.accounts.machine_owner()
        return create_app(self.services, CONTROL_ROUTES, owner_or_bearer(self.accounts, owner))

    def client(self, app: ASGIApp, **headers: str) -> httpx.AsyncClient:
        made = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=ADDRESS, headers=headers,
            event_hooks={"response": [self._hold]},
        )  # fmt: skip
        self.clients.append(made)
        return made

    async def _hold(self, answer: httpx.Response) -> None:
        kind, name = answer.headers.get("content-type"), handler_of(answer.request)
        if answer.status_code >= 400:
            assert kind == "application/problem+json"
            Problem.model_validate_json(await answer.aread())
        elif name in DESCRIBED and kind == ANSWERS[name][0]:
            DESCRIBED[name].model_validate_json(await answer.aread())
            assert ("location" in answer.headers) is (name in LOCATED)
            self.held.add(name)

    async def caller(
        self, email: str, role: Role = Role.USER, scope: Scope = Scope.WRITE
    ) -> Caller:
        user = await self.accounts.create_user(email, role, PASSWORD)
        principal = Principal(user.id, email, role, Scope.WRITE)
        made = await self.accounts.create_token(principal, "test", scope, None)
        http = self.client(self.app, Authorization=f"Bearer {made.text}")
        return Caller(http, self.node_id, user.id)

    def nobody(self) -> httpx.AsyncClient:
        return self.client(self.app)

    async def owner(self) -> Caller:
        return Caller(self.client(await self.control_app()), self.node_id)


def problem(answer: httpx.Response, status: int) -> Json:
    """The problem document, of the one shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = dict(answer.json())
    assert body["status"] == status
    assert {"type", "title", "detail", "code", "errorId"} <= body.keys()
    return body


def field_errors(answer: httpx.Response) -> dict[str, str]:
    """Message by field of a 422."""
    return {e["field"]: e["message"] for e in problem(answer, 422)["errors"]}


@asynccontextmanager
async def serving(path: Path, tcp_ports: range = range(20_000, 20_100)) -> AsyncIterator[Served]:
    """Runs until the block ends."""
    runtime = FakeRuntime(prefix=PREFIX)
    runtime.images[IMAGE] = ImageFacts(id="sha256:app", exposed_ports=(8080,))
    db, clock, stopping = await open_database(path), SystemClock(), anyio.Event()
    accounts, catalogue = Accounts(db, clock), CATALOGUE
    owner = await accounts.machine_owner()
    node = await nodes.register(db, clock.now())
    house = House(
        node.id, PREFIX, RATE_CENTS, GPU_RATE_CENTS, 100, cpus=8, memory_mb=16_000,
        tcp_ports=tcp_ports,
    )  # fmt: skip
    try:
        async with anyio.create_task_group() as tasks:
            engine = assemble(
                Materials(
                    db,
                    Ballast(path.with_name("ballast")),
                    runtime,
                    clock,
                    catalogue,
                    Vault(b"k" * 32),
                    house,
                    GpuReader(()),
                    tasks,
                )
            )
            services = Services(
                deployments=engine.deployments, updates=engine.updates,
                terminals=engine.terminals, samples=engine.samples, logs=engine.logs,
                feed=engine.feed,
                nodes=Nodes(
                    db, clock, _profile(owner.user_id), engine.pulse, engine.gpus, _room
                ),
                reports=Reports(db, clock, KWH_CENTS),
                catalogue=catalogue, pulse=engine.pulse, activity=engine.activity,
                accounts=accounts, tickets=Tickets(clock), trust=TRUST,
                audit=Audit(db, clock),
                setup=Setup(accounts, clock, path.parent / "setup-link", ADDRESS),
                settings=in_force(Settings(data_dir=path.parent), {}),
                registries=Credentials(path.parent / "auth.json"), doctor=_doctor,
                observed=lambda: [judge_strangers(engine.reconciler.strangers, "podman")],
                backups=Backups(db, path, stopping.set, "podman"),
                stopping=stopping,
            )  # fmt: skip
            await engine.load(db)
            tasks.start_soon(engine.run)
            await eventually(engine.pulse.runtime_reachable)
            made = Served(services, engine, runtime, db, accounts, node.id, stopping)
            yield made
            for client in made.clients:
                await client.aclose()
            tasks.cancel_scope.cancel()
    finally:
        await db.close()


async def _room() -> Room:
    return Room(cpus=6.5, memory_mb=12_000, disk_gb=300)


async def _doctor() -> list[Check]:
    return [Check("gpu", "fail", "what", "command", "why")]


def _profile(operator_id: str) -> NodeProfile:
    specs = NodeSpecs(
        cpu_model="Test CPU", cpu_cores=4, cpu_threads=8, ram_mb=16_000, disk_gb=500,
        disk_type=DiskType.NVME, network_speed_mbps=None, os="Debian 12",
    )  # fmt: skip
    return NodeProfile(operator_id, "attic", specs, "home", "DE", RATE_CENTS, GPU_RATE_CENTS, 100)
