"""What templates know of GPU memory: the commands that give it back, and take it back."""

import logging
from collections import defaultdict
from collections.abc import Sequence

import anyio

from appliance.domain.deployment import Deployment
from appliance.domain.errors import NotWoken, RuntimeFailure, RuntimeUnavailable, StartRefused
from appliance.domain.observed import ContainerName
from appliance.domain.template import Soften
from appliance.engine.catalogue import Catalogue
from appliance.engine.ledger import Ledger
from appliance.runtime.port import ContainerRuntime

LIMIT_S = 60
"""For either command: tens of gigabytes are copied between the GPU and the machine's memory."""

log = logging.getLogger(__name__)


class SoftSteps:
    """Runs them in a deployment's container. ``prefix`` begins the containers' names.

    Whoever runs one is to be ``alone`` with that deployment, from before it is on record until
    after: the last of the two that ran must be the one that the record tells of. So a process whose
    command was not heard to be done takes nothing back: what it began may yet be done, as the last.
    That is on record before a command is sent. One that fails says nothing either: it may have
    given up waiting for a server that goes on.
    """

    def __init__(
        self, runtime: ContainerRuntime, catalogue: Catalogue, ledger: Ledger, prefix: str
    ) -> None:
        self._runtime = runtime
        self._catalogue = catalogue
        self._ledger = ledger
        self._prefix = prefix
        self._alone: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    def alone(self, deployment_id: str) -> anyio.Lock:
        """To be held while the memory of that deployment is given or taken."""
        return self._alone[deployment_id]

    def of(self, d: Deployment) -> Soften | None:
        """What its template knows, if it has one that knows anything."""
        template_id = d.spec.template_id
        template = None if template_id is None else self._catalogue.get(template_id)
        return None if template is None else template.soften

    async def give_up(self, d: Deployment) -> None:
        """Has it give GPU memory back; if it lends its share, that is on record.

        Raises:
            RuntimeFailure: the command failed, or did not end in time.
        """
        known = self.of(d)
        await self._run(d, None if known is None else known.command)
        await self._ledger.heard(d)

    async def take_back(self, d: Deployment) -> None:
        """Undoes ``give_up``; that it did is for the caller to put on record.

        Raises:
            NotWoken: an earlier command could still be done, behind this one.
            RuntimeFailure: the command failed, did not end in time, or is not known any more.
        """
        if not await self._ledger.ask_back(d):
            raise NotWoken("It did not take its GPU memory back, and may yet do what it was told")
        known = self.of(d)
        try:
            await self._run(d, None if known is None else known.undo)
        except RuntimeFailure as error:
            log.info("took no memory back deployment=%s: %s", d.id, error)
            raise

    async def _run(self, d: Deployment, argv: Sequence[str] | None) -> None:
        if argv is None:
            raise StartRefused("its template has no command for that")
        name = str(ContainerName(self._prefix, d.id, d.generation))
        try:
            with anyio.fail_after(LIMIT_S):
                async for _ in self._runtime.execute(name, argv):
                    pass
        except TimeoutError:
            raise StartRefused(f"{argv[0]} did not end in {LIMIT_S} s") from None
        except RuntimeUnavailable:  # it was not begun
            await self._ledger.heard(d)
            raise
