"""Takes one deployment from where it is to where it should be, a step at a time."""

from dataclasses import dataclass

import anyio

from appliance.clock import Clock
from appliance.domain.deployment import Deployment, Desired, Status
from appliance.domain.errors import (
    GpuMissing,
    RuntimeFailure,
    RuntimeUnavailable,
    StaleVersion,
)
from appliance.domain.observed import (
    ContainerName,
    ContainerState,
    ImageFacts,
    Observed,
)
from appliance.domain.plan import plan
from appliance.domain.setbacks import after_failure
from appliance.domain.steps import (
    Act,
    Become,
    Bury,
    Claim,
    Create,
    Pull,
    Reject,
    Remove,
    Start,
    Stop,
    Wait,
)
from appliance.engine.companions import Companions
from appliance.engine.gpus import Gpus
from appliance.engine.ledger import Ledger
from appliance.engine.pulls import Pulls
from appliance.engine.pulse import Pulse
from appliance.engine.vault import Vault
from appliance.runtime.port import ContainerRuntime, ContainerSpec
from appliance.runtime.spec import build_spec
from appliance.store import deployments, gpus
from appliance.store.database import Database

GPU_MISSING = "see `appliance doctor`"
WAITING = frozenset({Status.PENDING, Status.PULLING, Status.STARTING})


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every driver works with. ``prefix`` begins every container name of this instance."""

    db: Database
    ledger: Ledger
    runtime: ContainerRuntime
    clock: Clock
    pulls: Pulls
    companions: Companions
    gpus: Gpus
    vault: Vault
    pulse: Pulse
    prefix: str
    stop_grace_s: int


class Driver:
    """Load, look, ``plan()``, act, apply; until the answer is to wait."""

    def __init__(self, shop: Workshop, deployment_id: str) -> None:
        self._shop = shop
        self._id = deployment_id
        self._pull = anyio.CancelScope()
        self._interrupted = False

    def interrupt(self) -> None:
        """A new order came: ends a wait for an image at once; all else is short and finishes."""
        self._interrupted = True
        self._pull.cancel()

    async def run(self) -> Wait:
        """Works until there is nothing to do but wait.

        Raises:
            StoreFailure: the database can't be used now.
        """
        while (d := await self._load()) is not None:
            try:
                wait = await self._work(d)
            except StaleVersion:
                continue
            if wait is not None:
                return wait
        return Wait()

    async def _load(self) -> Deployment | None:
        self._interrupted = False
        return await deployments.for_driver(self._shop.db, self._id)

    async def _work(self, d: Deployment) -> Wait | None:
        """One look and the steps up to the next act; None: look again."""
        try:
            seen = await self._look(d)
        except RuntimeUnavailable as error:
            return await self._cut_off(d, error)
        except RuntimeFailure:
            return Wait(self._shop.clock.now().boot_us + 1_000_000)
        step = plan(d, seen, self._shop.clock.now())
        while isinstance(step, Become):
            d = await self._shop.ledger.become(d, step)
            step = plan(d, seen, self._shop.clock.now())
        if not isinstance(step, Wait):
            return await self._take(d, step)
        if d.shown is Status.RUNNING and seen.container is not None:
            self._shop.companions.provide(d, seen.container)
        return step

    async def _cut_off(self, d: Deployment, error: RuntimeUnavailable) -> Wait:
        """Says on the deployment that Podman is away, if that is what it waits for."""
        self._shop.pulse.suspect()
        if d.shown != d.status or d.status in WAITING:
            step = after_failure(d, Start(), error, self._shop.clock.now())
            if isinstance(step, Become):
                await self._shop.ledger.become(d, step)
        return Wait()

    async def _look(self, d: Deployment) -> Observed:
        runtime, prefix = self._shop.runtime, self._shop.prefix
        name = str(ContainerName(prefix, d.id, d.generation))
        c = await runtime.inspect(name)
        strays = await self._strays(d, name)
        if c is None or c.state not in (ContainerState.RUNNING, ContainerState.PAUSED):
            self._shop.companions.leave(d.id)
            wanted = c is None and d.desired is Desired.RUNNING
            image = await runtime.image(d.spec.image) if wanted else None
            cards = await self._shop.gpus.view(d, c)
            return Observed(container=c, strays=strays, image=image, gpus=cards)
        health = await self._shop.companions.attend(d, c)
        cards = await self._shop.gpus.view(d, c)
        return Observed(container=c, strays=strays, health=health, gpus=cards)

    async def _strays(self, d: Deployment, name: str) -> tuple[str, ...]:
        """Containers of other generations; only one that was replaced or deleted can have any."""
        if d.generation == 1 and d.desired is not Desired.DELETED:
            return ()
        listed = await self._shop.runtime.list_containers()
        parsed = [(c.name, ContainerName.parse(c.name, prefix=self._shop.prefix)) for c in listed]
        return tuple(n for n, p in parsed if p and p.deployment_id == d.id and n != name)

    async def _take(self, d: Deployment, step: Act) -> Wait | None:
        try:
            await self._act(d, step)
        except RuntimeFailure as error:
            setback = after_failure(d, step, error, self._shop.clock.now())
            if isinstance(setback, Wait):
                return setback
            await self._shop.ledger.become(d, setback)
        return None

    async def _act(self, d: Deployment, step: Act) -> None:
        shop, name = self._shop, str(ContainerName(self._shop.prefix, d.id, d.generation))
        match step:
            case Pull():
                await self._fetch(d.spec.image)
            case Claim():
                await shop.gpus.claim(d.id)
            case Create(image):
                await shop.runtime.create(await self._spec(d, image))
            case Start():
                await shop.runtime.start(name)
            case Stop():
                shop.companions.leave(d.id)
                await shop.runtime.stop(name, grace_s=shop.stop_grace_s)
            case Remove() | Reject() | Bury():
                await self._clear_away(d, step)

    async def _clear_away(self, d: Deployment, step: Remove | Reject | Bury) -> None:
        match step:
            case Remove(name):
                await self._shop.runtime.remove(name)
            case Reject(name, missing):
                await self._shop.runtime.remove(name)
                raise GpuMissing(f"{', '.join(missing)} is not in the container: {GPU_MISSING}")
            case Bury():
                await self._shop.runtime.purge(d.id)
                await self._shop.ledger.bury(d)

    async def _spec(self, d: Deployment, image: ImageFacts) -> ContainerSpec:
        secrets = self._shop.vault.open(d.id, d.secrets)
        devices = await gpus.held_by(self._shop.db, d.id)
        return build_spec(d, image, secrets, devices=devices, instance_prefix=self._shop.prefix)

    async def _fetch(self, reference: str) -> None:
        with anyio.CancelScope() as self._pull:
            if not self._interrupted:
                await self._shop.pulls.fetch(reference)
