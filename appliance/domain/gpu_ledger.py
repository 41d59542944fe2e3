"""Who gets which GPU: pure, first come first served.

``settle()`` is the one decision. It walks the line once, from its head. Whoever fits is granted
what it needs; whoever does not keeps every GPU that could serve it from all who came later, so
nobody small ever overtakes somebody large for good. Who can never be served by this machine (a
GPU that is not there, more of them than it has) waits too, but keeps nobody waiting.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from appliance.domain.deployment import GpuNeed, Reason


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU as the ledger sees it, memory in MiB; ``vram_mb`` None: not known.

    ``taken_mb`` is held by processes that no deployment answers for. ``assignable`` says that a
    container can be given it at all: a CDI spec names it.
    """

    key: str
    index: int
    vram_mb: int | None = None
    taken_mb: int = 0
    assignable: bool = True


@dataclass(frozen=True, slots=True)
class Hold:
    """A deployment's hold on one GPU; ``vram_mb`` is the share it has declared."""

    deployment_id: str
    gpu: str
    exclusive: bool
    vram_mb: int | None = None


class Loan(StrEnum):
    """A share whose holder has given its memory back and serves nobody until it has it again.

    LENT: others may have it. RETURNED: it is kept for the holder, who has yet to take it.
    """

    LENT = "lent"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One in line. ``prefers`` are the GPUs its container was made for, taken if they are free."""

    deployment_id: str
    need: GpuNeed
    prefers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where in line somebody stands (from 1), and what for. ``hopeless``: not on this machine."""

    number: int
    why: str
    hopeless: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the walk along the line has given, and where the others stand."""

    grants: tuple[Hold, ...]
    places: Mapping[str, Place]


@dataclass(slots=True)
class _Desk:
    """One card during the walk. ``kept`` for somebody further ahead in line."""

    card: Card
    exclusive: bool = False
    shares: int = 0
    shared_mb: int = 0
    kept: bool = False

    def take(self, hold: Hold) -> None:
        self.exclusive |= hold.exclusive
        self.shares += 1
        self.shared_mb += hold.vram_mb or 0

    def fits(self, need: GpuNeed) -> bool:
        if self.kept or self.exclusive or (need.exclusive and self.shares):
            return False
        room = (self.card.vram_mb or 0) - self.card.taken_mb - self.shared_mb
        wanted = _room_mb(need)
        return not wanted or room >= wanted


@dataclass(slots=True)
class _Walk:
    """``refused`` remembers who can't be served now, by need: a long line has few kinds of it."""

    desks: Mapping[str, _Desk]
    grants: list[Hold] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)
    refused: dict[GpuNeed, tuple[str, bool]] = field(default_factory=dict)


def settle(cards: Sequence[Card], holds: Iterable[Hold], line: Sequence[Waiting]) -> Settlement:
    """Who of ``line`` (first come first) gets what, beside the ``holds`` there are."""
    desks = {card.key: _Desk(card) for card in cards}
    for hold in holds:
        if hold.gpu in desks:
            desks[hold.gpu].take(hold)
    walk = _Walk(desks)
    for one in line:
        _serve(walk, one)
    return Settlement(tuple(walk.grants), walk.places)


def lacking(one: Waiting, own: Sequence[Hold]) -> Waiting:
    """How ``one`` stands in line that has lent its share and still has ``own`` memory there.

    It waits for the rest of the share, on the very GPUs that its container was given.
    """
    if not own:
        return one
    still_mb = min(hold.vram_mb or 0 for hold in own)
    rest_mb = max(0, (one.need.vram_mb or 0) - still_mb)
    gpus = tuple(hold.gpu for hold in own)
    need = GpuNeed(len(gpus), gpus, vram_mb=rest_mb or None, exclusive=False)
    return replace(one, need=need)


def in_turn(
    cards: Sequence[Card], holds: Sequence[Hold], line: Sequence[Waiting]
) -> Sequence[Waiting]:
    """The line, in which who wants back what it has lent goes ahead of those whom it keeps out.

    It holds something in spite of the loan. Who can't be served beside that waits for it to be
    through; behind such a one it would wait for somebody who waits for it.
    """
    ids = {one.deployment_id for one in line}
    still = [hold for hold in holds if hold.deployment_id in ids]
    if not still:
        return line
    needs = {one.need: one for one in line}
    out = {need for need, one in needs.items() if _kept_out(cards, still, one)}
    first = next((n for n, one in enumerate(line) if one.need in out), len(line))
    holders = {hold.deployment_id for hold in still}
    ahead = [one for one in line[first:] if one.deployment_id in holders and one.need not in out]
    return [*line[:first], *ahead, *(one for one in line[first:] if one not in ahead)]


