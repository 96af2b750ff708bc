"""What is written on a drawn plate: the number, its separators, names and slogans."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from training.glyphs import (
    ALPHABET,
    GLYPH_PIXELS,
    Alphabet,
    font_alphabet,
    font_text,
    stroke_alphabet,
)
from training.paint import (
    Box,
    Canvas,
    Colour,
    Mask,
    any_colour,
    as_scalar,
    draw_icon,
    paste,
    pick,
    weighted,
)
from training.texts import PlateText, Region

# Own strokes this often where there are fonts, else always.
STROKE_SHARE: Final = 0.65
# Brighter than this counts as light, by the mean of 0 to 255.
LIGHT: Final = 115
SMALLEST_TEXT: Final = 3
# Characters are not squeezed further than this; they become lower instead.
NARROWEST: Final = 0.6
PLAIN_SEPARATORS: Final = {"": 5, "-": 2, ".": 1, "seal": 0.3, "icon": 0.1}
SEPARATORS: Final = {
    **dict.fromkeys(Region, PLAIN_SEPARATORS),
    Region.AMERICAN: {"": 5, "-": 2, ".": 1, "seal": 0.5, "icon": 2.5},
    Region.EUROPEAN: {"": 5, "-": 2, ".": 1, "seal": 3.5, "icon": 0.3},
}


@dataclass(slots=True)
class Sheet:
    """A plate being drawn: `box` is what is left of it for the number."""

    rng: np.random.Generator
    canvas: Canvas
    ink: Colour
    number: PlateText
    fonts: Sequence[Path]
    box: Box
    lines: list[tuple[Box, str]] = field(default_factory=list)

    @property
    def height(self) -> int:
        return int(self.canvas.shape[0])

    @property
    def width(self) -> int:
        return int(self.canvas.shape[1])


def write_small(sheet: Sheet, text: str, centre: tuple[float, float], size: float) -> None:
    """Write `text` around `centre`, `size` high, both as shares of the plate."""
    rng = sheet.rng
    pixels = int(size * sheet.height)
    if pixels < SMALLEST_TEXT:
        return
    if sheet.fonts and rng.random() < 0.75:
        words = text.title() if rng.random() < 0.4 else text
        mask = font_text(pick(rng, sheet.fonts), words, 28)
    else:
        mask = in_strokes(stroke_alphabet(rng), text)
    wide = mask.shape[1] * pixels / mask.shape[0] * rng.uniform(0.8, 1.3)
    wide = max(3, int(min(wide, sheet.width * 0.92)))
    ink = np.asarray(cv2.resize(mask, (wide, pixels), interpolation=cv2.INTER_AREA), np.uint8)
    left = max(0, int(centre[0] * sheet.width - wide / 2))
    top = max(0, int(centre[1] * sheet.height - pixels / 2))
    is_light = float(sheet.canvas[top : top + pixels, left : left + wide].mean()) > LIGHT
    colour = any_colour(rng, 0, 110) if is_light else any_colour(rng, 170, 255)
    if rng.random() < 0.4 and is_light == (float(sheet.ink.mean()) < LIGHT):
        colour = sheet.ink
    paste(sheet.canvas, ink, (left, top), colour, float(rng.uniform(0.6, 1)))


def in_strokes(alphabet: Alphabet, text: str) -> Mask:
    """`text` in one line, GLYPH_PIXELS high; what the alphabet lacks becomes a blank."""
    space = np.zeros((GLYPH_PIXELS, 12), np.uint8)
    pieces = []
    for character in text:
        if character not in ALPHABET:
            pieces += [space, space]
            continue
        glyph = alphabet(character)
        wide = max(2, glyph.shape[1])
        pieces += [np.asarray(cv2.resize(glyph, (wide, GLYPH_PIXELS)), np.uint8), space]
    return np.hstack(pieces)


def write_number(sheet: Sheet) -> None:
    """Write the number into what is left of the plate, and note where its lines stand."""
    rng = sheet.rng
    own = not sheet.fonts or rng.random() < STROKE_SHARE
    alphabet = stroke_alphabet(rng) if own else font_alphabet(pick(rng, sheet.fonts))
    left, top, right, bottom = sheet.box
    rows = sheet.number.rows
    share = rng.uniform(0.72, 0.97) if len(rows) == 1 else rng.uniform(0.8, 0.94)
    if sheet.number.region in {Region.EUROPEAN, Region.BRITISH, Region.ASIAN}:
        share *= 0.86
    weights = np.ones(len(rows)) if rng.random() < 0.7 else rng.uniform(0.7, 1.3, len(rows))
    edges = top + (bottom - top) * np.concatenate([[0], np.cumsum(weights) / weights.sum()])
    for row, first, last in zip(rows, edges, edges[1:], strict=False):
        slack = (last - first) * (1 - share) / 2
        _write_row(sheet, alphabet, row, (left, first + slack, right, last - slack))


@dataclass(frozen=True, slots=True)
class _Spacing:
    """How characters stand in a row, in heights of a character."""

    gap: float
    between_groups: float
    cell: float  # 0: each as wide as it is


def _write_row(sheet: Sheet, alphabet: Alphabet, groups: Sequence[str], box: Box) -> None:
    """Write `groups` into the middle of `box`, as large as fits, and note where they stand."""
    rng = sheet.rng
    glyphs = [[alphabet(character) for character in group] for group in groups]
    tall = float(np.median([glyph.shape[0] for group in glyphs for glyph in group]))
    widths = [glyph.shape[1] / tall for group in glyphs for glyph in group]
    cell = max(float(np.median(widths)), 0.45) if rng.random() < 0.4 else 0.0
    spacing = _Spacing(rng.uniform(0.06, 0.24), rng.uniform(0.2, 0.7), cell)
    length = sum((cell or wide) + spacing.gap for wide in widths)
    length += spacing.between_groups * (len(groups) - 1)
    room = (box[2] - box[0]) * rng.uniform(0.84, 0.97)
    height = box[3] - box[1]
    stretch = min(room / (length * height), rng.uniform(0.75, 1.25))
    if stretch < NARROWEST:
        height *= max(0.55, stretch / NARROWEST)
        stretch = room / (length * height)
    unit = height * stretch
    top = (box[1] + box[3] - height) / 2
    start = x = (box[0] + box[2] - length * unit) / 2 + rng.uniform(-0.02, 0.02) * room
    sign = weighted(rng, SEPARATORS[sheet.number.region])
    shadow = 0.6 if rng.random() < 0.35 else 0.0
    for place, group in enumerate(glyphs):
        if place:
            wide = spacing.between_groups * unit
            _separator(sheet, sign, (x, top, x + wide, top + height))
            x += wide
        for glyph in group:
            advance = (spacing.cell or glyph.shape[1] / tall) + spacing.gap
            size = (max(2, int(glyph.shape[1] / tall * unit)), int(height * glyph.shape[0] / tall))
            middle = (x + advance * unit / 2, top + height / 2)
            _stamp(sheet, glyph, (size[0], max(4, size[1])), middle, shadow)
            x += advance * unit
    sheet.lines.append(((start, top, x, top + height), "".join(groups)))


def _stamp(
    sheet: Sheet,
    glyph: Mask,
    size: tuple[int, int],
    middle: tuple[float, float],
    shadow: float,
) -> None:
    """Put one character around `middle`; embossed ones have a darker edge below."""
    ink = np.asarray(cv2.resize(glyph, size, interpolation=cv2.INTER_AREA), np.uint8)
    at = (int(middle[0] - size[0] / 2), int(middle[1] - size[1] / 2))
    if shadow:
        paste(sheet.canvas, ink, (at[0] + 1, at[1] + 1), sheet.ink * 0.6, shadow)
    paste(sheet.canvas, ink, at, sheet.ink, 1.0)


def _separator(sheet: Sheet, sign: str, box: Box) -> None:
    """Draw what stands between two groups: nothing, a hyphen, a dot, seals or a small picture."""
    rng = sheet.rng
    high = box[3] - box[1]
    x, y = int((box[0] + box[2]) / 2), int((box[1] + box[3]) / 2)
    ink = as_scalar(sheet.ink)
    if sign == "-":
        half = max(1, int(min(high * 0.12, (box[2] - box[0]) * 0.35)))
        cv2.rectangle(sheet.canvas, (x - half, y - 2), (x + half, y + 2), ink, -1)
    elif sign == ".":
        cv2.circle(sheet.canvas, (x, y), max(1, int(high * 0.07)), ink, -1)
    elif sign == "seal":
        radius = max(2, int(min(high * rng.uniform(0.1, 0.2), (box[2] - box[0]) * 0.45)))
        for shift in pick(rng, ((0.0,), (-0.25, 0.25))):
            colour = as_scalar(any_colour(rng, 0, 255))
            cv2.circle(sheet.canvas, (x, int(y + shift * high)), radius, colour, -1)
            inner = radius * 0.7
            top = y + shift * high
            draw_icon(rng, sheet.canvas, (x - inner, top - inner, x + inner, top + inner))
    elif sign == "icon":
        space = (box[0] + 1, y - high * 0.4, box[2] - 1, y + high * 0.4)
        draw_icon(rng, sheet.canvas, space, sheet.ink)
