"""The feed of all changes a caller may see: read from the event table, woken by the bell."""

from collections.abc import AsyncIterator

import anyio

from appliance.domain.errors import NotFound
from appliance.domain.permissions import Principal
from appliance.engine.broadcast import Broadcast
from appliance.engine.deployments import Deployments
from appliance.engine.views import FeedItem
from appliance.store import events
from appliance.store.database import Database
from appliance.store.events import Event

HEARTBEAT_S = 15.0
BATCH = 100


class Feed:
    """Streams events, each with its deployment as it is when the event is sent."""

    def __init__(self, db: Database, deployments: Deployments, broadcast: Broadcast) -> None:
        self._db = db
        self._deployments = deployments
        self._broadcast = broadcast

    async def watch(
        self, caller: Principal, *, after: int | None
    ) -> AsyncIterator[FeedItem | None]:
        """Every change after event number ``after`` (None: from now on), for ever.

        None is a heartbeat, so that a broken connection is noticed from both sides.
        """
        seen = await events.last_seq(self._db) if after is None else after
        while True:
            news = self._broadcast.next_news()
            batch = await events.feed(self._db, caller.sees, after=seen, limit=BATCH)
            for event in batch:
                seen = event.seq
                yield await self._item(caller, event)
            if not batch and not await _rung(news):
                yield None

    async def _item(self, caller: Principal, event: Event) -> FeedItem:
        try:
            return FeedItem(event, await self._deployments.get(caller, event.deployment_id))
        except NotFound:
            return FeedItem(event, None)


async def _rung(news: anyio.Event) -> bool:
    with anyio.move_on_after(HEARTBEAT_S):
        await news.wait()
        return True
    return False
