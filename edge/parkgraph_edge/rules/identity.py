"""Which expected plate a camera read: the likeliest, never the one that looks most alike.

Source of the numbers: `make bench-plates`, 148 photos read against 500 expected plates. From TAU 4
to 8 one frame finds 98.6 %; of those whose plate differs from an expected one in one character it
lets in 0.2 % at 4 and 5, 0.6 % at 7 and 1.1 % at 8. "One character may differ" lets in 9 of 10.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

# An expected plate may be so much less likely than the best reading, in nats,
TAU: Final = 4.5
# and no other expected plate may be nearer to it than this.
MU: Final = 3.0
# Before so many frames agree, only the reading itself counts.
ENOUGH_FRAMES: Final = 2
# What a camera is known to misread was confirmed by the codes of so many vehicles (of one it may be
# dirt),
FEWEST_CONFIRMED: Final = 3
# in readings with no more wrong characters than this: others were of another vehicle;
MOST_WRONG: Final = 2
# and lifts an alternative by so many nats at most.
MOST_LEARNED: Final = 3.0


@dataclass(frozen=True, slots=True)
class Alternative:
    """What a plate may say, `folded` as `parkgraph.model.plates` folds.

    `nats` (natural logarithm) is 0 for the best reading, and below 0 by how much less likely
    another is.
    """

    folded: str
    nats: float


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What was `read`, folded, of a vehicle that went through, and its plate in `truth`.

    Only a code says more than the reading does: who was let in by the reading confirms it alone.
    """

    read: str
    truth: str
    by_code: bool


# For (read, true) characters: how likely it was misread so, against that it was right, in nats.
Confusions = Mapping[tuple[str, str], float]


def may_say(
    reading: str, alternatives: Sequence[Alternative], frames: int
) -> tuple[Alternative, ...]:
    """Return what counts of what was read, `reading` first, on which `frames` agree.

    The reading itself always counts in full: who was let in by it before is let in still.
    """
    itself = Alternative(reading, 0.0)
    return (itself, *alternatives) if frames >= ENOUGH_FRAMES else (itself,)


def confusions(passages: Iterable[Confirmed]) -> Confusions:
    """Return what one camera misreads, as its confirmed `passages` tell: each vehicle once."""
    pairs: Counter[tuple[str, str]] = Counter()
    for one in set(passages):
        characters = list(zip(one.read, one.truth, strict=False))
        wrong = sum(read != true for read, true in characters)
        if len(one.read) == len(one.truth) and wrong <= (MOST_WRONG if one.by_code else 0):
            pairs.update(set(characters))
    return {
        (read, true): math.log(min(1.0, count / (pairs[read, read] + 1)))
        for (read, true), count in pairs.items()
        if read != true and count >= FEWEST_CONFIRMED
    }


def reweighed(read: Sequence[Alternative], confused: Confusions) -> tuple[Alternative, ...]:
    """Return `read`, the reading first, with what its camera is known to misread likelier.

    An alternative of one other character is at least as likely as that was misread before, within
    MOST_LEARNED of what the picture says. One of two is as it was.
    """
    return tuple(
        replace(one, nats=max(one.nats, min(odds, one.nats + MOST_LEARNED)))
        if (odds := _odds(confused, read[0].folded, one.folded)) is not None
        else one
        for one in read
    )


def _odds(confused: Confusions, reading: str, other: str) -> float | None:
    """Return how likely `other` was read as `reading`, if they differ in one character."""
    wrong = [(a, b) for a, b in zip(reading, other, strict=False) if a != b]
    is_one = len(reading) == len(other) and len(wrong) == 1
    return confused.get(wrong[0]) if is_one else None


def contenders(alternatives: Iterable[Alternative], expected: Collection[str]) -> frozenset[str]:
    """Return the plates among `expected` that may stand there: none, one, or too many to tell."""
    nats: dict[str, float] = {}
    for one in alternatives:
        if one.folded in expected:
            nats[one.folded] = max(one.nats, nats.get(one.folded, -math.inf))
    best = max(nats.values(), default=-math.inf)
    if best < -TAU:
        return frozenset()
    return frozenset(plate for plate, less in nats.items() if best - less < MU)


def identify(alternatives: Iterable[Alternative], expected: Collection[str]) -> str | None:
    """Return the one plate of `expected`, all folded, that stands there, or None."""
    found = contenders(alternatives, expected)
    return next(iter(found)) if len(found) == 1 else None
