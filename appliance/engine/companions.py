"""What goes on beside a running container: its health check, its template's parameters."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from appliance.clock import Clock
from appliance.domain.deployment import Deployment, Health, Parameter
from appliance.domain.errors import RuntimeFailure
from appliance.domain.observed import Container, ImageFacts
from appliance.domain.plan import backoff_s
from appliance.engine.activity import Activity
from appliance.engine.ledger import Ledger
from appliance.engine.probes import Probes
from appliance.runtime.port import ContainerRuntime
from appliance.store import provisions
from appliance.store.database import Database
from appliance.store.events import NewEvent
from appliance.store.patience import AGAIN_S, Patience

PROGRESS_EVERY_S = 5.0
LAST_WORDS = 200


@dataclass(slots=True)
class _Errand:
    container_id: str
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Companions:
    """Begun when a driver sees its container run, ended when it does not any more."""

    def __init__(
        self,
        db: Database,
        ledger: Ledger,
        runtime: ContainerRuntime,
        clock: Clock,
        tasks: TaskGroup,
        probes: Probes,
        activity: Activity,
    ) -> None:
        self._db = db
        self._ledger = ledger
        self._runtime = runtime
        self._clock = clock
        self._tasks = tasks
        self._probes = probes
        self._activity = activity
        self._errands: dict[str, _Errand] = {}
        self._images: dict[str, ImageFacts | None] = {}
        self._saying = Patience("what is told of parameters")

    async def attend(self, d: Deployment, c: Container) -> Health | None:
        """Sees to a running container; what its health check says, None if it has none.

        Raises:
            RuntimeFailure: the image can't be looked at now.
        """
        image = None if d.spec.health else await self._image(c.image_id)
        return self._probes.health(d, c, image)

    def met(self, image: ImageFacts) -> None:
        """A container is made from it: its facts need not be asked for again."""
        self._images[image.id] = image

    def leave(self, deployment_id: str) -> None:
        """The deployment's own container does not run any more."""
        errand = self._errands.pop(deployment_id, None)
        if errand is not None:
            errand.scope.cancel()

    def unwatch(self, name: str) -> None:
        """That container does not run any more, or is about to end."""
        self._probes.forget(name)

    def provide(self, d: Deployment, c: Container) -> None:
        """The deployment runs: see to the values of its parameters, once a container."""
        current = self._errands.get(d.id)
        if not d.spec.parameters or (current is not None and current.container_id == c.id):
            return
        self.leave(d.id)
        errand = self._errands[d.id] = _Errand(c.id)
        self._tasks.start_soon(self._run_errand, errand, d, c)

    async def _image(self, image_id: str) -> ImageFacts | None:
        """An image's facts by its id, asked once: an id is the digest of all of them."""
        if image_id not in self._images:
            self._images[image_id] = await self._runtime.image(image_id)
        return self._images[image_id]

    async def _run_errand(self, errand: _Errand, d: Deployment, c: Container) -> None:
        patience = Patience(f"the parameters of {d.id}")
        with errand.scope, self._activity.engaged(d.id):
            while True:
                with patience:
                    await self._provide_missing(d, c)
                    return
                await self._clock.sleep(AGAIN_S)

    async def _provide_missing(self, d: Deployment, c: Container) -> None:
        done = await provisions.done(self._db, c.id)
        for parameter in d.spec.parameters:
            for value in parameter.values:
                if (parameter.name, value) not in done:
                    await self._provide(d, c, parameter, value)

    async def _provide(self, d: Deployment, c: Container, parameter: Parameter, value: str) -> None:
        """Runs the command for one value until it works; says how it goes in the events."""
        argv = [part.replace("{value}", value) for part in parameter.command]
        failures = 0
        while True:
            await self._say(d, f"{parameter.name}: {' '.join(argv)}")
            try:
                await self._follow(d, value, self._runtime.execute(c.name, argv))
            except RuntimeFailure as error:
                failures += 1
                await self._say(d, f"{value}: {error}", code="parameter_failed")
                await self._clock.sleep(backoff_s(failures))
                continue
            await provisions.record(self._db, c.id, parameter.name, value, self._clock.now())
            await self._say(d, f"{value}: done")
            return

    async def _follow(self, d: Deployment, value: str, output: AsyncIterator[bytes]) -> None:
        """Repeats what a command says last, as an event every few seconds."""
        said_us = self._clock.now().boot_us
        async for chunk in output:
            now_us = self._clock.now().boot_us
            words = last_words(chunk)
            if words and now_us - said_us >= PROGRESS_EVERY_S * 1_000_000:
                said_us = now_us
                await self._say(d, f"{value}: {words}")

    async def _say(self, d: Deployment, message: str, code: str | None = None) -> None:
        """As an event, where it can be written: no command is broken off for want of one."""
        with self._saying:
            await self._ledger.note(d, NewEvent("parameter", message, status=d.shown, code=code))


def last_words(chunk: bytes) -> str:
    """The last line of a command's output as plain text; progress bars redraw with CR and ESC."""
    lines = chunk.decode(errors="replace").replace("\r", "\n").split("\n")
    printable = ("".join(c for c in line if c.isprintable()).strip() for line in lines)
    return next((line for line in reversed(list(printable)) if line), "")[:LAST_WORDS]
