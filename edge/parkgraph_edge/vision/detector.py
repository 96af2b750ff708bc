"""Where in a frame a plate may be."""

import math
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.weights import Network, as_input, weights

STRIDE: Final = 32  # The network halves its input five times.
TEXT_ABOVE: Final = 0.3
LINE_ABOVE: Final = 0.6
# The network marks the middle of a line; the line itself is larger. Source: DBNet, section 3.2.
UNCLIP: Final = 1.6
SMALLEST_MARK: Final = 3
MOST_BOXES: Final = 100

Boxes = NDArray[np.float32]
Scores = NDArray[np.float32]


class Detector(Protocol):
    """Finds boxes that may hold a plate."""

    def detect(self, frame: Pixels) -> tuple[Boxes, Scores]:
        """Find boxes in `frame`: BGR, uint8, shape (height, width, 3).

        Boxes are x0, y0, x1, y1 in pixels, float32, shape (n, 4), inside the frame; scores are 0 to
        1, shape (n,). n may be 0.
        """
        ...


class TextDetector:
    """Finds lines of any text by PP-OCRv6 det. `pixels` is how large it sees a frame at most."""

    def __init__(self, network: Network, *, pixels: int) -> None:
        self._network = network
        self._pixels = pixels

    def detect(self, frame: Pixels) -> tuple[Boxes, Scores]:
        height, width = frame.shape[:2]
        scale = min(1.0, math.sqrt(self._pixels / (height * width)))
        seen = [max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in (width, height)]
        small = cv2.resize(frame, seen, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
        marks = self._network(as_input(small))[0, 0]
        boxes, scores = _lines(marks)
        boxes *= np.array([width / seen[0], height / seen[1]] * 2, np.float32)
        boxes = np.clip(boxes, 0, np.array([width, height] * 2, np.float32))
        return boxes, scores


def text_network() -> Network:
    """Load what `TextDetector` runs."""
    return Network(weights("PP-OCRv6_det_small.onnx"))


def _lines(marks: NDArray[np.float32]) -> tuple[Boxes, Scores]:
    """Cut the map of text, 0 to 1, shape (height, width), into upright boxes around its lines."""
    mask = (marks > TEXT_ABOVE).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    boxes: list[tuple[float, float, float, float]] = []
    scores: list[float] = []
    for contour in sorted(contours, key=cv2.contourArea, reverse=True)[:MOST_BOXES]:
        x, y, width, height = cv2.boundingRect(contour)
        if min(width, height) < SMALLEST_MARK:
            continue
        inside = np.zeros((height, width), np.uint8)
        cv2.drawContours(inside, [contour], -1, 1, cv2.FILLED, offset=(-x, -y))
        score = cv2.mean(marks[y : y + height, x : x + width], inside)[0]
        if score < LINE_ABOVE:
            continue
        grow = UNCLIP * width * height / (2 * (width + height))
        boxes.append((x - grow, y - grow, x + width + grow, y + height + grow))
        scores.append(score)
    return np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32)
