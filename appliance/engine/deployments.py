"""The use cases: each is a permission in the SQL, one transaction, a nudge."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from appliance.clock import Clock
from appliance.domain.deployment import Deployment, Desired, Reason, Spec, Status
from appliance.domain.errors import (
    Conflict,
    FieldError,
    IdempotencyMismatch,
    InvalidRequest,
    LimitReached,
    NotFound,
    beside,
)
from appliance.domain.gpu_ledger import LENDING, Place, waiting_reason
from appliance.domain.ids import new_id
from appliance.domain.instant import Instant
from appliance.domain.merge import default_name, spec_from_image, spec_from_template
from appliance.domain.observed import ContainerName
from appliance.domain.order import Order, SaidResources
from appliance.domain.permissions import Principal
from appliance.domain.transitions import actions
from appliance.engine.access_tokens import AccessTokens
from appliance.engine.addresses import Addresses
from appliance.engine.broadcast import Broadcast
from appliance.engine.catalogue import Catalogue
from appliance.engine.endpoints import Front, endpoints
from appliance.engine.gpus import line_up
from appliance.engine.pulls import Pulls
from appliance.engine.raw_ports import RawPorts
from appliance.engine.stats import StatsReader
from appliance.engine.vault import Vault
from appliance.engine.views import AccessView, Created, DeploymentStats, DeploymentView
from appliance.store import deployments, events, idempotency, search
from appliance.store.ballast import Ballast
from appliance.store.database import Database, Transaction
from appliance.store.deployments import NewDeployment, Priced
from appliance.store.events import Event, NewEvent
from appliance.store.pages import Pages


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's key, the digest of the body it came with, and how an answer is put in words."""

    key: str
    body_sha256: bytes
    render: Callable[[Created], str]


@dataclass(frozen=True, slots=True)
class House:
    """What is the same for every deployment of this machine; rates in cents an hour."""

    node_id: str
    prefix: str
    rate_cents: int
    gpu_rate_cents: int
    max_deployments: int
    cpus: int
    memory_mb: int
    front: Front = field(default_factory=Front)
    tcp_ports: range = range(20_000, 20_100)

    def hourly_cents(self, spec: Spec) -> int:
        """What an hour of a deployment costs that is ordered now."""
        return self.rate_cents + self.gpu_rate_cents * spec.resources.gpu_count

    def too_large(self, asked: SaidResources) -> list[FieldError]:
        """What of ``asked`` this machine does not have at all."""
        wrong = []
        if (asked.get("cpus") or 0) > self.cpus:
            wrong.append(FieldError("resources.cpus", f"this machine has {self.cpus}"))
        if (asked.get("memory_mb") or 0) > self.memory_mb:
            wrong.append(FieldError("resources.memoryMb", f"this machine has {self.memory_mb}"))
        return wrong


