"""Looks at every picture of a camera, cheaply: is it worth reading, and is the camera well?"""

from dataclasses import dataclass
from typing import Final

from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.mjpeg import Part
from parkgraph_edge.vision.motion import MotionGate, check_jpeg, small_grey
from parkgraph_edge.vision.views import View, ViewJudge

# Of ten pictures a second every other is decoded, of thirty every fifth: motion is seen in 0.2 s.
GLANCE_EVERY_SECONDS: Final = 0.15


@dataclass(frozen=True, slots=True)
class Glance:
    """What there is to say of one picture.

    `is_new` is false for one that shows what came before, to the last bit: nothing is learned from
    it, and what it shows may have gone long ago.
    """

    moves: bool
    is_new: bool
    view: View


class Watch:
    """Follows one stream of a camera, whose `judge` outlives it."""

    def __init__(self, judge: ViewJudge) -> None:
        self._judge = judge
        self._gate = MotionGate()
        self._decoded_at = float("-inf")
        self._jpeg = b""
        self._grey: Pixels | None = None

    def glance(self, part: Part, *, has_car: bool) -> Glance:
        """Look at the next picture; `has_car` says that a car stands on the loop.

        Raises:
            CorruptError: it is no picture.
        """
        is_repeated = part.jpeg == self._jpeg
        if not is_repeated:
            self._jpeg, self._grey = part.jpeg, None
        moves = False
        if part.arrived_at - self._decoded_at >= GLANCE_EVERY_SECONDS:
            self._decoded_at = part.arrived_at
            if self._grey is None:
                self._grey = small_grey(part.jpeg)
                moves = self._gate.passes(self._grey)
            self._judge.look(self._grey, part.arrived_at, has_car=has_car)
        elif not is_repeated:
            check_jpeg(part.jpeg)
        is_new = not is_repeated and not self._judge.is_stale
        return Glance(moves, is_new, self._judge.view)
