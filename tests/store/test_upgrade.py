"""What an older version has written is read by this one, and is safe beside it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from appliance.domain.deployment import Status
from appliance.domain.errors import StoreUnusable
from appliance.domain.instant import Instant, from_us
from appliance.store import deployments, events, meta, migrate, nodes, provisions, usage
from appliance.store.database import open_database
from appliance.store.migrate import APPLICATION_ID, migrations
from appliance.store.pages import Pages

pytestmark = pytest.mark.anyio
OLD = Path(__file__).with_name("schema_1.sql")
NEWER = "ALTER TABLE meta ADD COLUMN note TEXT;"
BROKEN = f"{NEWER} INSERT INTO nowhere VALUES (1);"
UPDATE_WAITS = """
UPDATE deployment SET next_spec = spec, next_generation = 2, next_boot_id = boot_id,
    next_since_boot_us = since_boot_us WHERE id = 'dep_000000000002'
"""
AFTER_REBOOT = Instant(from_us(1_768_480_000_000_000), 5_000_000, "another-boot")


@pytest.fixture
def old(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD.read_text())
    return path


def schema_of(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {" ".join(str(row[0]).replace('"', "").split()) for row in rows}


async def test_everything_of_schema_1_is_still_there(old: Path) -> None:
    db = await open_database(old)
    page, total = await Pages(db).page(None, None, number=1, limit=9, now=AFTER_REBOOT)
    assert total == 2
    assert {p.deployment.id: (p.deployment.shown, p.total_cost_cents) for p in page} == {
        "dep_000000000001": (Status.RUNNING, 0),  # its boot is over: nobody saw it run on
        "dep_000000000002": (Status.STOPPED, 90),
    }
    spec = page[0].deployment.spec
    assert (spec.template_id, spec.parameters[0].values) == ("ollama", ("llama2", "mistral"))
    assert [w.pid for w in await usage.watched(db)] == [4242]
    assert await deployments.known(db, ["dep_000000000003"]) == {"dep_000000000003": None}
    assert await meta.instance_prefix(db) == "nn0badcafe"
    assert (await nodes.current(db)).id == "node_000000000001"
    assert await events.last_seq(db) == 3
    assert await provisions.done(db, "c" * 64) == {("OLLAMA_MODELS", "llama2")}
    await db.close()


async def test_an_update_that_waits_across_the_upgrade_costs_what_was_told(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = migrations()[:11]
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "migrations", lambda: before)
        await (await open_database(old)).close()
    with closing(sqlite3.connect(old)) as connection:
        connection.execute(UPDATE_WAITS)
        connection.commit()
    db = await open_database(old)
    rows = [await deployments.for_driver(db, f"dep_00000000000{n}") for n in (1, 2)]
    assert [(d.rate_cents, d.wanted_rate_cents) for d in rows if d] == [(3600, 3600)] * 2
    assert [d.update is None for d in rows if d] == [True, False]
    await db.close()


async def test_an_upgraded_file_and_a_new_one_are_of_the_same_schema(
    old: Path, tmp_path: Path
) -> None:
    fresh = tmp_path / "fresh.db"
    for file in (old, fresh):
        await (await open_database(file)).close()
    assert schema_of(old) == schema_of(fresh)


async def test_before_a_step_the_old_file_is_copied(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = len(migrations()) + 1
    await (await open_database(old)).close()
    monkeypatch.setattr(migrate, "migrations", lambda: [*migrations(), NEWER])
    await (await open_database(old)).close()
    copy = old.with_name(f"{old.name}.pre-{newest}")
    assert not any("note TEXT" in sql for sql in schema_of(copy))
    assert any("note TEXT" in sql for sql in schema_of(old))


async def test_a_step_that_fails_leaves_the_version_before_it_whole(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await open_database(old)).close()
    before = schema_of(old)
    steps = migrations()
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "migrations", lambda: [*steps, BROKEN])
        with pytest.raises(Exception, match="no such table: nowhere"):
            await open_database(old)
    assert schema_of(old) == before
    db = await open_database(old)
    assert await meta.instance_prefix(db) == "nn0badcafe"
    await db.close()


@pytest.mark.parametrize(
    ("pragma", "message"),
    [("user_version = 99", "schema 99"), ("application_id = 7", "another program")],
)
async def test_a_file_that_is_not_ours_to_change_is_left_as_it_is(
    old: Path, pragma: str, message: str
) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute(f"PRAGMA {pragma}")
    before = old.read_bytes()
    with pytest.raises(StoreUnusable, match=message):
        await open_database(old)
    assert old.read_bytes() == before


def test_the_dump_says_what_it_is() -> None:
    assert f"application_id = 0x{APPLICATION_ID:X}" in OLD.read_text()
