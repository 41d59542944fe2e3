"""An engine on real SQLite and the fake runtime, which the contract suite holds to the real one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import anyio
import pytest

from appliance.clock import Clock, SystemClock
from appliance.domain.deployment import Status
from appliance.domain.gpu import Gpu, GpuReading, Survey
from appliance.domain.observed import ImageFacts
from appliance.domain.order import Order, SaidResources
from appliance.domain.permissions import Principal, Role, Scope
from appliance.engine.assembly import Engine, Materials, assemble
from appliance.engine.catalogue import PACKAGED_TEMPLATES, Catalogue
from appliance.engine.deployments import House
from appliance.engine.vault import Vault
from appliance.engine.views import DeploymentView
from appliance.store.ballast import Ballast
from appliance.store.database import Database, open_database
from tests.fake_runtime import FakeRuntime
from tests.waiting import eventually

PREFIX = "nntest0001"
RATE_CENTS, GPU_RATE_CENTS = 3600, 1800
IMAGE = "docker.io/library/app:latest"
ADMIN = "INSERT INTO user (id, email, role, created_us) VALUES ('user_ada', 'ada@x', 'admin', 0)"
OTHER = "INSERT INTO user (id, email, role, created_us) VALUES ('user_oki', 'oki@x', 'user', 0)"

ADA = Principal("user_ada", "ada@x", Role.ADMIN, Scope.WRITE)
OKI = Principal("user_oki", "oki@x", Role.USER, Scope.WRITE)


@dataclass
class FakeGpus:
    """GPUs of this machine, as a test wants them."""

    readings: tuple[GpuReading, ...] = ()
    surveys: int = 0

    def survey(self) -> Survey:
        self.surveys += 1
        return Survey(self.readings)

    def paths(self, device: str) -> tuple[str, ...]:
        return (f"/dev/{device.partition('=')[2]}",)


def a_gpu(index: int, vram_mb: int = 24_000) -> GpuReading:
    gpu = Gpu(f"GPU-{index}", index, "Test GPU", "NVIDIA", vram_mb, uuid=f"GPU-{index}")
    name = f"nvidia.com/gpu=GPU-{index}"
    return GpuReading(gpu, vram_used_mb=0, cdi_names=(name,), device=name)


@dataclass
class World:
    """One appliance's engine, and what a test does to it."""

    engine: Engine
    runtime: FakeRuntime
    db: Database

    async def deploy(self, order: Order | None = None) -> str:
        made = await self.engine.deployments.create(ADA, order or an_order())
        assert made.view is not None
        return made.view.deployment.id

    async def view(self, deployment_id: str) -> DeploymentView:
        return await self.engine.deployments.get(ADA, deployment_id)

    async def until(self, deployment_id: str, status: Status) -> DeploymentView:
        async def reached() -> bool:
            return (await self.view(deployment_id)).deployment.shown is status

        await eventually(reached)
        return await self.view(deployment_id)

    async def event_types(self, deployment_id: str) -> list[str]:
        history = await self.engine.deployments.history(ADA, deployment_id, after=0, limit=100)
        return [event.type for event in history]


def an_order(image: str = IMAGE, **resources: Unpack[SaidResources]) -> Order:
    return Order(node_id="node_1", custom_image=image, resources=resources)


@asynccontextmanager
async def appliance(
    path: Path,
    runtime: FakeRuntime,
    gpus: FakeGpus | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[World]:
    """Runs until the block ends, then stops as a crash does: no goodbye."""
    db = await open_database(path)
    try:
        async with anyio.create_task_group() as tasks:
            house = House(
                "node_1", PREFIX, RATE_CENTS, GPU_RATE_CENTS, 100, cpus=8, memory_mb=16_000
            )
            catalogue, vault = Catalogue.load(PACKAGED_TEMPLATES, None), Vault(b"k" * 32)
            source = gpus or FakeGpus()
            engine = assemble(
                Materials(
                    db, Ballast(path.with_name("ballast")), runtime, clock or SystemClock(),
                    catalogue, vault, house, source, tasks,
                    alive=runtime.alive,
                )
            )  # fmt: skip
            await engine.load(db)
            tasks.start_soon(engine.run)
            yield World(engine, runtime, db)
            tasks.cancel_scope.cancel()
    finally:
        await db.close()


@pytest.fixture
def runtime() -> FakeRuntime:
    fake = FakeRuntime(prefix=PREFIX)
    fake.images[IMAGE] = ImageFacts(id="sha256:app", exposed_ports=(8080,))
    return fake


@pytest.fixture
async def world(tmp_path: Path, runtime: FakeRuntime) -> AsyncIterator[World]:
    path = tmp_path / "appliance.db"
    await with_users(path)
    async with appliance(path, runtime) as made:
        yield made


async def with_users(path: Path) -> None:
    db = await open_database(path)
    async with db.transaction() as tx:
        await tx.execute(ADMIN)
        await tx.execute(OTHER)
    await db.close()
