"""What a plate says, in letters and digits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.network import MODELS, Network
from parkgraph_edge.vision.spelling import (
    Alternatives,
    Character,
    alternatives,
    characters,
    joined,
)

INPUT_HEIGHT: Final = 48
INPUT_WIDTH: Final = 160
# A plate scaled to so many pixels, to find the rows of its number.
BAND_WIDTH: Final = 160
BAND_ROWS: Final = 64
# Rows of the main line: those with this share of the strongest row's edges, and some air around.
BAND_SHARE: Final = 0.55
BAND_AIR: Final = 0.14
FEWEST_BAND_ROWS: Final = 20
# A plate of two lines is nearly square, and has a gap between two lines that are not too unlike. Of
# 300 drawn ones 271 pass, of 1,887 real ones of one line 23.
TWO_LINE_PROPORTION: Final = 1.75
LEAST_WEAKER_LINE: Final = 0.3
DEEPEST_GAP: Final = 0.9
LINE_SHARE: Final = 0.45
FEWEST_LINE_ROWS: Final = 8
LEAST_SHORTER_LINE: Final = 0.3
# Each line of such a number is read well, and both together are no longer than a number is.
SHORTEST_LINE: Final = 2
LEAST_OF_LINE: Final = 0.6
LONGEST_NUMBER: Final = 10

Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Line:
    """A plate as read: its characters, and what else it may say, folded, see `alternatives`."""

    characters: Sequence[Character]
    alternatives: Alternatives

    @property
    def text(self) -> str:
        """A-Z and 0-9."""
        return "".join(character.text for character in self.characters)

    @property
    def confidence(self) -> float:
        """The chance that every character is right, 0 to 1; 0 when there are none."""
        chances = [character.chance for character in self.characters]
        return math.prod(chances) if chances else 0.0


class Reader(Protocol):
    """Reads one plate."""

    def read(self, crop: Pixels) -> Line:
        """Read the plate that fills `crop`: BGR, uint8, shape (height, width, 3), not empty."""
        ...


class PlateLineReader:
    """Reads by our own network: `line`, uint8, (1, 48, 160), to `chances`, (1, steps, 37)."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def read(self, crop: Pixels) -> Line:
        grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        parts = bands(grey)
        if len(parts) == 1:
            return self._read_line(parts[0])
        # If the other line was a frame, a sticker or a name, the main one is the number.
        return self._read_two_lines(*parts) or self._read_line(main_band(grey))

    def _read_two_lines(self, upper: Grey, lower: Grey) -> Line | None:
        """Read a number that stands in two lines; None when that is not what they are."""
        first = self._read_line(upper)
        if not _is_line(first):
            return None
        second = self._read_line(lower)
        is_number = _is_line(second) and len(first.text + second.text) <= LONGEST_NUMBER
        return _below(first, second) if is_number else None

    def _read_line(self, band: Grey) -> Line:
        (chances,) = self._network(as_line(band)[None])
        return Line(characters(chances[0]), alternatives(chances[0]))


def _is_line(line: Line) -> bool:
    return len(line.text) >= SHORTEST_LINE and line.confidence >= LEAST_OF_LINE


def _below(upper: Line, lower: Line) -> Line:
    return Line(
        [*upper.characters, *lower.characters], joined(upper.alternatives, lower.alternatives)
    )


def as_line(band: Grey) -> Grey:
    """Stretch the grey `band` to what the network takes."""
    how = cv2.INTER_AREA if band.shape[0] > INPUT_HEIGHT else cv2.INTER_LINEAR
    line = cv2.resize(band, (INPUT_WIDTH, INPUT_HEIGHT), interpolation=how)
    return line.astype(np.uint8, copy=False)


def bands(grey: Grey) -> list[Grey]:
    """Cut out the rows of a plate that hold its number: one band, or both of a two-line plate.

    State names and slogans above and below the number are most of what misleads a reader. Where
    the number cannot be told from them, the band is the whole plate.
    """
    is_square = grey.shape[1] < TWO_LINE_PROPORTION * grey.shape[0]
    if is_square and (lines := _two_lines(_edges(grey))):
        return [_cut(grey, line) for line in lines]
    return [main_band(grey)]


def main_band(grey: Grey) -> Grey:
    """Cut out the rows of a plate that hold its main line."""
    rows = _edges(grey)
    middle = 20 + int(rows[20:48].argmax())
    first, last = _around(rows, middle, BAND_SHARE, (0, BAND_ROWS))
    return grey if last - first < FEWEST_BAND_ROWS else _cut(grey, (first, last))


def _edges(grey: Grey) -> NDArray[np.float64]:
    """Say for each of BAND_ROWS rows how many upright edges it has."""
    small = cv2.resize(grey, (BAND_WIDTH, BAND_ROWS))
    edges = np.abs(np.diff(small.astype(np.float32), axis=1))
    rows = np.minimum(edges, np.percentile(edges, 97)).mean(axis=1)
    return np.convolve(np.pad(rows, 2, "edge"), np.full(5, 0.2), "valid")


def _two_lines(rows: NDArray[np.float64]) -> list[tuple[int, int]] | None:
    """Find two lines with a gap between, not too unlike in height and strength, or None."""
    gap = 22 + int(rows[22:43].argmin())
    upper, lower = int(rows[:gap].argmax()), gap + int(rows[gap:].argmax())
    weaker, stronger = sorted((rows[upper], rows[lower]))
    if weaker < LEAST_WEAKER_LINE * stronger or rows[gap] > DEEPEST_GAP * weaker:
        return None
    lines = [
        _around(rows, upper, LINE_SHARE, (0, gap)),
        _around(rows, lower, LINE_SHARE, (gap, BAND_ROWS)),
    ]
    shorter, taller = sorted(last - first for first, last in lines)
    return None if shorter < max(FEWEST_LINE_ROWS, LEAST_SHORTER_LINE * taller) else lines


def _around(
    rows: NDArray[np.float64], peak: int, share: float, within: tuple[int, int]
) -> tuple[int, int]:
    """Return the first row of those around `peak` above `share` of it, and the row after them."""
    first, last = peak, peak + 1
    while first > within[0] and rows[first - 1] > share * rows[peak]:
        first -= 1
    while last < within[1] and rows[last] > share * rows[peak]:
        last += 1
    return first, last


def _cut(grey: Grey, line: tuple[int, int]) -> Grey:
    """Cut a line of BAND_ROWS out of `grey`, with some air above and below."""
    first, last = line
    air, scale = BAND_AIR * (last - first), grey.shape[0] / BAND_ROWS
    return grey[int(max(0.0, first - air) * scale) : round((last + air) * scale)]


def own_network() -> Network:
    """Load what `PlateLineReader` runs."""
    return Network(MODELS / "reader.onnx")
