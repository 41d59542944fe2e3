"""The history of a deployment is kept, and does not grow for ever."""

import pytest

from appliance.domain.deployment import Desired, Spec
from appliance.domain.instant import Instant, from_us
from appliance.store import deployments, events
from appliance.store.database import Database
from appliance.store.deployments import NewDeployment
from appliance.store.events import NewEvent

pytestmark = pytest.mark.anyio
NOW = Instant(from_us(1_768_000_000_000_000), 0, "boot")
SAY = """
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :count)
INSERT INTO event (deployment_id, owner_id, at_us, type, message)
SELECT :deployment_id, 'user_ada', 0, 'crashed', n FROM number
"""
SEQS = "SELECT seq FROM event WHERE deployment_id = :deployment_id ORDER BY seq"


async def create(db: Database, *ids: str) -> None:
    async with db.transaction() as tx:
        for i in ids:
            new = NewDeployment(i, "user_ada", "node_1", i, Spec("img"), None, 100)
            await deployments.insert(tx, new, NOW)


async def say(db: Database, deployment_id: str, count: int) -> None:
    async with db.transaction() as tx:
        await tx.execute(SAY, {"deployment_id": deployment_id, "count": count})


async def seqs(db: Database, deployment_id: str) -> list[int]:
    return [row["seq"] for row in await db.read(SEQS, {"deployment_id": deployment_id})]


async def trim(db: Database) -> bool:
    async with db.transaction() as tx:
        return await events.trim(tx)


async def test_of_a_live_deployment_the_newest_events_are_kept(db: Database) -> None:
    await create(db, "dep_loops", "dep_calm", "dep_gone")
    for deployment_id in ("dep_loops", "dep_calm", "dep_gone", "dep_loops"):
        await say(db, deployment_id, 600)
    await say(db, "dep_gone", 600)
    async with db.transaction() as tx:
        await deployments.order(tx, "dep_gone", Desired.DELETED, restart=False, now=NOW)
    before = {i: await seqs(db, i) for i in ("dep_loops", "dep_calm", "dep_gone")}
    assert not await trim(db)
    assert await seqs(db, "dep_loops") == before["dep_loops"][-events.KEPT :]
    assert await seqs(db, "dep_calm") == before["dep_calm"]
    assert await seqs(db, "dep_gone") == before["dep_gone"]  # those go by their age


async def test_many_go_a_share_at_a_time(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEPT", 5)
    monkeypatch.setattr(events, "TRIMMED_AT_ONCE", 10)
    await create(db, "dep_1", "dep_2")
    for deployment_id in ("dep_1", "dep_2"):
        await say(db, deployment_id, 17)
    assert [await trim(db) for _ in range(4)] == [True, True, False, False]
    assert [len(await seqs(db, i)) for i in ("dep_1", "dep_2")] == [5, 5]


async def test_whoever_reads_on_from_a_forgotten_event_gets_each_later_one_once(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEPT", 3)
    await create(db, "dep_1")
    await say(db, "dep_1", 10)
    [*_, last] = await seqs(db, "dep_1")
    seen = [e.seq for e in await events.feed(db, None, after=0, limit=2)]
    await trim(db)
    assert await events.last_seq(db) == last
    seen += [e.seq for e in await events.feed(db, None, after=seen[-1], limit=100)]
    async with db.transaction() as tx:
        await events.record(tx, "dep_1", "user_ada", NewEvent("started", "x"), NOW)
    seen += [e.seq for e in await events.feed(db, "user_ada", after=seen[-1], limit=100)]
    assert seen == [1, 2, last - 2, last - 1, last, last + 1]
    history = await events.of_deployment(db, "dep_1", after=1, limit=2)
    assert [e.seq for e in history] == [last - 2, last - 1]


async def test_a_number_is_not_used_again_though_all_events_are_gone(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEPT", 0)
    await create(db, "dep_1")
    await say(db, "dep_1", 4)
    await trim(db)
    assert await seqs(db, "dep_1") == []
    await say(db, "dep_1", 1)
    assert await seqs(db, "dep_1") == [5]
