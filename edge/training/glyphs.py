"""Letters and digits for drawn plates: our own strokes, or a font's.

A skeleton is drawn on a grid 4 wide and 6 high. Strokes are parted by semicolons, a stroke is a run
of points "x,y", and a character has several skeletons because the world's plates have.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from training.paint import Mask, pick

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
GLYPH_PIXELS: Final = 64
# Drawn larger, then shrunk.
OVERSAMPLING: Final = 2
WIDTHS: Final[Mapping[str, float]] = {
    "I": 0.55,
    "1": 0.75,
    "M": 1.3,
    "W": 1.35,
    "O": 1.05,
    "Q": 1.05,
    "J": 0.9,
    "L": 0.9,
}
# Their corners stay corners, however round the style.
ANGULAR: Final = "AEFHIKLMNTVWXYZ147"
# Draws one character: a mask cut to its ink, about GLYPH_PIXELS high.
Alphabet: TypeAlias = Callable[[str], Mask]
Points: TypeAlias = NDArray[np.float64]
FONT_SUFFIXES: Final = (".ttf", ".otf", ".woff")
UNFIT_FONTS: Final = (
    "Italic",
    "Oblique",
    "Math",
    "Symbol",
    "Emoji",
    "Thin",
    "ExtraLight",
    "Hairline",
)
SKELETONS: Final[Mapping[str, tuple[str, ...]]] = {
    "0": (
        "1,0 3,0 4,1 4,5 3,6 1,6 0,5 0,1 1,0",
        "0.6,0 3.4,0 4,0.6 4,5.4 3.4,6 0.6,6 0,5.4 0,0.6 0.6,0",
        "2,0 3.2,0.3 4,1.8 4,4.2 3.2,5.7 2,6 0.8,5.7 0,4.2 0,1.8 0.8,0.3 2,0",
        "1,0 3,0 4,1 4,5 3,6 1,6 0,5 0,1 1,0; 1.2,4.6 2.8,1.4",
    ),
    "1": (
        "2,0 2,6",
        "1.2,0.8 2,0 2,6",
        "0.8,1.3 2,0 2,6",
        "0.5,1.4 2,0 2,6; 0.6,6 3.4,6",
        "1.1,0.3 2,0 2,6; 1,6 3,6",
        "1,0.9 2.2,0 2.2,6",
    ),
    "2": (
        "0,0.8 0.4,0 3.6,0 4,0.6 4,1.4 0,5.6 0,6 4,6",
        "0,1.4 0.3,0.6 1.1,0 3,0 4,1 4,2.1 0,6 4,6",
        "0,1.2 1,0 3,0 4,1 4,2.2 3,3.2 1,4 0,5 0,6 4,6",
    ),
    "3": (
        "0,1 1,0 3,0 4,0.9 4,2.1 3,3 1.5,3 3,3 4,3.9 4,5.1 3,6 1,6 0,5",
        "0,0 4,0 1.8,2.4 3,2.4 4,3.4 4,5 3,6 1,6 0,5",
    ),
    "4": (
        "3,6 3,0 0,4.2 4.2,4.2",
        "0.8,0 0,4 4.2,4; 3,2 3,6",
        "2.3,0 0,4.4 4.2,4.4; 3,2.6 3,6",
    ),
    "5": (
        "3.8,0 0.3,0 0.1,2.8 1.2,2.2 3,2.2 4,3.2 4,4.8 3,6 1,6 0,5",
        "4,0 0,0 0,2.7 3,2.7 4,3.6 4,5 3,6 1,6 0,5",
    ),
    "6": (
        "3.9,1.1 3,0 1,0 0,1 0,5 1,6 3,6 4,5 4,3.6 3,2.7 1,2.7 0,3.5",
        "3.2,0 1.2,2.2 0,4.1 0,5 1,6 3,6 4,5 4,3.8 3,2.9 1.2,2.9 0,4",
    ),
    "7": (
        "0,0 4,0 1.3,6",
        "0,0 4,0 2.2,3 1.7,6",
        "0,0.8 0,0 4,0 1.5,6",
    ),
    "8": (
        (
            "1,3 0.3,2.2 0.3,0.8 1.1,0 2.9,0 3.7,0.8 3.7,2.2 3,3 1,3 0,3.9 0,5.1 1,6 3,6 4,5.1 "
            "4,3.9 3,3"
        ),
        (
            "0.7,3 0,2.2 0,0.8 0.9,0 3.1,0 4,0.8 4,2.2 3.3,3 0.7,3 0,3.8 0,5.2 0.9,6 3.1,6 4,5.2 "
            "4,3.8 3.3,3"
        ),
    ),
    "9": (
        "0.1,4.9 1,6 3,6 4,5 4,1 3,0 1,0 0,1 0,2.4 1,3.3 3,3.3 4,2.5",
        "0.8,6 2.8,3.8 4,1.9 4,1 3,0 1,0 0,1 0,2.2 1,3.1 2.8,3.1 4,2",
    ),
    "A": (
        "0,6 2,0 4,6; 0.7,4 3.3,4",
        "0,6 1.5,0 2.5,0 4,6; 0.6,4 3.4,4",
        "0,6 0,1.2 1.2,0 2.8,0 4,1.2 4,6; 0,3.6 4,3.6",
    ),
    "B": (
        "0,0 0,6; 0,0 2.8,0 3.7,0.8 3.7,2.2 2.8,3 0,3; 0,3 3,3 4,3.8 4,5.2 3,6 0,6",
        "0,0 0,6; 0,0 3,0 4,0.8 4,2.2 3.2,3 0,3; 0,3 3.2,3 4,3.8 4,5.2 3,6 0,6",
    ),
    "C": ("4,1.3 3.9,1 3,0 1,0 0,1 0,5 1,6 3,6 3.9,5 4,4.7",),
    "D": (
        "0,0 0,6; 0,0 2.6,0 4,1.3 4,4.7 2.6,6 0,6",
        "0,0 0,6; 0,0 3.2,0 4,0.8 4,5.2 3.2,6 0,6",
    ),
    "E": (
        "4,0 0,0 0,6 4,6; 0,3 3.2,3",
        "4,0 0,0 0,6 4,6; 0,3 4,3",
    ),
    "F": ("4,0 0,0 0,6; 0,3 3.2,3",),
    "G": (
        "4,1.3 3.9,1 3,0 1,0 0,1 0,5 1,6 3,6 3.9,5 4,4.7 4,3.2 2.4,3.2",
        "4,1.3 3.9,1 3,0 1,0 0,1 0,5 1,6 3,6 3.9,5 4,4.7 4,3.4 2.8,3.4; 4,3.4 4,6",
        "4,1.3 3,0 1,0 0,1 0,5 1,6 3,6 4,5 4,3 2,3",
    ),
    "H": ("0,0 0,6; 4,0 4,6; 0,3 4,3",),
    "I": (
        "2,0 2,6",
        "2,0 2,6; 0.9,0 3.1,0; 0.9,6 3.1,6",
    ),
    "J": (
        "4,0 4,4.7 3,6 1,6 0,4.8",
        "1.6,0 4,0 4,4.7 3,6 1,6 0,4.8",
        "3,0 3,5 2.2,6 0.6,6 0,5.2",
    ),
    "K": (
        "0,0 0,6; 4,0 0,3.6; 1.4,2.6 4,6",
        "0,0 0,6; 4,0 0.8,3 4,6; 0,3 0.8,3",
    ),
    "L": ("0,0 0,6 4,6",),
    "M": (
        "0,6 0,0 2,2.4 4,0 4,6",
        "0,6 0,0 2,3.6 4,0 4,6",
        "0,6 0,0 2,5.6 4,0 4,6",
        "0,6 0.6,0 2,4 3.4,0 4,6",
    ),
    "N": ("0,6 0,0 4,6 4,0",),
    "O": (
        "1,0 3,0 4,1 4,5 3,6 1,6 0,5 0,1 1,0",
        "0.6,0 3.4,0 4,0.6 4,5.4 3.4,6 0.6,6 0,5.4 0,0.6 0.6,0",
        "2,0 3.2,0.3 4,1.8 4,4.2 3.2,5.7 2,6 0.8,5.7 0,4.2 0,1.8 0.8,0.3 2,0",
    ),
    "P": ("0,0 0,6; 0,0 3,0 4,0.9 4,2.4 3,3.3 0,3.3",),
    "Q": (
        "1,0 3,0 4,1 4,5 3,6 1,6 0,5 0,1 1,0; 2.3,4.2 4.1,6.2",
        "1,0 3,0 4,1 4,5 3,6 1,6 0,5 0,1 1,0; 2,4.6 3.9,6",
        "1,0 3,0 4,1 4,5 3,6 1,6 0,5 0,1 1,0; 2,5.2 2,6.8",
        "1,0 3,0 4,1 4,5 3,6 1,6 0,5 0,1 1,0; 2.8,4.8 4.4,5.8",
    ),
    "R": (
        "0,0 0,6; 0,0 3,0 4,0.9 4,2.4 3,3.3 0,3.3; 1.8,3.3 4,6",
        "0,0 0,6; 0,0 3,0 4,0.9 4,2.4 3,3.3 0,3.3; 2.6,3.3 4,4.3 4,6",
    ),
    "S": ("4,1.3 3.8,0.8 3,0 1,0 0,1 0,2 1,2.9 3,3.1 4,4 4,5 3,6 1,6 0.2,5.2 0,4.7",),
    "T": ("0,0 4,0; 2,0 2,6",),
    "U": ("0,0 0,5 1,6 3,6 4,5 4,0",),
    "V": (
        "0,0 2,6 4,0",
        "0,0 1.6,6 2.4,6 4,0",
    ),
    "W": (
        "0,0 0,6 2,3.6 4,6 4,0",
        "0,0 1,6 2,1.5 3,6 4,0",
        "0,0 0,6 2,2.8 4,6 4,0",
        "0,0 0.6,6 2,2 3.4,6 4,0",
    ),
    "X": ("0,0 4,6; 4,0 0,6",),
    "Y": (
        "0,0 2,3.2 4,0; 2,3.2 2,6",
        "0,0 0,1.6 2,3.4 4,1.6 4,0; 2,3.4 2,6",
    ),
    "Z": ("0,0 4,0 0,6 4,6",),
}


def _strokes(skeleton: str) -> list[Points]:
    strokes = [stroke.split() for stroke in skeleton.split("; ")]
    return [np.array([point.split(",") for point in stroke], float) for stroke in strokes]


STROKES: Final = {
    character: tuple(_strokes(skeleton) for skeleton in skeletons)
    for character, skeletons in SKELETONS.items()
}


def stroke_alphabet(rng: np.random.Generator) -> Alphabet:
    """An alphabet of strokes in one style: width, weight, roundness, slant and forms.

    A character looks the same each time it is drawn from the same alphabet.
    """
    return _StrokeAlphabet(rng).draw


class _StrokeAlphabet:
    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._aspect = rng.uniform(0.36, 0.72)
        self._weight = rng.uniform(0.085, 0.19)
        self._rounds = pick(rng, (0, 1, 1, 2, 2, 2))
        self._slant = rng.normal(0, 0.03) if rng.random() < 0.8 else rng.uniform(-0.15, 0.15)
        self._is_monospaced = rng.random() < 0.45
        self._squeezes_wide = rng.random() < 0.6
        self._forms = {
            character: int(rng.integers(len(forms))) for character, forms in STROKES.items()
        }
        # Most alphabets have one form for both, and few a stroke through the zero.
        self._forms["0"] = 3 if rng.random() < 0.12 else self._forms["O"]
        # Often a bare stroke is 1, I or both: what stands beside it must tell.
        self._forms["1"] = 0 if rng.random() < 0.3 else int(rng.integers(1, 6))
        self._forms["I"] = int(rng.random() < 0.35)
        self._drawn: dict[str, Mask] = {}

    def draw(self, character: str) -> Mask:
        if character not in self._drawn:
            self._drawn[character] = self._draw(character)
        return self._drawn[character]

    def _draw(self, character: str) -> Mask:
        height = GLYPH_PIXELS * OVERSAMPLING
        is_even = self._is_monospaced and (
            character not in "IMW" or (character != "I" and self._squeezes_wide)
        )
        width = height * self._aspect * (1 if is_even else WIDTHS.get(character, 1))
        thick = max(2, int(height * self._weight * (0.8 if character in "MW" else 1)))
        slack = int(height * 0.2)
        image = np.zeros((int(height + 2 * thick), int(width + 2 * thick + 2 * slack)), np.uint8)
        rounds = 0 if character in ANGULAR else self._rounds
        for stroke in STROKES[character][self._forms[character]]:
            points = stroke + self._rng.normal(0, (0.05, 0.035), stroke.shape)
            if np.allclose(stroke[0], stroke[-1]):
                points[-1] = points[0]
            points = _rounded(points, rounds) * [(width - thick) / 4, (height - thick) / 6]
            points += [1.5 * thick + slack, 1.5 * thick]
            points[:, 0] += (height / 2 - points[:, 1]) * self._slant
            fixed = [np.round(points * 8).astype(np.int32)]
            cv2.polylines(image, fixed, False, 255, thick, cv2.LINE_AA, 3)
        return _shrunk(image)


def _rounded(points: Points, times: int) -> Points:
    """Cut the corners of a stroke `times` times (Chaikin); open ends stay where they are."""
    is_closed = bool(np.allclose(points[0], points[-1]))
    for _ in range(times):
        early = points[:-1] * 0.75 + points[1:] * 0.25
        late = points[:-1] * 0.25 + points[1:] * 0.75
        cut = np.stack([early, late], 1).reshape(-1, 2)
        points = np.vstack([cut, cut[:1]] if is_closed else [points[:1], cut[1:-1], points[-1:]])
    return points


def _shrunk(image: Mask) -> Mask:
    left, top, width, height = cv2.boundingRect((image > 60).astype(np.uint8))
    ink = image[top : top + height, left : left + width]
    size = (max(2, width // OVERSAMPLING), max(2, height // OVERSAMPLING))
    return np.asarray(cv2.resize(ink, size, interpolation=cv2.INTER_AREA), np.uint8)


def font_alphabet(path: Path) -> Alphabet:
    """The alphabet of a TrueType or OpenType font."""

    def draw(character: str) -> Mask:
        return font_text(path, character, GLYPH_PIXELS)

    return draw


@lru_cache(maxsize=20000)
def font_text(path: Path, text: str, pixels: int) -> Mask:
    """`text` set in a font of that size, cut to its ink; at least 1 pixel each way."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - plates can be drawn without fonts

    font = _font(path, pixels)
    left, top, right, bottom = font.getbbox(text)
    size = (max(1, int(right - left)), max(1, int(bottom - top)))
    image = Image.new("L", size, 0)
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font)
    return np.asarray(image, np.uint8)


@lru_cache(maxsize=500)
def _font(path: Path, pixels: int) -> "FreeTypeFont":
    from PIL import ImageFont  # noqa: PLC0415

    return ImageFont.truetype(str(path), pixels)


def fonts_in(folders: list[Path]) -> list[Path]:
    """The fonts below `folders` that hold plain upright letters, in a fixed order."""
    files = sorted(
        path for folder in folders for path in folder.rglob("*") if path.suffix in FONT_SUFFIXES
    )
    return [path for path in files if not any(word in path.name for word in UNFIT_FONTS)]
