"""Takes one deployment from where it is to where it should be, a step at a time."""

import logging
from contextlib import suppress
from dataclasses import dataclass, replace

import anyio

from appliance.clock import Clock
from appliance.domain.deployment import ON_THE_WAY, Deployment, Desired, Status
from appliance.domain.errors import (
    GpuMissing,
    RuntimeFailure,
    RuntimeTimeout,
    RuntimeUnavailable,
    StaleVersion,
    StartRefused,
)
from appliance.domain.observed import (
    Container,
    ContainerName,
    ContainerState,
    ImageFacts,
    Observed,
)
from appliance.domain.plan import plan, unhandled
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
    Retire,
    Start,
    Stop,
    TakeBack,
    Wait,
    asked_by,
)
from appliance.domain.update import candidate
from appliance.engine.addresses import Addresses
from appliance.engine.companions import Companions
from appliance.engine.drains import Drains
from appliance.engine.gpus import Gpus
from appliance.engine.ledger import Ledger
from appliance.engine.logs import last_words
from appliance.engine.pulls import Pulls
from appliance.engine.pulse import Pulse
from appliance.engine.soft_steps import SoftSteps
from appliance.engine.vault import Vault
from appliance.runtime.port import ContainerRuntime, ContainerSpec
from appliance.runtime.spec import build_spec
from appliance.store import deployments, gpus
from appliance.store.database import Database

JUST_CREATED = 1
"""The version of a row that nobody has written since: neither a user nor a driver."""

GPU_MISSING = "see `appliance doctor`"
UNANSWERED = (RuntimeTimeout, RuntimeUnavailable)
ATTENDED = frozenset({ContainerState.RUNNING, ContainerState.PAUSED})

log = logging.getLogger(__name__)


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
    addresses: Addresses
    drains: Drains
    vault: Vault
    pulse: Pulse
    steps: SoftSteps
    prefix: str
    stop_grace_s: int


