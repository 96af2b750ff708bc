"""Which expected plate a camera read: the likeliest, never the one that looks most alike.

Source of the numbers: `make bench-plates`, 148 photos read against 500 expected plates. From TAU 4
to 7 one frame finds 97.3 %; of those whose plate differs from an expected one in one character it
lets in 0.3 % at 4, 0.5 % at 5 and 0.9 % at 7. "One character may differ" lets in 9 of 10 of these.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

# An expected plate may be so much less likely than the best reading, in nats,
TAU: Final = 4.5
# and no other expected plate may be nearer to it than this.
MU: Final = 3.0
# Before so many frames agree, only the reading itself counts.
ENOUGH_FRAMES: Final = 2


@dataclass(frozen=True, slots=True)
class Alternative:
    """What a plate may say, `folded` as `parkgraph.model.plates` folds.

    `nats` (natural logarithm) is 0 for the best reading, and below 0 by how much less likely
    another is.
    """

    folded: str
    nats: float


def may_say(
    reading: str, alternatives: Sequence[Alternative], frames: int
) -> tuple[Alternative, ...]:
    """Return what counts of what was read, `reading` first, on which `frames` agree.

    The reading itself always counts in full: who was let in by it before is let in still.
    """
    itself = Alternative(reading, 0.0)
    return (itself, *alternatives) if frames >= ENOUGH_FRAMES else (itself,)


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
