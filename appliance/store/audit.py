"""The audit log: appended to, read in pages, verified from end to end."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from appliance.domain.instant import Instant, from_us
from appliance.store.database import Database, Row, Transaction

GENESIS = bytes(32)
"""What the first entry's digest covers instead of one before."""

BATCH = 1000


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What somebody did. ``action`` is a stable word, ``object`` an id or a host.

    ``actor`` is their e-mail address, or the one that was tried; ``code`` says why it was denied.
    """

    action: str
    result: str
    object: str | None = None
    code: str | None = None
    actor_id: str | None = None
    actor: str | None = None
    token_id: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What is on record."""

    seq: int
    at: datetime
    what: NewEntry


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many entries there are, and the first that is not as it was written."""

    entries: int
    first_broken: int | None


FIELDS = ("action", "result", "object", "code", "actor_id", "actor", "token_id", "address")

INSERT = f"""
INSERT INTO audit (seq, at_us, {", ".join(FIELDS)}, sha256)
VALUES (:seq, :at_us, {", ".join(f":{name}" for name in FIELDS)}, :sha256)
"""

# SQLite keeps the highest number ever given apart (AUTOINCREMENT): what is cut off at the end
# leaves it, and no number is given twice.
HIGHEST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'audit'"

SELECT_LAST = f"""
SELECT ({HIGHEST}) AS seq,
       (SELECT sha256 FROM audit WHERE seq = (SELECT max(seq) FROM audit)) AS sha256
"""

# No number is missing, so that the last one is the count, and a page is found by its numbers.
COUNT = "SELECT coalesce(max(seq), 0) FROM audit"

SELECT_PAGE = f"""
SELECT * FROM audit WHERE seq <= ({COUNT}) - :offset ORDER BY seq DESC LIMIT :limit
"""

SELECT_AFTER = "SELECT * FROM audit WHERE seq > :after ORDER BY seq LIMIT :limit"


async def append(tx: Transaction, entry: NewEntry, now: Instant) -> None:
    """Writes an entry, chained to the last one."""
    [last] = await tx.execute(SELECT_LAST)
    values = {name: getattr(entry, name) for name in FIELDS}
    row = {"seq": last["seq"] + 1, "at_us": now.wall_us, **values}
    await tx.execute(INSERT, {**row, "sha256": _digest(last["sha256"] or GENESIS, row)})


async def page(db: Database, *, number: int, limit: int) -> tuple[list[Entry], int]:
    """One page, newest first, and how many there are in all."""
    rows = await db.read(SELECT_PAGE, {"limit": limit, "offset": (number - 1) * limit})
    [total] = await db.read(COUNT)
    return [_entry(row) for row in rows], int(total[0])


async def verify(db: Database) -> Verdict:
    """Whether every entry is as it was written and none is missing.

    Who rewrites the whole file, its count included, leaves no trace: nothing inside it can tell.
    """
    before, last = GENESIS, 0
    while rows := await db.read(SELECT_AFTER, {"after": last, "limit": BATCH}):
        for row in rows:
            fields = {name: row[name] for name in ("seq", "at_us", *FIELDS)}
            if row["seq"] != last + 1 or _digest(before, fields) != row["sha256"]:
                return Verdict(await _count(db), last + 1)
            before, last = row["sha256"], row["seq"]
    [highest] = await db.read(HIGHEST)
    return Verdict(last, None if highest[0] == last else last + 1)


async def _count(db: Database) -> int:
    [row] = await db.read(COUNT)
    return int(row[0])


def _digest(before: bytes, row: dict[str, object]) -> bytes:
    text = json.dumps(row, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(before + text.encode()).digest()


def _entry(row: Row) -> Entry:
    what = NewEntry(**{name: row[name] for name in FIELDS})
    return Entry(row["seq"], from_us(row["at_us"]), what)
