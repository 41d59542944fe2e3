"""Answers given under an ``Idempotency-Key``, kept for a day, to be given again word for word."""

from dataclasses import dataclass

from appliance.domain.instant import Instant
from appliance.store.database import Transaction

KEPT_US = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """The digest of the request's body and the text of the answer."""

    body_sha256: bytes
    answer: str


SELECT = "SELECT body_sha256, answer FROM idempotency WHERE user_id = :user_id AND key = :key"

RECORD = """
INSERT INTO idempotency (user_id, key, body_sha256, answer, created_us)
VALUES (:user_id, :key, :body_sha256, :answer, :now_us)
"""

PRUNE = "DELETE FROM idempotency WHERE created_us < :before_us"


async def find(tx: Transaction, user_id: str, key: str) -> Answer | None:
    """The answer given to that user's key, None if it is new."""
    rows = await tx.execute(SELECT, {"user_id": user_id, "key": key})
    return Answer(rows[0]["body_sha256"], rows[0]["answer"]) if rows else None


async def record(tx: Transaction, user_id: str, key: str, answer: Answer, now: Instant) -> None:
    """Keeps an answer, in the transaction of what it tells of."""
    await tx.execute(
        RECORD,
        {
            "user_id": user_id,
            "key": key,
            "body_sha256": answer.body_sha256,
            "answer": answer.answer,
            "now_us": now.wall_us,
        },
    )


async def prune(tx: Transaction, now: Instant) -> None:
    """Forgets what is older than a day."""
    await tx.execute(PRUNE, {"before_us": now.wall_us - KEPT_US})