LENDING = Reason("softened", "Gave its GPU memory to another; takes it back when it is asked for")
"""Why a deployment that runs does not answer at once."""


def waiting_reason(place: Place) -> Reason:
    """Why a deployment waits, with its place in line."""
    if place.hopeless:
        return Reason("gpu_unavailable", place.why)
    return Reason("gpu_unavailable", f"{place.why}; number {place.number} in line")


def _kept_out(cards: Sequence[Card], holds: Sequence[Hold], one: Waiting) -> bool:
    place = settle(cards, holds, [one]).places.get(one.deployment_id)
    return place is not None and not place.hopeless


def _serve(walk: _Walk, one: Waiting) -> None:
    refused = walk.refused.get(one.need)
    if refused is None:
        refused = _try(walk, one)
    if refused is not None:
        walk.places[one.deployment_id] = Place(len(walk.places) + 1, *refused)


def _try(walk: _Walk, one: Waiting) -> tuple[str, bool] | None:
    """Gives what is needed; else why not and whether it never can, and keeps what could serve."""
    able = [desk for desk in walk.desks.values() if _able(desk.card, one.need)]
    chosen = _choose([desk for desk in able if desk.fits(one.need)], one)
    if chosen is not None:
        walk.refused.clear()
        for desk in chosen:
            hold = Hold(one.deployment_id, desk.card.key, one.need.exclusive, one.need.vram_mb)
            desk.take(hold)
            walk.grants.append(hold)
        return None
    hopeless = len(able) < one.need.count
    refused = _hopeless(walk, one.need) if hopeless else _busy(able, one.need), hopeless
    if not hopeless and not all(desk.kept for desk in able):
        walk.refused.clear()
        for desk in able:
            desk.kept = True
    else:
        walk.refused[one.need] = refused
    return refused


def _able(card: Card, need: GpuNeed) -> bool:
    """Whether the card, with nobody on it, could serve ``need``."""
    if not card.assignable or (need.named and not _named(card, need.named)):
        return False
    size = _size_mb(need)
    return not size or (card.vram_mb or 0) >= size


def _choose(fitting: list[_Desk], one: Waiting) -> list[_Desk] | None:
    """The cards to give: those it had, else the tightest fit, so that large ones stay free."""
    if len(fitting) < one.need.count:
        return None
    fitting.sort(key=lambda desk: _waste(desk, one))
    return fitting[: one.need.count]


def _waste(desk: _Desk, one: Waiting) -> tuple[bool, int, int]:
    room = (desk.card.vram_mb or 0) - desk.shared_mb
    return (desk.card.key not in one.prefers, room, desk.card.index)


def _size_mb(need: GpuNeed) -> int:
    """How large the card must be, whoever is on it."""
    return max(need.vram_mb or 0, need.min_vram_mb or 0)


def _room_mb(need: GpuNeed) -> int:
    """What must be free on it: the share that is declared; who is alone wants all of the size."""
    return _size_mb(need) if need.exclusive else need.vram_mb or 0


def _named(card: Card, names: Sequence[str]) -> bool:
    return card.key in names or str(card.index) in names


def _busy(able: Sequence[_Desk], need: GpuNeed) -> str:
    return f"Waits for {_words(need)}: {', '.join(_state(desk) for desk in able)}"


def _state(desk: _Desk) -> str:
    name, taken = f"GPU {desk.card.index}", desk.card.taken_mb
    if desk.shares:
        return f"{name} is in use"
    if desk.kept:
        return f"{name} is for those ahead in line"
    return f"{name} has {taken} MiB taken by other programs" if taken else f"{name} is free"


def _hopeless(walk: _Walk, need: GpuNeed) -> str:
    cards = [desk.card for desk in walk.desks.values()]
    if not cards:
        return f"Needs {_words(need)}, this machine has no GPU"
    if not any(card.assignable for card in cards):
        return (
            f"Needs {_words(need)}, but no CDI spec names this machine's GPUs: "
            "run `appliance doctor --fix`"
        )
    return f"Needs {_words(need)}, this machine has {_described(cards)}"


def _described(cards: Sequence[Card]) -> str:
    usable = [card for card in cards if card.assignable]
    return ", ".join(
        f"GPU {c.index} ({'size unknown' if c.vram_mb is None else f'{c.vram_mb} MiB'})"
        for c in usable
    )


def _words(need: GpuNeed) -> str:
    if need.named:
        return "GPU " + " and ".join(need.named)
    wanted = _room_mb(need)
    memory = f" with {wanted} MiB" if wanted else ""
    return f"{need.count} GPU{'s' if need.count > 1 else ''}{memory}"
