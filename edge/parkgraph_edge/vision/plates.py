"""From a frame to the plates in it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_edge.vision.detector import Detection, Detector
from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.reader import INPUT_HEIGHT, INPUT_WIDTH, Line, Reader
from parkgraph_edge.vision.spelling import Alternatives, settled

# The network's boxes leave little air; the reader wants some, less of a plate that stands straight.
# Shares of width and height.
AIR: Final = (0.04, 0.08)
STRAIGHT_AIR: Final = (0.02, 0.04)
SMALLEST_CROP: Final = 8
SQUARE: Final = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])  # As the corners of a detection.
# A picture that is itself a crop of a plate.
CROP_PIXELS: Final = 400 * 200
CROP_PROPORTIONS: Final = (1.3, 6.0)
# Pixels of a plate's height (or width) below which nobody reads it.
LEAST_HEIGHT: Final = 9
# Of the Laplacian of a plate, scaled to the same height, the mean in grey levels. Of 148 plates of
# photos 4.2 and more (99 %); blurred by a tenth of their height 1.6 and less (95 %).
LEAST_SHARPNESS: Final = 3.0
SHORTEST_TEXT: Final = 3
LONGEST_TEXT: Final = 10
# Below, the picture is sharp and still no letter or digit fits: another script, or no plate.
LEAST_READABLE: Final = 0.05
PLAUSIBLE: Final = 0.1


class Rejection(StrEnum):
    """Why what looks like a plate became no reading."""

    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    SYNTAX = "syntax"
    DISAGREE = "disagree"
    SCRIPT = "script"


@dataclass(frozen=True, slots=True)
class PlateReading:
    """One plate in one frame.

    `text` is A-Z and 0-9. `confidence` and `characters`, one for each of `text`, are 0 to 1;
    `score`, 0 to 1, says how sure it is that this is a plate. `box` is x0, y0, x1, y1 in pixels,
    whole and inside the frame. `alternatives` are what it may say, see `spelling.alternatives`.
    """

    text: str
    confidence: float
    characters: tuple[float, ...]
    box: tuple[int, int, int, int]
    score: float = 1.0
    alternatives: Alternatives = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """What looks like a plate at `box`, and why it is no reading."""

    reason: Rejection
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Looked:
    """What one frame shows: readings, the most plausible first, and what became none."""

    readings: list[PlateReading] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


class PlateReader:
    """Reads the plates of frames.

    `syntaxes` are those of the site's countries, as in `rules.syntaxes`; they settle doubtful
    characters.
    """

    def __init__(self, detector: Detector, reader: Reader, syntaxes: Sequence[str] = ()) -> None:
        self._detector = detector
        self._reader = reader
        self._syntaxes = syntaxes

    def read_plates(self, frame: Pixels) -> Looked:
        """Return what reads like a plate in `frame`: BGR, uint8, shape (height, width, 3)."""
        looked = Looked()
        for detection in _whole(frame, self._detector.detect(frame)):
            one = self._read(frame, detection)
            if isinstance(one, PlateReading):
                looked.readings.append(one)
            else:
                looked.rejected.append(one)
        looked.readings.sort(key=rank, reverse=True)
        return looked

    def _read(self, frame: Pixels, detection: Detection) -> PlateReading | Rejected:
        x0, y0, x1, y1 = detection.box
        box = (int(x0), int(y0), math.ceil(x1), math.ceil(y1))
        if min(x1 - x0, y1 - y0) < LEAST_HEIGHT:
            return Rejected(Rejection.TOO_SMALL, box)
        crop = around(frame, detection)
        line = self._reader.read(crop)
        if reason := _rejection(line, crop):
            return Rejected(reason, box)
        read = settled(line.characters, self._syntaxes)
        return PlateReading(
            text="".join(character.text for character in read),
            confidence=line.confidence,
            characters=tuple(character.chance for character in read),
            box=box,
            score=detection.score,
            alternatives=line.alternatives,
        )


def _whole(frame: Pixels, found: Sequence[Detection]) -> Sequence[Detection]:
    """Return what was found; of a picture with the size and shape of a plate alone, all of it.

    Unless what was found there fills most of it.
    """
    height, width = frame.shape[:2]
    least, most = CROP_PROPORTIONS
    if height * width > CROP_PIXELS or not least < width / height < most:
        return found
    boxes = (one.box for one in found)
    if any((x1 - x0) * (y1 - y0) > height * width / 2 for x0, y0, x1, y1 in boxes):
        return found
    return (Detection((0.0, 0.0, float(width), float(height)), score=0.5),)


def around(frame: Pixels, detection: Detection) -> Pixels:
    """Cut the plate out of `frame` with some air, straight where its corners are known."""
    if detection.corners is not None:
        return _straightened(frame, detection.corners)
    height, width = frame.shape[:2]
    x0, y0, x1, y1 = detection.box
    aside, above = AIR[0] * (x1 - x0), AIR[1] * (y1 - y0)
    left, top = int(max(0, x0 - aside)), int(max(0, y0 - above))
    right, bottom = math.ceil(min(width, x1 + aside)), math.ceil(min(height, y1 + above))
    return frame[top:bottom, left:right]


def _straightened(frame: Pixels, corners: NDArray[np.float32]) -> Pixels:
    """Cut a plate out as a camera straight before it would see it."""
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    size, air = sides.reshape(2, 2).mean(axis=0), np.array(STRAIGHT_AIR)
    place = ((SQUARE + air) * size).astype(np.float32)
    most = max(frame.shape[:2])
    width, height = np.clip((1 + 2 * air) * size, SMALLEST_CROP, most).astype(int).tolist()
    view = cv2.getPerspectiveTransform(corners, place)
    crop = cv2.warpPerspective(frame, view, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return crop.astype(np.uint8, copy=False)


def _rejection(line: Line, crop: Pixels) -> Rejection | None:
    is_sure = line.confidence >= LEAST_READABLE
    if not is_sure and _sharpness(crop) < LEAST_SHARPNESS:
        return Rejection.BLURRED
    if not SHORTEST_TEXT <= len(line.text) <= LONGEST_TEXT:
        return Rejection.SYNTAX
    return None if is_sure else Rejection.SCRIPT


def _sharpness(crop: Pixels) -> float:
    """Return how strong the edges of a plate are, in grey levels, whatever its size."""
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    same = cv2.resize(grey, (INPUT_WIDTH, INPUT_HEIGHT))
    return float(np.abs(cv2.Laplacian(same, cv2.CV_32F)).mean())


def plausible(readings: Sequence[PlateReading]) -> list[PlateReading]:
    """Keep of one frame's readings those that are likely plates, or the best when none is."""
    likely = [one for one in readings if one.score * one.confidence > PLAUSIBLE]
    return likely or list(readings[:1])


def rank(reading: PlateReading) -> float:
    """Order the readings of one frame: near plates before far ones."""
    return reading.score * reading.confidence * (reading.box[3] - reading.box[1])
