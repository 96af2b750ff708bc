"""How two loops under a boom tell a car that went through from one that backed out."""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Passage(Enum):
    """How far the car at the boom has come."""

    NONE = "none"
    ENTERED = "entered"
    """Its front is on the closing loop, its rear still on the arming loop."""
    COMMITTED = "committed"
    """Its rear has left the arming loop: it will not back out any more."""
    FROM_INSIDE = "from inside"
    """The closing loop rose by itself: what stands there did not come over the arming loop."""


_STAY: Final[dict[Passage, Passage]] = {passage: passage for passage in Passage}

# Both loops, arming first, as they read now → from where to where.
TRANSITIONS: Final[Mapping[tuple[bool, bool], Mapping[Passage, Passage]]] = {
    (False, False): dict.fromkeys(Passage, Passage.NONE),
    (True, False): dict.fromkeys(Passage, Passage.NONE),
    (True, True): _STAY | {Passage.NONE: Passage.ENTERED},
    (False, True): _STAY | {Passage.NONE: Passage.FROM_INSIDE, Passage.ENTERED: Passage.COMMITTED},
}


def follow(passage: Passage, *, arming: bool, closing: bool) -> tuple[Passage, bool]:
    """Return how far the car is now, and whether a committed passage has just ended."""
    after = TRANSITIONS[arming, closing][passage]
    return after, passage is Passage.COMMITTED and after is Passage.NONE
