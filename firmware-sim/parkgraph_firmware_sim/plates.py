"""Number plates as pictures: what is riveted to a car, seen from straight ahead."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_firmware_sim.cars import Style
from parkgraph_firmware_sim.glyphs import STROKES

Picture = NDArray[np.uint8]
PIXELS_PER_MM: Final = 2
SUBPIXEL_BITS: Final = 4
INK: Final = (34, 28, 26)


def as_picture(picture: NDArray[Any]) -> Picture:
    """`picture`, which OpenCV types more widely than it is."""
    return np.asarray(picture, np.uint8)


@dataclass(frozen=True, slots=True)
class Format:
    """Sizes of a kind of plate, in millimetres."""

    width: int
    height: int
    letter_height: int
    letter_width: int
    stroke: int
    gap: int
    left: int
    """What is not for letters: the blue band of an EU plate."""


FORMATS: Final[Mapping[Style, Format]] = {
    "eu": Format(520, 113, letter_height=68, letter_width=38, stroke=10, gap=19, left=44),
    "us": Format(360, 180, letter_height=82, letter_width=31, stroke=8, gap=17, left=0),
}


def plate(text: str, style: Style, *, look: int) -> Picture:
    """Draw the plate `text`: BGR, uint8, `PIXELS_PER_MM` pixels a millimetre of its format."""
    form = FORMATS[style]
    picture = _blank(form, style)
    _letter(picture, text, form, shift=(2, 3), colour=(250, 250, 250))
    _letter(picture, text, form, shift=(0, 0), colour=INK)
    chance = random.Random(look)
    for _ in range(60):
        _fleck(picture, chance)
    return picture


def with_mud(picture: Picture, *, look: int) -> Picture:
    """Return `picture` with mud over most of it: nobody can read it any more."""
    grain = np.random.default_rng(look).random((6, 14), dtype=np.float32)
    height, width = picture.shape[:2]
    cover = cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)
    share = np.clip((cover - 0.18) * 6, 0.0, 0.96)[..., None]
    mud = np.array((46, 66, 84), np.float32) * (0.8 + 0.4 * cover[..., None])
    return np.asarray(picture * (1 - share) + mud * share).astype(np.uint8)


def _blank(form: Format, style: Style) -> Picture:
    width, height = form.width * PIXELS_PER_MM, form.height * PIXELS_PER_MM
    picture = np.full((height, width, 3), (236, 240, 240), np.uint8)
    if style == "eu":
        band = form.left * PIXELS_PER_MM
        picture[:, :band] = (140, 52, 12)
        for star in range(12):
            turn = star * np.pi / 6
            at = (band * 0.5 + 24 * np.sin(turn), height * 0.36 - 24 * np.cos(turn))
            cv2.circle(picture, (round(at[0]), round(at[1])), 4, (40, 205, 250), -1, cv2.LINE_AA)
        _frame(picture, INK, inset=4, thickness=5)
        return picture
    fade = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky, ground = np.array((236, 222, 204)), np.array((238, 242, 242))
    picture[:] = (sky * (1 - fade) + ground * fade).astype(np.uint8)
    for x in (0.18, 0.82):
        for y in (0.1, 0.9):
            at = (round(width * x), round(height * y))
            cv2.circle(picture, at, 9, (120, 120, 118), -1, cv2.LINE_AA)
    _frame(picture, (120, 70, 40), inset=6, thickness=6)
    return picture


def _frame(picture: Picture, colour: tuple[int, int, int], *, inset: int, thickness: int) -> None:
    height, width = picture.shape[:2]
    end = (width - inset, height - inset)
    cv2.rectangle(picture, (inset, inset), end, colour, thickness, cv2.LINE_AA)


def _letter(
    picture: Picture,
    text: str,
    form: Format,
    *,
    shift: tuple[int, int],
    colour: tuple[int, int, int],
) -> None:
    """Write `text` centred, narrower if it would not fit."""
    room = form.width - form.left - 2 * form.gap
    advance = min(form.letter_width + form.gap, (room + form.gap) / len(text))
    wide = form.letter_width * advance / (form.letter_width + form.gap)
    begin = form.left + (form.width - form.left - advance * len(text) + advance - wide) / 2
    top = (form.height - form.letter_height) / 2
    scale = PIXELS_PER_MM * (1 << SUBPIXEL_BITS)
    for place, character in enumerate(text):
        for stroke in STROKES[character]:
            points = np.array(stroke) * (wide, form.letter_height)
            points = (points + np.array((begin + place * advance, top))) * scale
            points += np.array(shift) * (1 << SUBPIXEL_BITS)
            cv2.polylines(
                picture,
                [points.round().astype(np.int32)],
                isClosed=False,
                color=colour,
                thickness=form.stroke * PIXELS_PER_MM,
                lineType=cv2.LINE_AA,
                shift=SUBPIXEL_BITS,
            )


def _fleck(picture: Picture, chance: random.Random) -> None:
    height, width = picture.shape[:2]
    at = (chance.randrange(width), round(height * chance.random() ** 0.5))
    grey = chance.randrange(120, 200)
    cv2.circle(picture, at, chance.randrange(1, 3), (grey - 20, grey - 8, grey), -1, cv2.LINE_AA)
