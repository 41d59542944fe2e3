"""Who gives way for the first in line for GPUs: those that agreed to, the longest idle first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from appliance.domain.deployment import Deployment, Reason
from appliance.domain.gpu_ledger import Card, Hold, Waiting, settle
from appliance.domain.idleness import EVICTED, SECOND_US

GRACE_US = 10 * SECOND_US
"""Who has been used within that time does not give way: what was just woken gets to be used."""


@dataclass(frozen=True, slots=True)
class Idler:
    """A deployment that is not used and may be put to sleep for another."""

    deployment_id: str
    idle_us: int


@dataclass(frozen=True, slots=True)
class Eviction:
    """``givers`` go to sleep, all of them, and then ``taker`` has its GPUs."""

    taker: str
    givers: tuple[str, ...]


def evict(
    cards: Sequence[Card],
    holds: Sequence[Hold],
    line: Sequence[Waiting],
    idlers: Iterable[Idler],
    leaving: frozenset[str],
    kept: Sequence[Hold] = (),
) -> Eviction | None:
    """Who has to give way so that the first in line fits; None: nobody, or it would not help.

    ``leaving`` hold GPUs still but have been told to stop: their GPUs are as good as free.
    ``kept`` is what those who give way hold on to: nothing if they are stopped. Who has lent its
    share and wants it again may be the first in line, and does not give way for itself.
    """
    now = settle(cards, holds, line)
    taker = next((i for i, place in now.places.items() if not place.hopeless), None)
    if taker is None or now.grants:
        return None
    ahead = [one.deployment_id for one in line].index(taker)
    question = _Question(
        cards, [hold for hold in holds if hold.deployment_id not in leaving], kept,
        line[: ahead + 1],
    )  # fmt: skip
    if question.fits_without(()):
        return None
    willing = [i for i in idlers if i.idle_us >= GRACE_US and i.deployment_id != taker]
    asked = sorted(willing, key=lambda one: -one.idle_us)
    givers = _fewest(question, [one.deployment_id for one in asked])
    return Eviction(taker, givers) if givers else None


def evicted_reason(giver: Deployment, taker: Deployment) -> Reason:
    """Why ``giver`` was put to sleep; another user's deployment is not told by name."""
    known = giver.owner_id == taker.owner_id
    whom = f"{taker.name} ({taker.id})" if known else "another user's deployment"
    return Reason(EVICTED, f"Gave way to {whom}, which waits for its GPU")


@dataclass(frozen=True, slots=True)
class _Question:
    """Whether the last of ``line`` is served."""

    cards: Sequence[Card]
    holds: Sequence[Hold]
    kept: Sequence[Hold]
    line: Sequence[Waiting]

    def fits_without(self, gone: Iterable[str]) -> bool:
        away = frozenset(gone)
        staying = [hold for hold in self.holds if hold.deployment_id not in away]
        staying += [hold for hold in self.kept if hold.deployment_id in away]
        return self.line[-1].deployment_id not in settle(self.cards, staying, self.line).places


def _fewest(question: _Question, asked: Sequence[str]) -> tuple[str, ...]:
    """The longest idle that make it fit, none of them for nothing."""
    holding = {hold.deployment_id for hold in question.holds}
    givers: list[str] = []
    for one in asked:
        if one in holding and not question.fits_without(givers):
            givers.append(one)
    if not question.fits_without(givers):
        return ()
    for one in reversed(tuple(givers)):
        others = [giver for giver in givers if giver != one]
        if question.fits_without(others):
            givers = others
    return tuple(givers)
