"""A deployment's log: read from the file Podman's monitor writes, also while Podman is away."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing
from datetime import datetime
from pathlib import Path

import anyio
from anyio import to_thread

from appliance.clock import Clock
from appliance.domain.deployment import Deployment
from appliance.domain.endings import fit_words
from appliance.domain.errors import FieldError, InvalidRequest, NotFound
from appliance.domain.logline import LogGap, LogLine
from appliance.domain.observed import Container
from appliance.domain.permissions import Principal
from appliance.engine.broadcast import Broadcast
from appliance.runtime.logfile import tail
from appliance.runtime.logfollow import QUIET_S, After, Last, follow
from appliance.runtime.logrecords import Place
from appliance.store import deployments
from appliance.store.database import Database

HEARTBEAT_S = 15.0
LAST_LINES = 20
"""So many of a run's last lines are looked through for one with something on it."""

log = logging.getLogger(__name__)


class Logs:
    """Reads and follows logs on behalf of a caller."""

    def __init__(self, db: Database, clock: Clock, broadcast: Broadcast) -> None:
        self._db = db
        self._clock = clock
        self._broadcast = broadcast

    async def read(
        self, caller: Principal, deployment_id: str, *, count: int, since: datetime | None
    ) -> list[LogLine]:
        """The last ``count`` lines at or after ``since``, oldest first.

        Raises:
            NotFound: no such deployment that the caller may see.
        """
        d = await self._find(caller, deployment_id)
        if d.log_path is None:
            return []
        path = Path(d.log_path)
        return await to_thread.run_sync(lambda: tail(path, count=count, since=since))

    async def follow(
        self,
        caller: Principal,
        deployment_id: str,
        *,
        count: int,
        since: datetime | None,
        after: str | None,
    ) -> AsyncIterator[LogLine | LogGap | None]:
        """The lines from there on as they are written, until the deployment is deleted.

        ``after`` is the cursor of the last line that was seen, and wins over the others. None is
        a heartbeat.

        Raises:
            NotFound: no such deployment that the caller may see.
            InvalidRequest: ``after`` is no cursor.
        """
        start = Last(count, since) if after is None else After(check_cursor(after))
        d: Deployment | None = await self._find(caller, deployment_id)
        while d is not None:
            if d.log_path is None:
                yield None
                d = await self._on_news(deployment_id)
                continue
            path = d.log_path
            async with aclosing(self._one_file(deployment_id, path, start)) as lines:
                async for item in lines:
                    yield item
            d = await deployments.for_driver(self._db, deployment_id)
            start = Last(None)  # another generation's file: all of it is new

    async def _one_file(
        self, deployment_id: str, path: str, start: Last | After
    ) -> AsyncGenerator[LogLine | LogGap | None]:
        """Lines of one file, for as long as it is the deployment's."""
        news, quiet_s = self._broadcast.next_news(), 0.0
        moved_on = False
        lines = follow(Path(path), start=start, clock=self._clock, ended=lambda: moved_on)
        async with aclosing(lines):
            async for item in lines:
                if news.is_set():
                    news = self._broadcast.next_news()
                    d = await deployments.for_driver(self._db, deployment_id)
                    moved_on = d is None or d.log_path != path
                quiet_s = 0.0 if item is not None else quiet_s + QUIET_S
                if item is not None or quiet_s >= HEARTBEAT_S:
                    quiet_s = 0.0
                    yield item

    async def _on_news(self, deployment_id: str) -> Deployment | None:
        news = self._broadcast.next_news()
        with anyio.move_on_after(HEARTBEAT_S):
            await news.wait()
        return await deployments.for_driver(self._db, deployment_id)

    async def _find(self, caller: Principal, deployment_id: str) -> Deployment:
        now = self._clock.now()
        found = await deployments.find(self._db, deployment_id, caller.sees, now)
        if found is None:
            raise NotFound(f"no deployment {deployment_id}")
        return found.deployment


def check_cursor(cursor: str) -> Place:
    """The place a cursor means.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        return Place.parse(cursor)
    except ValueError as error:
        raise InvalidRequest(FieldError("Last-Event-ID", str(error))) from error


async def last_words(c: Container, secrets: Collection[str]) -> str | None:
    """The last line of the last run of ``c`` that says something, fit to be shown; None if none.

    A log that can't be read tells nothing: how a container ended is known without it.
    """
    if c.log_path is None:
        return None
    path, since = Path(c.log_path), c.prepared_at or c.started_at
    try:
        lines = await to_thread.run_sync(lambda: tail(path, count=LAST_LINES, since=since))
    except OSError as error:
        log.warning("a log can't be read container=%s reason=%s", c.name, error.strerror)
        return None
    said = (fit_words(line.message, secrets) for line in reversed(lines))
    return next((words for words in said if words is not None), None)
