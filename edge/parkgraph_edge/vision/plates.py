"""From a frame to the plates in it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from parkgraph_edge.vision.detector import Boxes, Detector, TextDetector, text_network
from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.reader import Reader, TextReader

# A quick look finds the plates of near cars; only a frame without one gets the thorough look.
LOOKS: Final = (640 * 360, 960 * 544)
MOST_READ: Final = 8
SURE: Final = 0.6
# A word, however well read, stays below it.
PLAUSIBLE: Final = 0.31
# A line of a plate, in pixels and width by height.
LEAST_HEIGHT: Final = 8
PROPORTIONS: Final = (1.2, 9.0)
# A picture that is itself a crop of a plate.
CROP_PIXELS: Final = 400 * 200
CROP_PROPORTIONS: Final = (1.3, 6.0)


@dataclass(frozen=True, slots=True)
class PlateReading:
    """One plate in one frame.

    `text` is A-Z and 0-9. `confidence` and `characters`, one for each of `text`, are 0 to 1. `box`
    is x0, y0, x1, y1 in pixels, whole and inside the frame.
    """

    text: str
    confidence: float
    characters: tuple[float, ...]
    box: tuple[int, int, int, int]


class PlateReader:
    """Reads the plates of frames."""

    def __init__(self, detectors: tuple[Detector, ...], reader: Reader) -> None:
        self._detectors = detectors
        self._reader = reader

    def read_plates(self, frame: Pixels) -> list[PlateReading]:
        """Return what reads like a plate in `frame`, the most plausible first; may be empty.

        `frame` is BGR, uint8, shape (height, width, 3).
        """
        readings: list[PlateReading] = []
        for detector in self._detectors:
            readings = max(readings, self._look(frame, detector), key=_best)
            if _best(readings) >= SURE:
                break
        else:
            if is_crop(frame):
                height, width = frame.shape[:2]
                readings += self._read(frame, np.array([[0, 0, width, height]], np.float32))
        return sorted(readings, key=rank, reverse=True)

    def _look(self, frame: Pixels, detector: Detector) -> list[PlateReading]:
        boxes, _ = detector.detect(frame)
        widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        least, most = PROPORTIONS
        fits = (heights >= LEAST_HEIGHT) & (widths > least * heights) & (widths < most * heights)
        tallest = np.argsort(-heights[fits])[:MOST_READ]
        return self._read(frame, boxes[fits][tallest])

    def _read(self, frame: Pixels, boxes: Boxes) -> list[PlateReading]:
        readings: list[PlateReading] = []
        for x0, y0, x1, y1 in boxes:
            box = (int(x0), int(y0), math.ceil(x1), math.ceil(y1))
            line = self._reader.read(frame[box[1] : box[3], box[0] : box[2]])
            if likeness(line.text) > 0:
                reading = PlateReading(line.text, line.confidence, line.characters, box)
                readings.append(reading)
        return readings


def likeness(text: str) -> float:
    """Say how much `text` looks like a plate's, 0 (no plate) to 1 (most plates are like that)."""
    if not 4 <= len(text) <= 10:
        return 0.0
    has_digit = any(character.isdigit() for character in text)
    has_letter = any(character.isalpha() for character in text)
    if not has_digit and len(text) < 5:
        return 0.0
    # Words are dealers, states and slogans; bare digits are dates and telephone numbers.
    kind = 1.0 if has_digit and has_letter else 0.5 if has_digit else 0.3
    return kind if 5 <= len(text) <= 8 else kind * 0.6


def plausibility(reading: PlateReading) -> float:
    """Say how likely `reading` is a plate and well read, 0 to 1, whatever its size."""
    return reading.confidence * likeness(reading.text)


def _best(readings: Sequence[PlateReading]) -> float:
    return max(map(plausibility, readings), default=0.0)


def plausible(readings: Sequence[PlateReading]) -> list[PlateReading]:
    """Keep of one frame's readings those that are likely plates, or the best when none is."""
    return [one for one in readings if plausibility(one) > PLAUSIBLE] or list(readings[:1])


def rank(reading: PlateReading) -> float:
    """Order the readings of one frame: near plates before far ones and before other lines."""
    return plausibility(reading) * (reading.box[3] - reading.box[1])


def is_crop(frame: Pixels) -> bool:
    """Say whether a picture has the size and proportions of a plate alone."""
    height, width = frame.shape[:2]
    least, most = CROP_PROPORTIONS
    return bool(height * width <= CROP_PIXELS and least < width / height < most)


def plate_reader() -> PlateReader:
    """Load the networks this package reads with.

    Raises:
        UnavailableError: the weights are not installed.
    """
    network = text_network()
    looks = tuple(TextDetector(network, pixels=pixels) for pixels in LOOKS)
    return PlateReader(looks, TextReader())
