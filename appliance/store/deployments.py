"""Deployments: rows, pages, and the two guarded writes (the API's order, the reconciler's move)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from sqlite3 import IntegrityError
from typing import Any

from appliance.domain.deployment import (
    Asked,
    Deployment,
    Desired,
    Health,
    Process,
    Reason,
    Spec,
    Status,
    Update,
    Verb,
)
from appliance.domain.errors import NameTaken, StaleVersion
from appliance.domain.instant import Instant, from_us, to_us
from appliance.store.database import Database, Row, Transaction
from appliance.store.specs import dump_spec, load_spec
from appliance.store.usage import COST_COLUMN, cents, cost_parameters


@dataclass(frozen=True, slots=True)
class Priced:
    """A deployment and what it has cost until the moment of the query, in cents."""

    deployment: Deployment
    total_cost_cents: int


@dataclass(frozen=True, slots=True)
class Expected:
    """A deployment that should be seen in Podman. ``at_ease``: running, and nothing else wanted."""

    id: str
    generation: int
    at_ease: bool


@dataclass(frozen=True, slots=True)
class NewDeployment:
    """What a row is born with."""

    id: str
    owner_id: str
    node_id: str
    name: str
    spec: Spec
    secrets: bytes | None
    rate_cents: int


INSERT = """
INSERT INTO deployment (id, owner_id, node_id, name, spec, secrets, hostname, rate_cents, desired,
    intent, observed_intent, status, boot_id, since_boot_us, created_us, updated_us)
VALUES (:id, :owner_id, :node_id, :name, :spec, :secrets, :hostname, :rate_cents, 'running',
    1, 1, 'pending', :boot_id, :since_boot_us, :created_us, :created_us)
RETURNING *
"""

SELECT_ONE = f"""
SELECT d.*, {COST_COLUMN} FROM deployment d
WHERE d.id = :id AND d.desired <> 'deleted' AND (:owner_id IS NULL OR d.owner_id = :owner_id)
"""

SELECT_FOR_DRIVER = "SELECT * FROM deployment WHERE id = :id AND deleted_us IS NULL"

SELECT_EXPECTED = """
SELECT id, generation, status, desired,
    intent = observed_intent AND next_spec IS NULL AS taken_up
FROM deployment INDEXED BY deployment_unsettled
WHERE deleted_us IS NULL AND (desired = 'deleted' OR intent > observed_intent
                              OR status NOT IN ('stopped', 'sleeping', 'failed')
                              OR next_spec IS NOT NULL)
"""

SELECT_LIVE = "SELECT * FROM deployment WHERE desired <> 'deleted'"

SELECT_KNOWN = """
SELECT id, generation, deleted_us FROM deployment
WHERE id IN (SELECT value FROM json_each(:ids))
"""

SELECT_OF_CONTAINERS = """
SELECT id, container_id FROM deployment
WHERE container_id IN (SELECT value FROM json_each(:ids)) AND deleted_us IS NULL
"""

COUNT_LIVE = "SELECT coalesce(sum(n), 0) FROM tally"

COUNT_ACTIVE = """
SELECT coalesce(sum(n), 0) FROM tally WHERE shown NOT IN ('stopped', 'sleeping', 'failed')
"""

ORDER = """
UPDATE deployment SET desired = :desired, intent = intent + 1, version = version + 1,
    restart_intent = CASE WHEN :restart THEN intent + 1 ELSE restart_intent END,
    updated_us = :now_us
WHERE id = :id AND desired <> 'deleted'
RETURNING *
"""

MOVE = """
UPDATE deployment SET status = :status, observed_intent = :observed_intent,
    started_intent = :started_intent, generation = :generation,
    last_generation = :last_generation, reason = :reason,
    health = :health, failures = :failures, restart_count = :restart_count,
    exit_code = :exit_code, handled_run_us = :handled_run_us, container_id = :container_id,
    pid = :pid, pid_start_ticks = :pid_start_ticks, log_path = :log_path,
    published = :published, boot_id = :boot_id, since_boot_us = :since_boot_us,
    retry_boot_us = :retry_boot_us, updated_us = :updated_us, started_us = :started_us,
    stopped_us = :stopped_us, asked = :asked, asked_generation = :asked_generation,
    refusals = :refusals, version = version + 1
WHERE id = :id AND version = :version AND deleted_us IS NULL
RETURNING *
"""

TURN = """
UPDATE deployment SET spec = :spec, secrets = :secrets, rate_cents = :rate_cents,
    next_spec = :next_spec, next_secrets = :next_secrets, next_rate_cents = :next_rate_cents,
    next_generation = :next_generation, next_boot_id = :next_boot_id,
    next_since_boot_us = :next_since_boot_us, handover = :handover, refresh = :refresh