class Deployments:
    """Creates, shows and steers deployments on behalf of a caller."""

    def __init__(
        self,
        *,
        db: Database,
        ballast: Ballast,
        pages: Pages,
        clock: Clock,
        house: House,
        catalogue: Catalogue,
        vault: Vault,
        pulls: Pulls,
        stats: StatsReader,
        broadcast: Broadcast,
        addresses: Addresses,
        access_tokens: AccessTokens,
        raw_ports: RawPorts,
        ordered: Callable[[str], None],
        place: Callable[[str], Place | None],
        leaked_mb: Callable[[str], int],
    ) -> None:
        self._db = db
        self._ballast = ballast
        self._pages = pages
        self._clock = clock
        self._house = house
        self._catalogue = catalogue
        self._vault = vault
        self._pulls = pulls
        self._stats = stats
        self._broadcast = broadcast
        self._addresses = addresses
        self._access_tokens = access_tokens
        self._raw_ports = raw_ports
        self._ordered = ordered
        self._place = place
        self._leaked_mb = leaked_mb

    async def create(
        self, caller: Principal, order: Order, idempotency_key: Idempotency | None = None
    ) -> Created:
        """Puts a new deployment on record, to be brought up.

        Raises:
            InvalidRequest: with every wrong field.
            LimitReached, NameTaken, StoreFull: nothing was written.
            IdempotencyMismatch: the key was used with another body.
        """
        new = self._draft(caller, order)
        self._ballast.check()
        now = self._clock.now()
        async with self._db.transaction() as tx:
            if idempotency_key is not None:
                stored = await self._stored_answer(tx, caller, idempotency_key)
                if stored is not None:
                    return Created(None, new.rate_cents, replayed=stored)
            await self._check_limit(tx)
            d = await deployments.insert(tx, new, now)
            await line_up(tx, d)
            await self._access_tokens.settle(tx, d, now)
            await self._raw_ports.reserve(tx, d)
            created = Created(self._view(Priced(d, 0)), d.rate_cents)
            await self._record(tx, d, caller, "created", f"Created from {d.spec.image}", now)
            if idempotency_key is not None:
                await self._remember(tx, caller, idempotency_key, created, now)
        self._tell(d)
        return created

    async def page(
        self,
        caller: Principal,
        status: str | None,
        text: str | None = None,
        *,
        number: int,
        limit: int,
    ) -> tuple[list[DeploymentView], int]:
        """One page of what the caller sees, newest first, and how many there are in all.

        With ``text``, of those that have it in their name, id or image.
        """
        sees, now = caller.sees, self._clock.now()
        if text is None:
            rows, total = await self._pages.page(sees, status, number=number, limit=limit, now=now)
        else:
            rows, total = await search.page(
                self._db, sees, status, text, number=number, limit=limit, now=now
            )
        return [self._view(row) for row in rows], total

    async def get(self, caller: Principal, deployment_id: str) -> DeploymentView:
        """One deployment.

        Raises:
            NotFound: there is none of that id that the caller may see.
        """
        return self._view(await self._find(caller, deployment_id))

    async def start(self, caller: Principal, deployment_id: str) -> DeploymentView:
        """Wants it running; one that is wanted so already is left alone.

        Raises:
            NotFound: as ``get``.
        """
        found = await self._find(caller, deployment_id)
        resting = found.deployment.shown in (Status.STOPPED, Status.FAILED)
        if found.deployment.desired is Desired.RUNNING and not resting:
            return self._view(found)
        return await self._order(caller, found, Desired.RUNNING, "start")

    async def stop(self, caller: Principal, deployment_id: str) -> DeploymentView:
        """Wants it stopped; one that is wanted so already is left alone.

        Raises:
            NotFound: as ``get``.
        """
        found = await self._find(caller, deployment_id)
        if found.deployment.desired is Desired.STOPPED:
            return self._view(found)
        return await self._order(caller, found, Desired.STOPPED, "stop")

    async def restart(self, caller: Principal, deployment_id: str) -> DeploymentView:
        """Wants it stopped once and running then.

        Raises:
            NotFound: as ``get``.
        """
        found = await self._find(caller, deployment_id)
        return await self._order(caller, found, Desired.RUNNING, "restart")

    async def delete(self, caller: Principal, deployment_id: str) -> None:
        """Wants it gone, for ever; container, port, network and volumes follow.

        Raises:
            NotFound: as ``get``.
        """
        found = await self._find(caller, deployment_id)
        await self._order(caller, found, Desired.DELETED, "delete")

    async def access(self, caller: Principal, deployment_id: str) -> AccessView:
        """Who may reach it, and its access token.

        Raises:
            NotFound: as ``get``.
            Conflict: the token can't be read any more.
        """
        return await self._access_tokens.show((await self._find(caller, deployment_id)).deployment)

    async def rotate_access(self, caller: Principal, deployment_id: str) -> AccessView:
        """Gives it a new access token; the one before opens nothing any more.

        Raises:
            NotFound: as ``get``.
            Conflict: it is public.
        """
        d = (await self._find(caller, deployment_id)).deployment
        return await self._access_tokens.rotate(d, caller)

    async def history(
        self, caller: Principal, deployment_id: str, *, after: int, limit: int
    ) -> list[Event]:
        """What happened to it, oldest first.

        Raises:
            NotFound: as ``get``.
        """
        await self._find(caller, deployment_id)
        return await events.of_deployment(self._db, deployment_id, after=after, limit=limit)

    async def stats(self, caller: Principal, deployment_id: str) -> DeploymentStats:
        """What it uses now.

        Raises:
            NotFound: as ``get``.
            Conflict: it does not run.
            RuntimeFailure: Podman can't tell now.
        """
        d = (await self._find(caller, deployment_id)).deployment
        name = str(ContainerName(self._house.prefix, d.id, d.generation))
        reading = await self._stats.read(d, name) if d.status is Status.RUNNING else None
        if reading is None:
            raise Conflict(f"{d.id} is {d.shown}: only a running deployment has figures")
        return reading

    def _draft(self, caller: Principal, order: Order) -> NewDeployment:
        with beside(self._wrong_for_this_machine(order)):
            spec = self._spec(order)
        deployment_id = new_id("dep")
        return NewDeployment(
            id=deployment_id,
            owner_id=caller.user_id,
            node_id=self._house.node_id,
            name=order.name or default_name(spec),
            spec=spec,
            secrets=self._vault.seal(deployment_id, order.secrets),
            rate_cents=self._house.hourly_cents(spec),
        )

    def _spec(self, order: Order) -> Spec:
        if order.template_id is None:
            return spec_from_image(order, order.custom_image or "")
        template = self._catalogue.get(order.template_id)
        if template is None:
            known = ", ".join(t.id for t in self._catalogue.all())
            raise InvalidRequest(
                FieldError("templateId", f"no template {order.template_id!r}; {known}")
            )
        return spec_from_template(order, template)

    def _wrong_for_this_machine(self, order: Order) -> list[FieldError]:
        here, wrong = self._house.node_id, self._house.too_large(order.resources)
        if order.node_id != here:
            wrong.insert(0, FieldError("nodeId", f"no such node; this machine is {here}"))
        return wrong

    async def _check_limit(self, tx: Transaction) -> None:
        if await deployments.count_live(tx) >= self._house.max_deployments:
            raise LimitReached(
                f"this machine takes {self._house.max_deployments} deployments; delete one first"
            )

    async def _stored_answer(
        self, tx: Transaction, caller: Principal, asked: Idempotency
    ) -> str | None:
        stored = await idempotency.find(tx, caller.user_id, asked.key)
        if stored is None:
            return None
        if stored.body_sha256 != asked.body_sha256:
            raise IdempotencyMismatch("this Idempotency-Key came before with another body")
        return stored.answer

    async def _remember(
        self, tx: Transaction, caller: Principal, asked: Idempotency, made: Created, now: Instant
    ) -> None:
        answer = idempotency.Answer(asked.body_sha256, asked.render(made))
        await idempotency.record(tx, caller.user_id, asked.key, answer, now)

    async def _find(self, caller: Principal, deployment_id: str) -> Priced:
        found = await deployments.find(self._db, deployment_id, caller.sees, self._clock.now())
        if found is None:
            raise NotFound(f"no deployment {deployment_id}")
        return found

    async def _order(
        self, caller: Principal, found: Priced, desired: Desired, verb: str
    ) -> DeploymentView:
        now = self._clock.now()
        if desired is not Desired.RUNNING:
            self._ballast.give()
        async with self._db.transaction() as tx:
            d = await deployments.order(
                tx, found.deployment.id, desired, restart=verb == "restart", now=now
            )
            if d is None:
                raise NotFound(f"no deployment {found.deployment.id}")
            await line_up(tx, d)
            if desired is Desired.DELETED:
                await self._access_tokens.forget(tx, d.id)
                await self._raw_ports.free(tx, d.id)
            await self._record(tx, d, caller, verb, f"{verb.capitalize()} requested", now)
        self._tell(d)
        return self._view(Priced(d, found.total_cost_cents))

    async def _record(
        self, tx: Transaction, d: Deployment, caller: Principal, verb: str, text: str, now: Instant
    ) -> None:
        event = NewEvent(verb, text, status=d.shown, actor_id=caller.user_id)
        await events.record(tx, d.id, d.owner_id, event, now)

    def _tell(self, d: Deployment) -> None:
        self._addresses.written(d)
        self._broadcast.notify()
        self._ordered(d.id)

    def _view(self, row: Priced) -> DeploymentView:
        d = row.deployment
        pulling = d.status is Status.PULLING or d.update is not None
        reason = self._reason(d)
        return DeploymentView(
            deployment=d if reason is d.reason else replace(d, reason=reason),
            total_cost_cents=row.total_cost_cents,
            endpoints=endpoints(d, self._house.front, self._raw_ports.of(d.id)),
            actions=actions(d.desired, d.shown),
            pull=self._pulls.progress(d.wanted_spec.image) if pulling else None,
            leaked_mb=self._leaked_mb(d.id),
        )

    def _reason(self, d: Deployment) -> Reason | None:
        address = self._addresses.of(d.id)
        lends = address is not None and address.lending
        place = self._place(d.id) if lends or d.status is Status.PENDING else None
        if place is not None:
            return waiting_reason(place)
        return LENDING if lends and d.reason is None else d.reason
