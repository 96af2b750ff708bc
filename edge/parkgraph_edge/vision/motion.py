"""Whether anything moved: most frames of a lane show an empty lane and need no reading."""

from typing import Final

import cv2
import numpy as np

from parkgraph.runtime.errors import CorruptError
from parkgraph_edge.vision.frames import Pixels

WIDTH: Final = 320
HEIGHT: Final = 180
# Night noise and JPEG stay below it; a car's edge does not.
CHANGED_LEVELS: Final = 25
CHANGED_SHARE: Final = 0.005
_JPEG_BEGINS: Final = b"\xff\xd8"


class MotionGate:
    """Lets a picture through when it differs from the last one let through.

    Compared with the last one let through, not the last one seen, a car that creeps adds up, and a
    change of light passes once.
    """

    def __init__(self, *, changed_share: float = CHANGED_SHARE) -> None:
        self._least = changed_share * WIDTH * HEIGHT
        self._before: Pixels | None = None

    def passes(self, grey: Pixels) -> bool:
        """Say whether the picture, one of `small_grey`, shows motion; the first one does."""
        if self._before is not None:
            difference = cv2.absdiff(grey, self._before)
            _, changed = cv2.threshold(difference, CHANGED_LEVELS, 1, cv2.THRESH_BINARY)
            if cv2.countNonZero(changed) < self._least:
                return False
        self._before = grey
        return True


def small_grey(jpeg: bytes) -> Pixels:
    """Decode a picture to grey, uint8, shape (180, 320).

    At a quarter of the size the decoder leaves out colour and most of the arithmetic; what remains
    is the Huffman code of the whole file, so an eighth would cost hardly less and show no blur.

    Raises:
        CorruptError: it is no picture.
    """
    try:
        grey = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_4)
    except cv2.error as error:
        raise CorruptError("a picture cannot be decoded") from error
    if grey is None:
        raise CorruptError("a picture cannot be decoded")
    shrinks = grey.shape[1] > WIDTH
    kind = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(grey, (WIDTH, HEIGHT), interpolation=kind).astype(np.uint8, copy=False)


def check_jpeg(encoded: bytes) -> None:
    """Look at the first bytes of a picture that is not decoded.

    Raises:
        CorruptError: it is no JPEG.
    """
    if not encoded.startswith(_JPEG_BEGINS):
        raise CorruptError("a picture cannot be decoded")