WHERE id = :id
RETURNING *
"""

BURY = """
UPDATE deployment SET deleted_us = :now_us, secrets = NULL, next_secrets = NULL
WHERE id = :id AND desired = 'deleted'
"""

EXHUME = "UPDATE deployment SET deleted_us = NULL WHERE id = :id AND desired = 'deleted'"


async def insert(tx: Transaction, new: NewDeployment, now: Instant) -> Deployment:
    """Writes a new row: wanted running, pending.

    Raises:
        NameTaken: another deployment has that host name.
    """
    parameters = {
        "id": new.id,
        "owner_id": new.owner_id,
        "node_id": new.node_id,
        "name": new.name,
        "spec": dump_spec(new.spec),
        "secrets": new.secrets,
        "hostname": new.spec.hostname,
        "rate_cents": new.rate_cents,
        "boot_id": now.boot_id,
        "since_boot_us": now.boot_us,
        "created_us": now.wall_us,
    }
    try:
        [row] = await tx.execute(INSERT, parameters)
    except IntegrityError as error:
        raise NameTaken(f"the host name {new.spec.hostname!r} is in use") from error
    return to_deployment(row)


async def find(
    db: Database, deployment_id: str, owner_id: str | None, now: Instant
) -> Priced | None:
    """A deployment that ``owner_id`` (None: everybody's) may see, with its cost."""
    parameters = {"id": deployment_id, "owner_id": owner_id, **cost_parameters(now)}
    rows = await db.look_up(SELECT_ONE, parameters)
    return priced(rows, beside=1)[0] if rows else None


async def for_driver(db: Database, deployment_id: str) -> Deployment | None:
    """The row the reconciler works on, also one that is being deleted."""
    rows = await db.look_up(SELECT_FOR_DRIVER, {"id": deployment_id})
    return to_deployment(rows[0]) if rows else None


async def expected(db: Database) -> list[Expected]:
    """Every deployment that is not resting: what a round compares with the full list."""
    return [_expected(row) for row in await db.read(SELECT_EXPECTED)]


async def live(db: Database) -> list[Deployment]:
    """Every deployment that is not deleted."""
    rows = await db.read(SELECT_LIVE)
    names = tuple(rows[0].keys()) if rows else ()
    return [_read(names, tuple(row)) for row in rows]


async def known(db: Database, ids: list[str]) -> dict[str, int | None]:
    """Which of ``ids`` have a row, and the generation of those that are alive (not buried)."""
    rows = await db.read(SELECT_KNOWN, {"ids": json.dumps(ids)})
    return {row["id"]: row["generation"] if row["deleted_us"] is None else None for row in rows}


async def of_containers(db: Database, container_ids: list[str]) -> dict[str, str]:
    """The deployments whose last container is one of those, by its id."""
    if not container_ids:
        return {}
    rows = await db.look_up(SELECT_OF_CONTAINERS, {"ids": json.dumps(container_ids)})
    return {row["container_id"]: row["id"] for row in rows}


async def count_live(tx: Transaction) -> int:
    """How many deployments there are that are not deleted."""
    [row] = await tx.execute(COUNT_LIVE)
    return int(row[0])


async def count_active(db: Database) -> int:
    """How many deployments there are that run or are on their way."""
    [row] = await db.read(COUNT_ACTIVE)
    return int(row[0])


async def order(
    tx: Transaction, deployment_id: str, desired: Desired, *, restart: bool, now: Instant
) -> Deployment | None:
    """Writes what is wanted from now on; None if it is deleted, which nothing can undo."""
    wanted = {"id": deployment_id, "desired": desired, "restart": restart, "now_us": now.wall_us}
    rows = await tx.execute(ORDER, wanted)
    return to_deployment(rows[0]) if rows else None


async def move(tx: Transaction, before: Deployment, after: Deployment) -> Deployment:
    """Writes the reconciler's axis of ``after`` if the row is still the one that was read.

    Raises:
        StaleVersion: it is not; the caller drops its result and looks again.
    """
    rows = await tx.execute(
        MOVE, {**_reconciled(after), "id": before.id, "version": before.version}
    )
    if not rows:
        raise StaleVersion(f"{before.id} has moved on since version {before.version}")
    if after.update is not before.update:
        rows = await tx.execute(TURN, {"id": before.id, **spec_columns(after)})
    return to_deployment(rows[0])


async def bury(tx: Transaction, deployment_id: str, now: Instant) -> None:
    """Marks a deleted deployment as gone from Podman too, and forgets its secrets."""
    await tx.execute(BURY, {"id": deployment_id, "now_us": now.wall_us})


async def exhume(tx: Transaction, deployment_id: str) -> None:
    """Something of it is left in Podman after all: it is to be removed as before."""
    await tx.execute(EXHUME, {"id": deployment_id})


def to_deployment(row: Row) -> Deployment:
    """A row as the domain knows it."""
    return _deployment(tuple(row.keys()), tuple(row))


@lru_cache(maxsize=4096)
def _deployment(names: tuple[str, ...], values: tuple[Any, ...]) -> Deployment:
    """Remembered, for the same few rows are read again and again: a page is 20, clients poll."""
    return _read(names, values)


def _read(names: tuple[str, ...], values: tuple[Any, ...]) -> Deployment:
    row = dict(zip(names, values, strict=True))
    return Deployment(
        id=row["id"], owner_id=row["owner_id"], node_id=row["node_id"], name=row["name"],
        spec=load_spec(row["spec"]), secrets=row["secrets"], rate_cents=row["rate_cents"],
        desired=Desired(row["desired"]), intent=row["intent"],
        restart_intent=row["restart_intent"], version=row["version"],
        status=Status(row["status"]), shown=Status(row["shown"]),
        observed_intent=row["observed_intent"], started_intent=row["started_intent"],
        generation=row["generation"], reason=_reason(row["reason"]),
        health=Health(row["health"]), failures=row["failures"],
        restart_count=row["restart_count"], exit_code=row["exit_code"],
        handled_run_us=row["handled_run_us"], container_id=row["container_id"],
        process=None if row["pid"] is None else Process(row["pid"], row["pid_start_ticks"]),
        log_path=row["log_path"], published=_published(row["published"]),
        boot_id=row["boot_id"], since_boot_us=row["since_boot_us"],
        retry_boot_us=row["retry_boot_us"], created_at=from_us(row["created_us"]),
        updated_at=from_us(row["updated_us"]),
        started_at=None if row["started_us"] is None else from_us(row["started_us"]),
        stopped_at=None if row["stopped_us"] is None else from_us(row["stopped_us"]),
        last_generation=row["last_generation"], update=_update(row), asked=_asked(row),
        refusals=row["refusals"],
    )  # fmt: skip


def spec_columns(d: Deployment) -> dict[str, Any]:
    """What is asked for, as parameters: what serves, and what is to follow."""
    u = d.update
    return {
        "spec": dump_spec(d.spec),
        "secrets": d.secrets,
        "rate_cents": d.rate_cents,
        "next_spec": None if u is None else dump_spec(u.spec),
        "next_secrets": None if u is None else u.secrets,
        "next_rate_cents": None if u is None else u.rate_cents,
        "next_generation": None if u is None else u.generation,
        "next_boot_id": None if u is None else u.boot_id,
        "next_since_boot_us": None if u is None else u.since_boot_us,
        "handover": u is not None and u.handover,
        "refresh": u is not None and u.refresh,
    }


def _update(row: Mapping[str, Any]) -> Update | None:
    if row["next_spec"] is None:
        return None
    return Update(
        spec=load_spec(row["next_spec"]), secrets=row["next_secrets"],
        rate_cents=row["next_rate_cents"], generation=row["next_generation"],
        handover=bool(row["handover"]), boot_id=row["next_boot_id"],
        since_boot_us=row["next_since_boot_us"], refresh=bool(row["refresh"]),
    )  # fmt: skip


def _asked(row: Mapping[str, Any]) -> Asked | None:
    return Asked(Verb(row["asked"]), row["asked_generation"]) if row["asked"] else None


def priced(rows: list[Row], *, beside: int) -> list[Priced]:
    """Rows of which the last ``beside`` columns, the cost among them, are not the table's."""
    names = tuple(rows[0].keys()[:-beside])
    return [
        Priced(_deployment(names, tuple(row)[:-beside]), cents(row["cost_us_cents"]))
        for row in rows
    ]


def _expected(row: Row) -> Expected:
    wanted = row["desired"] == Desired.RUNNING and bool(row["taken_up"])
    return Expected(row["id"], row["generation"], wanted and row["status"] == Status.RUNNING)


def _reason(text: str | None) -> Reason | None:
    return None if text is None else Reason(**json.loads(text))


def _published(text: str) -> dict[int, int]:
    return {int(inside): outside for inside, outside in json.loads(text).items()}


def _reconciled(d: Deployment) -> Mapping[str, Any]:
    return {
        "status": d.status,
        "observed_intent": d.observed_intent,
        "started_intent": d.started_intent,
        "generation": d.generation,
        "last_generation": d.last_generation,
        "reason": None if d.reason is None else json.dumps(asdict(d.reason), ensure_ascii=False),
        "health": d.health,
        "failures": d.failures,
        "refusals": d.refusals,
        "restart_count": d.restart_count,
        "exit_code": d.exit_code,
        "handled_run_us": d.handled_run_us,
        "container_id": d.container_id,
        "pid": None if d.process is None else d.process.pid,
        "pid_start_ticks": None if d.process is None else d.process.start_ticks,
        "log_path": d.log_path,
        "published": json.dumps({str(k): v for k, v in d.published.items()}),
        "boot_id": d.boot_id,
        "since_boot_us": d.since_boot_us,
        "retry_boot_us": d.retry_boot_us,
        "updated_us": to_us(d.updated_at),
        "started_us": None if d.started_at is None else to_us(d.started_at),
        "stopped_us": None if d.stopped_at is None else to_us(d.stopped_at),
        "asked": None if d.asked is None else d.asked.verb,
        "asked_generation": None if d.asked is None else d.asked.generation,
    }
