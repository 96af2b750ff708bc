"""What vision tells a lane."""

from dataclasses import dataclass
from typing import Final

from parkgraph_edge.rules.identity import Alternative

LEAST_CONFIDENCE: Final = 0.5
OLDEST_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """One plate, as several frames of one camera agree to read it.

    `text` is letters and digits as read, not folded. `confidence` is 0 to 1. `taken_at` is the boot
    clock in seconds when the newest agreeing frame arrived. `box` is x0, y0, x1, y1 in pixels.
    `alternatives` are what the plate may say by its frames together; only `text` if there are none.
    """

    camera: str
    text: str
    confidence: float
    frames: int
    taken_at: float
    box: tuple[int, int, int, int]
    alternatives: tuple[Alternative, ...] = ()


def is_of(sighting: Sighting, *, since: float, now: float) -> bool:
    """Say whether `sighting` may be used for the vehicle that stands there since `since`.

    An older one may be of the vehicle before. Times are the boot clock in seconds.
    """
    is_fresh = since <= sighting.taken_at and now - sighting.taken_at <= OLDEST_SECONDS
    return is_fresh and sighting.confidence >= LEAST_CONFIDENCE
