"""What a line of text says, in letters and digits."""

import math
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.weights import Network, as_input, weights

DIGITS: Final = "0123456789"
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ALPHABET: Final = DIGITS + LETTERS
INPUT_HEIGHT: Final = 48
INPUT_WIDTH: Final = 160
# Rows of the main line: those with this share of the strongest row's edges, and some air around.
BAND_SHARE: Final = 0.45
BAND_AIR: Final = 0.18
BAND_WIDTH: Final = 160
BAND_ROWS: Final = 64
FEWEST_BAND_ROWS: Final = 20


@dataclass(frozen=True, slots=True)
class Line:
    """A line as read: A-Z and 0-9, and for each character how sure it is, 0 to 1."""

    text: str
    characters: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """The chance that every character is right, 0 to 1; 0 when there are none."""
        return math.prod(self.characters) if self.characters else 0.0


class Reader(Protocol):
    """Reads one line."""

    def read(self, crop: Pixels) -> Line:
        """Read the main line of `crop`: BGR, uint8, shape (height, width, 3), not empty."""
        ...


class TextReader:
    """Reads by PP-OCRv6 rec, its alphabet of 18,708 characters masked to the plates'."""

    def __init__(self) -> None:
        self._network = Network(weights("PP-OCRv6_rec_small.onnx"))
        # Class 0 is the blank.
        known = ["", *self._network.note("character").split("\n")]
        self._upper = [known.index(character) for character in ALPHABET]
        self._lower = [known.index(character.lower()) for character in LETTERS]

    def read(self, crop: Pixels) -> Line:
        grey = cv2.cvtColor(main_band(crop), cv2.COLOR_BGR2GRAY)
        shrinks = grey.shape[0] > INPUT_HEIGHT
        line = cv2.resize(
            grey,
            (INPUT_WIDTH, INPUT_HEIGHT),
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
        )
        bgr = cv2.cvtColor(line, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)
        return self._spell(self._network(as_input(bgr))[0])

    def _spell(self, steps: NDArray[np.float32]) -> Line:
        """Decode greedily by CTC; whatever is no letter and no digit counts as blank."""
        chances = steps[:, self._upper]
        chances[:, len(DIGITS) :] += steps[:, self._lower]
        best = chances.argmax(axis=1)
        text, characters, before = "", [], -1
        for step, index in enumerate(best):
            chance = float(chances[step, index])
            is_blank = chance < 1 - float(chances[step].sum())
            if not is_blank and index != before:
                text += ALPHABET[index]
                characters.append(chance)
            before = -1 if is_blank else int(index)
        return Line(text, tuple(characters))


def main_band(crop: Pixels) -> Pixels:
    """Return the rows of `crop` that hold its main line; all of it when they cannot be told.

    State names and slogans above and below the number are most of what misleads a reader.
    """
    grey = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), (BAND_WIDTH, BAND_ROWS))
    edges = np.abs(np.diff(grey.astype(np.float32), axis=1))
    rows = np.minimum(edges, np.percentile(edges, 97)).mean(axis=1)
    rows = np.convolve(np.pad(rows, 2, "edge"), np.full(5, 0.2), "valid")
    middle = slice(20, 48)
    first = last = int(rows[middle].argmax()) + 20
    least = BAND_SHARE * rows[first]
    while first > 0 and rows[first - 1] > least:
        first -= 1
    while last < BAND_ROWS - 1 and rows[last + 1] > least:
        last += 1
    count = last - first + 1
    if count < FEWEST_BAND_ROWS:
        return crop
    scale = crop.shape[0] / BAND_ROWS
    top = max(0.0, (first - BAND_AIR * count) * scale)
    bottom = (last + 1 + BAND_AIR * count) * scale
    return crop[int(top) : round(bottom)]
