"""What vision tells a lane."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sighting:
    """One plate, as several frames of one camera agree to read it.

    `text` is letters and digits as read, not folded. `confidence` is 0 to 1. `taken_at` is the boot
    clock in seconds when the newest agreeing frame arrived. `box` is x0, y0, x1, y1 in pixels.
    """

    camera: str
    text: str
    confidence: float
    frames: int
    taken_at: float
    box: tuple[int, int, int, int]
