"""Where the plates of a frame are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.network import MODELS, Network

STRIDE: Final = 32  # The network halves its input five times.
# Pixels of the longer side at which a frame is seen, and seen again when nothing was found: a plate
# that fills most of it is larger than any the network knows.
LONGEST_SIDES: Final = (640, 240)
POSSIBLE_ABOVE: Final = 0.35
SURE_ABOVE: Final = 0.5
# A plate found is looked at again in a window, width and height, where it is so many pixels wide.
CLOSE_WINDOW: Final = (192, 128)
CLOSE_WIDTH: Final = 96
SAME_PLATE: Final = 0.3
STEADY: Final = 0.93
MOST_CLOSE_LOOKS: Final = 3
OVERLAPPING: Final = 0.4
MOST_PLATES: Final = 8
PADDING: Final = 114  # A grey that is neither plate nor lamp.


Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Detection:
    """One plate, 0 to 1 sure, in pixels of the frame.

    `box` is x0, y0, x1, y1, inside the frame. `corners`, float32, shape (4, 2), are top left, top
    right, bottom right and bottom left, and may lie outside; None where nothing tells them.
    """

    box: Box
    score: float
    corners: NDArray[np.float32] | None = None


class Detector(Protocol):
    """Finds plates."""

    def detect(self, frame: Pixels) -> Sequence[Detection]:
        """Find plates in `frame`, BGR, uint8, shape (height, width, 3): the surest first."""
        ...


class PlateDetector:
    """Finds plates by our own network: where, in the whole frame, then exactly, around each.

    The network takes `frame`, uint8, (1, height, width, 3), and gives for each cell of a grid
    `score`, `box` and `corners`.
    """

    def __init__(self, network: Callable[[Pixels], Sequence[NDArray[np.float32]]]) -> None:
        self._network = network

    def detect(self, frame: Pixels) -> Sequence[Detection]:
        for side in LONGEST_SIDES:
            possible = self._look(frame, side / max(frame.shape[:2]))
            closer = [self._closest(frame, one) for one in possible]
            if sure := [one for one in closer if one.score > SURE_ABOVE]:
                return _surest(sure)
        return ()

    def _look(self, frame: Pixels, scale: float) -> Sequence[Detection]:
        """Find what may be plates in `frame`, seen scaled by `scale`."""
        height, width = frame.shape[:2]
        score, box, corners = self._network(as_grid(frame, scale)[None])
        at = score > POSSIBLE_ABOVE
        scores, boxes, corners = score[at], box[at] / scale, corners[at].reshape(-1, 4, 2) / scale
        boxes = np.clip(boxes, 0, np.array([width, height] * 2, np.float32))
        kept = surest(boxes, scores)
        return [
            Detection(tuple(boxes[one].tolist()), float(scores[one]), corners[one]) for one in kept
        ]

    def _closest(self, frame: Pixels, found: Detection) -> Detection:
        """Look closer until the box stays where it is: one that was cut short grows."""
        before, now = found, self._look_closely(frame, found)
        for _ in range(MOST_CLOSE_LOOKS - 1):
            if not now.score or overlap(before.box, now.box) > STEADY:
                break
            before, now = now, self._look_closely(frame, now)
        return now

    def _look_closely(self, frame: Pixels, found: Detection) -> Detection:
        """Look at the surroundings of what may be a plate, scaled to the size best known.

        The score returned is the mean of both looks; 0 for what is not seen again.
        """
        x0, y0, x1, y1 = found.box
        scale = CLOSE_WIDTH / max(1.0, x1 - x0)
        left = round((x0 + x1) / 2 - CLOSE_WINDOW[0] / scale / 2)
        top = round((y0 + y1) / 2 - CLOSE_WINDOW[1] / scale / 2)
        right, bottom = (round(side / scale) for side in CLOSE_WINDOW)
        window = cut(frame, left, top, left + right, top + bottom)
        near = [_moved(one, left, top) for one in self._look(window, scale)]
        best = max(near, key=lambda one: overlap(one.box, found.box), default=found)
        is_same = best is not found and overlap(best.box, found.box) >= SAME_PLATE
        score = (found.score + best.score) / 2 if is_same else 0.0
        return replace(best, score=score, box=_inside(best.box, frame))


def as_grid(frame: Pixels, scale: float) -> Pixels:
    """Scale `frame` and pad it at the right and below to multiples of `STRIDE`."""
    height, width = (max(1, round(side * scale)) for side in frame.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(frame, (width, height), interpolation=how)
    rows, columns = (-(-side // STRIDE) * STRIDE for side in (height, width))
    return cut(small.astype(np.uint8, copy=False), 0, 0, columns, rows)


def cut(frame: Pixels, left: int, top: int, right: int, bottom: int) -> Pixels:
    """Cut a rectangle out of `frame`; what lies outside of it is `PADDING`."""
    height, width = frame.shape[:2]
    window = np.full((bottom - top, right - left, 3), PADDING, np.uint8)
    inside = frame[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    y, x = max(0, -top), max(0, -left)
    window[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return window


def _moved(found: Detection, left: int, top: int) -> Detection:
    x0, y0, x1, y1 = found.box
    corners = None if found.corners is None else found.corners + np.array([left, top], np.float32)
    return Detection((x0 + left, y0 + top, x1 + left, y1 + top), found.score, corners)


def _inside(box: Box, frame: Pixels) -> Box:
    height, width = frame.shape[:2]
    x0, y0, x1, y1 = box
    return max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def _surest(found: Sequence[Detection]) -> Sequence[Detection]:
    """Leave out what turns out to be a plate found twice."""
    if not found:
        return found
    boxes = np.array([one.box for one in found], np.float32)
    return [found[one] for one in surest(boxes, np.array([one.score for one in found]))]


def surest(boxes: NDArray[np.floating[Any]], scores: NDArray[np.floating[Any]]) -> list[int]:
    """Choose of boxes that overlap the surest; return their places, the surest first."""
    corner_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(corner_and_size.tolist(), scores.tolist(), 0.0, OVERLAPPING)
    return [int(index) for index in np.array(kept, int).reshape(-1)[:MOST_PLATES]]


def own_network() -> Network:
    """Load what `PlateDetector` runs."""
    return Network(MODELS / "detector.onnx")
