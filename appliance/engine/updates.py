"""The use case of changing a deployment: one transaction, then the reconciler's work."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from appliance.clock import Clock
from appliance.domain.change import Change, changed, needs_new_container, outside_of
from appliance.domain.deployment import AT_REST, Deployment, Desired, Spec, Update
from appliance.domain.errors import FieldError, InvalidRequest, NotFound, beside
from appliance.domain.instant import Instant
from appliance.domain.order import SaidResources
from appliance.domain.permissions import Principal
from appliance.domain.template import Template
from appliance.engine.access_tokens import AccessTokens
from appliance.engine.addresses import Addresses
from appliance.engine.broadcast import Broadcast
from appliance.engine.catalogue import Catalogue
from appliance.engine.deployments import Deployments, House
from appliance.engine.raw_ports import RawPorts
from appliance.engine.vault import Vault
from appliance.engine.views import DeploymentView
from appliance.store import events, updates
from appliance.store.database import Database
from appliance.store.events import NewEvent


class Updates:
    """Changes deployments on behalf of a caller."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        house: House,
        catalogue: Catalogue,
        vault: Vault,
        broadcast: Broadcast,
        deployments: Deployments,
        addresses: Addresses,
        access_tokens: AccessTokens,
        raw_ports: RawPorts,
        ordered: Callable[[str], None],
    ) -> None:
        self._db = db
        self._clock = clock
        self._house = house
        self._catalogue = catalogue
        self._vault = vault
        self._broadcast = broadcast
        self._deployments = deployments
        self._addresses = addresses
        self._access_tokens = access_tokens
        self._raw_ports = raw_ports
        self._ordered = ordered

    async def update(self, caller: Principal, deployment_id: str, change: Change) -> DeploymentView:
        """Puts the change on record; what needs a new container follows, all else counts at once.

        Raises:
            InvalidRequest: with every wrong field; nothing was written.
            NotFound: there is none of that id that the caller may see.
            NameTaken: another deployment has that host name.
            LimitReached: no raw port is left.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            before = await updates.find_for_change(tx, deployment_id, caller.sees)
            if before is None:
                raise NotFound(f"no deployment {deployment_id}")
            after = self._after(before, change, now)
            if after != before:
                written = await updates.change(tx, after, now)
                await self._access_tokens.settle(tx, written, now)
                await self._raw_ports.reserve(tx, written)
                event = NewEvent(
                    "update", _words(before, after), status=written.shown, actor_id=caller.user_id
                )
                await events.record(tx, before.id, before.owner_id, event, now)
        if after != before:
            self._addresses.written(written)
            self._broadcast.notify()
            self._ordered(deployment_id)
        return await self._deployments.get(caller, deployment_id)

    def _after(self, before: Deployment, change: Change, now: Instant) -> Deployment:
        wanted = before.wanted_spec
        with beside(self._house.too_large(change.fields.get("resources", SaidResources()))):
            spec = changed(wanted, change, self._template(wanted))
            _refuse_other_gpus(before, spec)
        update = before.update
        refresh = "image" in change.fields and spec.image == wanted.image
        secrets = _telling(change.secrets, wanted)
        if refresh or secrets or needs_new_container(wanted, spec):
            update = Update(
                spec=spec,
                secrets=self._secrets(before, secrets),
                rate_cents=self._rate_cents(before, spec),
                generation=before.last_generation + 1,
                handover=update is not None and update.handover,
                boot_id=now.boot_id,
                since_boot_us=now.boot_us,
                refresh=refresh or (update is not None and update.refresh),
            )
        elif update is not None and spec != wanted:
            update = replace(update, spec=spec)
        return replace(
            before,
            name=change.name or before.name,
            spec=outside_of(spec, before.spec),
            update=update,
            last_generation=max(before.last_generation, update.generation if update else 0),
        )

    def _rate_cents(self, before: Deployment, spec: Spec) -> int:
        """With as many GPUs as it has what it has cost all along, with others what is asked now."""
        same = spec.resources.gpu_count == before.spec.resources.gpu_count
        return before.rate_cents if same else self._house.hourly_cents(spec)

    def _template(self, spec: Spec) -> Template | None:
        return None if spec.template_id is None else self._catalogue.get(spec.template_id)

    def _secrets(self, before: Deployment, changes: Mapping[str, str | None]) -> bytes | None:
        sealed = before.secrets if before.update is None else before.update.secrets
        if not changes:
            return sealed
        values = {**self._vault.open(before.id, sealed), **changes}
        kept = {name: value for name, value in values.items() if value is not None}
        return self._vault.seal(before.id, kept)


def _telling(secrets: Mapping[str, str | None], spec: Spec) -> dict[str, str | None]:
    """Without those that are to go and are not there: that is no change."""
    there = set(spec.secret_names)
    return {k: value for k, value in secrets.items() if value is not None or k in there}


def _refuse_other_gpus(before: Deployment, spec: Spec) -> None:
    """What runs can't wait in line for other GPUs than it has."""
    now, asked = before.spec.resources, spec.resources
    if before.desired is not Desired.RUNNING or before.status in AT_REST:
        return
    if asked.gpu_need == now.gpu_need:
        return
    wrong = [
        FieldError(
            f"resources.{name}", f"can be changed only while the deployment is stopped; is {is_}"
        )
        for name, is_, wanted in (
            ("gpus", now.gpus, asked.gpus),
            ("minVramMb", now.min_vram_mb, asked.min_vram_mb),
            ("vramMb", now.vram_mb, asked.vram_mb),
            ("exclusive", now.exclusive, asked.exclusive),
        )
        if is_ != wanted
    ]
    raise InvalidRequest(*wrong)


def _words(before: Deployment, after: Deployment) -> str:
    if after.update is not None and after.update is not before.update:
        return f"Update requested: {after.update.spec.image}"
    return "Changed"