class Driver:
    """Load, look, ``plan()``, act, apply; until the answer is to wait."""

    def __init__(self, shop: Workshop, deployment_id: str) -> None:
        self._shop = shop
        self._id = deployment_id
        self._long = anyio.CancelScope()
        self._interrupted = False

    def interrupt(self) -> None:
        """A new order came: ends at once what may last; all else is short and finishes."""
        self._interrupted = True
        self._long.cancel()

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
        except RuntimeFailure as error:
            return await self._cut_off(d, error)
        d = await self._answered(d)
        step = plan(d, seen, self._shop.clock.now())
        while isinstance(step, Become):
            before, d = d, await self._shop.ledger.become(d, step)
            if step.then is not None:
                return await self._carry_out(d, step.then)
            if _is_outdated(seen, before, step):
                return None
            step = plan(d, seen, self._shop.clock.now())
        if not isinstance(step, Wait):
            return await self._take(d, step)
        if d.shown is Status.RUNNING and seen.container is not None:
            self._shop.companions.provide(d, seen.container)
        return step

    async def _cut_off(self, d: Deployment, error: RuntimeFailure) -> Wait:
        """Says on the deployment that Podman is away, or hangs, if that is what it waits for."""
        if isinstance(error, UNANSWERED):
            self._shop.pulse.suspect()
            if d.shown != d.status or d.status in ON_THE_WAY:
                away = RuntimeUnavailable(str(error))
                step = after_failure(d, Start(), away, self._shop.clock.now())
                if isinstance(step, Become):
                    await self._shop.ledger.become(d, step)
        later = self._shop.clock.now().boot_us + 1_000_000
        return Wait(None if isinstance(error, RuntimeUnavailable) else later)

    async def _answered(self, d: Deployment) -> Deployment:
        """Nobody says of Podman any more that it is away, also where there is still to wait."""
        told = None if d.reason is None else d.reason.code
        if d.status not in ON_THE_WAY or told != RuntimeUnavailable.code:
            return d
        again = Become(d.status, "answers", "Podman answers again", failures=d.failures)
        return await self._shop.ledger.become(d, again)

    async def _look(self, d: Deployment) -> Observed:
        seen = await self._look_at(d)
        if seen.container is None or seen.container.state not in ATTENDED:
            self._shop.companions.leave(d.id)
        else:
            frozen = seen.container.state is ContainerState.PAUSED
            self._shop.addresses.seen(d.id, paused=frozen)
        trying = d.update is not None and d.desired is not Desired.DELETED
        trial = await self._look_at(candidate(d), trial=True) if trying else None
        kept = {d.generation} | ({d.update.generation} if trying and d.update else set())
        strays = await self._strays(d, kept)
        if not strays:
            self._shop.addresses.alone(d.id)
        return replace(
            seen, strays=strays, candidate=trial, drain=self._shop.drains.of(d.id),
            answering_boot_us=self._shop.pulse.answering_boot_us(),
            stop_grace_s=self._shop.stop_grace_s,
        )  # fmt: skip

    async def _look_at(self, d: Deployment, *, trial: bool = False) -> Observed:
        """The container of that generation, its image where that decides something, its health."""
        runtime, name = self._shop.runtime, self._name(d)
        # Just created: a container that is there even so (of a time after a restored backup) is met
        # by its name.
        c = None if d.version == JUST_CREATED and not trial else await runtime.inspect(name)
        cards = await self._shop.gpus.view(d, c)
        fetching = self._shop.pulls.fetching_boot_us(d.spec.image)
        if c is not None and c.state in ATTENDED:
            health = await self._shop.companions.attend(d, c)
            return Observed(container=c, health=health, gpus=cards, fetching_boot_us=fetching)
        self._shop.companions.unwatch(name)
        if c is not None and c.ours and c.exit_code and (trial or unhandled(d, c)):
            c = replace(c, last_words=await self._last_words(d, c))
        to_be_made = c is None or (trial and c.state is ContainerState.CREATED)
        wanted = to_be_made and (trial or d.desired is Desired.RUNNING)
        image = await runtime.image(d.spec.image) if wanted else None
        fetched = self._shop.pulls.fetched_boot_us(d.spec.image)
        return Observed(
            container=c, image=image, gpus=cards, fetched_boot_us=fetched, fetching_boot_us=fetching
        )

    async def _last_words(self, d: Deployment, c: Container) -> str | None:
        """None also where the secrets can't be opened: unmasked, nothing is told."""
        try:
            secrets = self._shop.vault.open(d.id, d.secrets)
        except StartRefused:
            return None
        return await last_words(c, secrets.values())

    async def _strays(self, d: Deployment, kept: set[int]) -> tuple[str, ...]:
        """Containers of other generations; only one that was replaced or deleted can have any."""
        if d.last_generation == 1 and d.desired is not Desired.DELETED:
            return ()
        listed = await self._shop.runtime.list_containers()
        parsed = [(c.name, ContainerName.parse(c.name, prefix=self._shop.prefix)) for c in listed]
        ours = [(name, p.generation) for name, p in parsed if p and p.deployment_id == d.id]
        return tuple(name for name, generation in ours if generation not in kept)

    async def _take(self, d: Deployment, step: Act) -> Wait | None:
        if isinstance(step, Create | Start):
            d = await self._shop.ledger.ask(d, asked_by(d, step))
        return await self._carry_out(d, step)

    async def _carry_out(self, d: Deployment, step: Act) -> Wait | None:
        """Does what is on record, where it has to be."""
        try:
            await self._act(d, step)
        except RuntimeFailure as error:
            if isinstance(step, Create | Start) and not isinstance(error, UNANSWERED):
                answered = await self._was_answered()
                if answered is None or answered.version != d.version + 1:
                    return None
                d = answered
            setback = after_failure(d, step, error, self._shop.clock.now())
            if isinstance(setback, Wait):
                return setback
            await self._shop.ledger.become(d, setback)
        return None

    async def _act(self, d: Deployment, step: Act) -> None:
        shop = self._shop
        match step:
            case Claim():
                await shop.gpus.claim(d.id)
            case Pull(of_update):
                await self._fetch((candidate(d) if of_update else d).spec.image)
            case Create():
                await self._create(d, step)
            case Start(of_update):
                await shop.runtime.start(self._name(candidate(d) if of_update else d))
            case Stop():
                shop.companions.leave(d.id)
                shop.companions.unwatch(self._name(d))
                await shop.runtime.stop(self._name(d), grace_s=shop.stop_grace_s)
            case TakeBack():
                await self._take_back(d)
            case Remove() | Retire() | Reject() | Bury():
                await self._clear_away(d, step)

    async def _create(self, d: Deployment, step: Create) -> None:
        """The start is on record with the create; an order that came meanwhile goes before it."""
        wanted = candidate(d) if step.candidate else d
        self._shop.companions.met(step.image)
        await self._shop.runtime.create(await self._spec(wanted, step.image))
        now = await deployments.for_driver(self._shop.db, d.id) if step.start else None
        if now is not None and now.version == d.version:
            await self._shop.runtime.start(self._name(wanted))
        elif now is not None:
            await self._was_answered()

    async def _was_answered(self) -> Deployment | None:
        """Nothing is asked of Podman any more, whatever order came meanwhile; the newest row."""
        while (now := await deployments.for_driver(self._shop.db, self._id)) is not None:
            with suppress(StaleVersion):
                return await self._shop.ledger.ask(now, None)
        return None

    async def _take_back(self, d: Deployment) -> None:
        with anyio.CancelScope() as self._long:
            lock = self._shop.steps.alone(d.id)
            if self._interrupted:
                return
            if lock.locked():
                async with lock:
                    return  # what was seen is old by now
            async with lock:
                await self._shop.steps.take_back(d)
                with anyio.CancelScope(shield=True):  # the door must hear of what is on record
                    await self._shop.ledger.took_back(d)

    async def _clear_away(self, d: Deployment, step: Remove | Retire | Reject | Bury) -> None:
        match step:
            case Remove(name):
                self._shop.companions.unwatch(name)
                await self._shop.runtime.remove(name)
            case Retire(name):
                await self._retire(name)
            case Reject(name, missing):
                self._shop.companions.unwatch(name)
                await self._shop.runtime.remove(name)
                raise GpuMissing(f"{', '.join(missing)} is not in the container: {GPU_MISSING}")
            case Bury():
                await self._shop.runtime.purge(d.id)
                await self._shop.ledger.bury(d)

    async def _retire(self, name: str) -> None:
        """Grace where it can be had, removal in any case."""
        self._shop.companions.unwatch(name)
        try:
            await self._shop.runtime.stop(name, grace_s=self._shop.stop_grace_s)
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            log.info("a container did not stop, it is removed name=%s reason=%s", name, error)
        await self._shop.runtime.remove(name)

    def _name(self, d: Deployment) -> str:
        return str(ContainerName(self._shop.prefix, d.id, d.generation))

    async def _spec(self, d: Deployment, image: ImageFacts) -> ContainerSpec:
        secrets = self._shop.vault.open(d.id, d.secrets)
        held = await gpus.held_by(self._shop.db, d.id)
        return build_spec(
            d, image, secrets, devices=held.devices, instance_prefix=self._shop.prefix
        )

    async def _fetch(self, reference: str) -> None:
        with anyio.CancelScope() as self._long:
            if not self._interrupted:
                await self._shop.pulls.fetch(reference)


def _is_outdated(seen: Observed, before: Deployment, step: Become) -> bool:
    """Another container is the deployment's now, or what it held was given back with its status."""
    return step.turn is not None or (bool(seen.gpus.held) and step.status is not before.status)
