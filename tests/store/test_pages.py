"""Pages: always what is on record, though rows met before are not read again."""

import json
from typing import Any

import pytest

from appliance.domain.deployment import Desired, Spec
from appliance.domain.instant import Instant, from_us
from appliance.store import deployments, pages
from appliance.store.database import Database, Row
from appliance.store.deployments import NewDeployment
from appliance.store.pages import Pages

pytestmark = pytest.mark.anyio


def at(second: int) -> Instant:
    return Instant(from_us(1_768_000_000_000_000 + second * 1_000_000), second * 1_000_000, "boot")


async def create(db: Database, *ids: str) -> None:
    async with db.transaction() as tx:
        for n, i in enumerate(ids):
            new = NewDeployment(i, "user_ada", "node_1", i, Spec("img"), None, 100)
            await deployments.insert(tx, new, at(n))


async def stop(db: Database, deployment_id: str) -> None:
    async with db.transaction() as tx:
        await deployments.order(tx, deployment_id, Desired.STOPPED, restart=False, now=at(50))


async def shown(of: Pages, number: int = 1) -> dict[str, Desired]:
    rows, _ = await of.page(None, None, number=number, limit=2, now=at(60))
    return {row.deployment.id: row.deployment.desired for row in rows}


async def test_a_page_shows_what_was_written_since_it_was_last_asked_for(db: Database) -> None:
    await create(db, "dep_1", "dep_2", "dep_3")
    made = Pages(db)
    assert await shown(made) == {"dep_3": Desired.RUNNING, "dep_2": Desired.RUNNING}
    await stop(db, "dep_2")
    assert await shown(made) == {"dep_3": Desired.RUNNING, "dep_2": Desired.STOPPED}
    assert await shown(made, number=2) == {"dep_1": Desired.RUNNING}


class MovesBetween(Database):
    """One whose rows are written between a page's two queries."""

    async def look_up(self, sql: str, parameters: Any = None) -> list[Row]:
        if sql == pages.SELECT_WHOLE:
            for deployment_id in json.loads(parameters["ids"]):
                await stop(self, deployment_id)
        return await super().look_up(sql, parameters)


async def test_a_row_written_between_the_two_queries_is_shown_as_it_was_read(db: Database) -> None:
    await create(db, "dep_1")
    made = Pages(MovesBetween(db._writer, db._reader, db._near_reader, db._path))
    assert await shown(made) == {"dep_1": Desired.STOPPED}
    assert await shown(made) == {"dep_1": Desired.STOPPED}


async def test_no_more_is_remembered_than_there_is_room_for(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "REMEMBERED", 2)
    await create(db, *(f"dep_{n}" for n in range(6)))
    made = Pages(db)
    for number in (1, 2, 3):
        assert len(await shown(made, number=number)) == 2
        assert len(made._met) <= 2
