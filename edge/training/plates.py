"""Licence plates, drawn: many countries' looks, none copied from a photo.

They teach the detector what a plate may look like and the reader what may stand on one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from training.glyphs import stroke_alphabet
from training.lettering import Sheet, in_strokes, write_number, write_small
from training.paint import (
    Box,
    Canvas,
    any_colour,
    as_scalar,
    draw_gradient,
    draw_hills,
    draw_icon,
    near,
    paste,
    pick,
    smooth_noise,
    weighted,
)
from training.texts import PlateText, Region, listed, plate_text

# American plates in a dealer's frame.
FRAME_SHARE: Final = 0.2
WHITE: Final = (238, 238, 236)
BLACK: Final = (28, 26, 26)
YELLOW: Final = (40, 195, 240)
BLUE: Final = (150, 60, 20)
GREEN: Final = (70, 110, 20)
RED: Final = (40, 35, 170)
SILVER: Final = (190, 185, 180)
NAVY: Final = (95, 40, 25)
# Paper, then ink, BGR.
Palette = dict[tuple[tuple[int, int, int], tuple[int, int, int]], float]
PALETTES: Final[dict[Region, Palette]] = {
    Region.AMERICAN: {
        (WHITE, NAVY): 5,
        (WHITE, BLACK): 5,
        (WHITE, GREEN): 2,
        (WHITE, RED): 2,
        ((235, 225, 200), NAVY): 2,
        ((150, 215, 235), (45, 40, 60)): 1,
        (YELLOW, NAVY): 0.6,
        (NAVY, WHITE): 1,
        (NAVY, YELLOW): 1,
        (BLACK, YELLOW): 0.5,
        (GREEN, WHITE): 0.8,
        (RED, WHITE): 0.4,
        (SILVER, BLUE): 0.6,
    },
    Region.EUROPEAN: {
        (WHITE, BLACK): 12,
        (YELLOW, BLACK): 2,
        (WHITE, BLUE): 0.5,
        (WHITE, RED): 0.7,
        (WHITE, GREEN): 0.5,
        (BLACK, WHITE): 0.6,
        (RED, WHITE): 0.2,
        (BLUE, WHITE): 0.2,
    },
    Region.BRITISH: {(YELLOW, BLACK): 6, (WHITE, BLACK): 4, (BLACK, SILVER): 0.6},
    Region.BRAZILIAN: {
        (SILVER, BLACK): 8,
        ((165, 165, 165), (45, 45, 45)): 3,
        (RED, WHITE): 1.5,
        (WHITE, RED): 0.3,
        (WHITE, BLACK): 1,
    },
    Region.MERCOSUR: {(WHITE, BLACK): 8, (WHITE, RED): 1, (WHITE, BLUE): 0.5, (WHITE, GREEN): 0.3},
    Region.ARGENTINE: {(BLACK, WHITE): 1},
    Region.ASIAN: {
        (WHITE, BLACK): 6,
        (YELLOW, BLACK): 3,
        (BLACK, WHITE): 1,
        (BLACK, YELLOW): 0.6,
        (GREEN, WHITE): 0.6,
        (BLUE, WHITE): 0.8,
        (RED, WHITE): 0.4,
        (WHITE, GREEN): 0.5,
    },
}
# Width by height, of plates in one row.
ASPECTS: Final = {
    Region.AMERICAN: (1.85, 2.15),
    Region.EUROPEAN: (3.7, 4.9),
    Region.BRITISH: (4.1, 4.9),
    Region.BRAZILIAN: (2.8, 3.3),
    Region.MERCOSUR: (2.9, 3.3),
    Region.ARGENTINE: (2.1, 2.6),
    Region.ASIAN: (2.5, 4.6),
}
TWO_ROW_ASPECT: Final = (1.2, 1.75)
NAMES: Final = listed(
    "TEXAS/CALIFORNIA/OHIO/NEVADA/FLORIDA/OREGON/KANSAS/UTAH/MAINE/GEORGIA/ALABAMA/MICHIGAN/"
    "WASHINGTON/ILLINOIS/ARIZONA/IOWA/IDAHO/INDIANA/MONTANA/VIRGINIA/VERMONT/WYOMING/ALASKA/"
    "NEW YORK/NEW JERSEY/ONTARIO/QUEBEC/ALBERTA/MARYLAND/DELAWARE/MISSOURI/KENTUCKY/ARKANSAS/"
    "TENNESSEE/OKLAHOMA/NEBRASKA/COLORADO/WISCONSIN/MINNESOTA/MEXICO/QUEENSLAND/VICTORIA"
)
SLOGANS: Final = listed(
    "SUNSHINE STATE/GARDEN STATE/EMPIRE STATE/GRAND CANYON STATE/LAND OF LINCOLN/FIRST IN FLIGHT/"
    "EVERGREEN STATE/THE LONE STAR STATE/VOLUNTEER STATE/LIVE FREE OR DIE/FAMOUS POTATOES/DMV.ORG/"
    "SPORTSMANS PARADISE/WILD WONDERFUL/THE NATURAL STATE/YOURS TO DISCOVER/JE ME SOUVIENS/"
    "GREAT LAKES/TEN THOUSAND LAKES/COUNTY/SHOW ME STATE/GOLDEN ANNIVERSARY/PEACH STATE"
)
TOWNS: Final = listed(
    "SP-SAO PAULO/RJ-RIO DE JANEIRO/PR-CURITIBA/MG-BELO HORIZONTE/BA-SALVADOR/PE-RECIFE/"
    "RS-PORTO ALEGRE/SC-FLORIANOPOLIS/DF-BRASILIA/GO-GOIANIA/CE-FORTALEZA/ES-VITORIA"
)
COUNTRIES: Final = listed("BRASIL/ARGENTINA/REPUBLICA ARGENTINA/URUGUAY/PARAGUAY/MERCOSUR")
MONTHS: Final = listed("JAN/FEB/MAR/APR/MAY/JUN/JUL/AUG/SEP/OCT/NOV/DEC")
YEARS: Final = listed("99/00/01/02/04/05/06/07/08/10/11/12/14/16/18/20/22/24/26/2004/2012/2016")
DEALERS: Final = listed("MOTORS/AUTOHAUS/CARS/CITY/DRIVE/GROUP/SALES/CENTER/TRUCKS/LEASING/COM")
SIGNS: Final = listed("D/F/I/E/NL/B/CZ/SK/PL/H/RO/A/GB/UK/P/S/DK/L/IND/BR/UA/TR")


@dataclass(frozen=True, slots=True)
class Plate:
    """A drawn plate, unworn: float32 BGR (height, width, 3), 0 to 255, 64 to 115 pixels high."""

    pixels: Canvas
    # A-Z and 0-9, the upper row first.
    text: str
    rows: int
    # The plate's own place in `pixels`, x0, y0, x1, y1: all of it unless a surround was asked for.
    box: tuple[int, int, int, int]
    # Where each row stands in `pixels`, from the top, and what it says.
    lines: tuple[tuple[Box, str], ...]


def draw_plate(
    rng: np.random.Generator, fonts: Sequence[Path] = (), *, surround: bool = False
) -> Plate:
    """A plate of some country; every choice is drawn from `rng`.

    Without `fonts` all characters are our own strokes. With `surround`, about half have a holder
    or a shadowed edge around them, outside `Plate.box`.
    """
    number = plate_text(rng)
    sheet = _blank(rng, number, fonts)
    TRIMMINGS[number.region](sheet)
    write_number(sheet)
    _border(sheet)
    _bolts(sheet)
    if number.region is Region.AMERICAN and rng.random() < FRAME_SHARE:
        _frame(sheet)
    _fade(sheet)
    pixels, box = sheet.canvas, (0, 0, sheet.width, sheet.height)
    lines = tuple(sheet.lines)
    if surround and rng.random() < 0.5:
        pixels, box = _surrounded(sheet)
        lines = tuple((_moved(line, box[0], box[1]), text) for line, text in lines)
    return Plate(np.clip(pixels, 0, 255), number.text, len(number.rows), box, lines)


def _moved(box: Box, right: float, down: float) -> Box:
    return box[0] + right, box[1] + down, box[2] + right, box[3] + down


def _blank(rng: np.random.Generator, number: PlateText, fonts: Sequence[Path]) -> Sheet:
    if len(number.rows) > 1:
        height, aspect = int(rng.integers(84, 101)), rng.uniform(*TWO_ROW_ASPECT)
    else:
        aspect = rng.uniform(*ASPECTS[number.region])
        if rng.random() < 0.12:
            aspect = rng.uniform(1.8, 4.9)
        height = int(np.clip(250 / aspect, 64, 100))
    paper, ink = weighted(rng, PALETTES[number.region])
    papers = near(rng, *paper)
    inks = near(rng, *ink)
    if rng.random() < 0.06:
        papers, inks = any_colour(rng, 130, 255), any_colour(rng, 0, 80)
        if rng.random() < 0.4:
            papers, inks = inks, papers
    canvas = np.tile(papers, (height, int(height * aspect), 1))
    box = (0.0, 0.0, float(canvas.shape[1]), float(height))
    return Sheet(rng, canvas, inks, number, fonts, box)


def _american(sheet: Sheet) -> None:
    rng, height, width = sheet.rng, sheet.height, sheet.width
    _scenery(sheet)
    top, bottom = rng.uniform(0.2, 0.32), rng.uniform(0.74, 0.88)
    left, right = 0.04, 0.96
    if rng.random() < 0.22:
        left = rng.uniform(0.16, 0.32)
        draw_icon(rng, sheet.canvas, (2, height * 0.22, width * left - 2, height * 0.8), sheet.ink)
    elif rng.random() < 0.15:
        right = 1 - rng.uniform(0.16, 0.3)
        draw_icon(
            rng,
            sheet.canvas,
            (width * right + 2, height * 0.22, width - 3, height * 0.8),
            sheet.ink,
        )
    sheet.box = (width * left, height * top, width * right, height * bottom)
    if rng.random() < 0.93:
        place = (rng.uniform(0.42, 0.58), top * 0.5)
        write_small(sheet, pick(rng, NAMES), place, top * rng.uniform(0.5, 0.8))
    if rng.random() < 0.7:
        place = (rng.uniform(0.42, 0.58), (1 + bottom) / 2)
        write_small(sheet, pick(rng, SLOGANS), place, (1 - bottom) * rng.uniform(0.45, 0.75))
    _stickers(sheet)


def _scenery(sheet: Sheet) -> None:
    """What a state prints behind its numbers."""
    rng, height, width = sheet.rng, sheet.height, sheet.width
    if rng.random() < 0.5:
        draw_gradient(rng, sheet.canvas)
    if rng.random() < 0.35:
        draw_hills(rng, sheet.canvas)
    if rng.random() < 0.25:
        _stripe(sheet)
    if rng.random() < 0.5:
        sheet.canvas += smooth_noise(rng, height, width, rng.uniform(3, 28))
    if rng.random() < 0.3:
        _watermark(sheet, (width * 0.28, height * 0.15, width * 0.72, height * 0.9))


def _european(sheet: Sheet) -> None:
    rng, height, width = sheet.rng, sheet.height, sheet.width
    left, right = 0.02 * width, 0.98 * width
    band = min(height * rng.uniform(0.32, 0.48), width * 0.2)
    if rng.random() < 0.7:
        _country_band(sheet, (0, band))
        left = band
    if rng.random() < 0.18:
        _country_band(sheet, (width - band, width))
        right = width - band
    sheet.box = (left, height * 0.05, right, height * 0.95)


def _british(sheet: Sheet) -> None:
    rng, height, width = sheet.rng, sheet.height, sheet.width
    _european(sheet)
    if rng.random() < 0.45:
        write_small(sheet, pick(rng, DEALERS), (0.5, 0.93), 0.06)
        left, top, right, _ = sheet.box
        sheet.box = (left, top, right, height * 0.9)
    if rng.random() < 0.2:
        sheet.canvas[:, : int(width * 0.05)] = near(rng, *pick(rng, (BLUE, GREEN)))


def _brazilian(sheet: Sheet) -> None:
    rng, height, width = sheet.rng, sheet.height, sheet.width
    top = rng.uniform(0.2, 0.3)
    write_small(sheet, pick(rng, TOWNS), (0.5, top * 0.55), top * rng.uniform(0.45, 0.7))
    sheet.box = (width * 0.04, height * top, width * 0.96, height * 0.95)


def _mercosur(sheet: Sheet) -> None:
    rng, height, width = sheet.rng, sheet.height, sheet.width
    top = rng.uniform(0.2, 0.3)
    sheet.canvas[: int(height * top)] = near(rng, *BLUE)
    write_small(
        sheet,
        pick(rng, COUNTRIES),
        (0.5, top * 0.5),
        top * rng.uniform(0.4, 0.65),
    )
    if rng.random() < 0.6:
        flag = (width * 0.88, height * 0.03, width * 0.98, height * top * 0.9)
        draw_icon(rng, sheet.canvas, flag)
    left = 0.04
    if rng.random() < 0.4:
        draw_icon(rng, sheet.canvas, (3, height * 0.4, width * 0.09, height * 0.6))
        left = 0.1
    sheet.box = (width * left, height * (top + 0.03), width * 0.96, height * 0.95)


def _argentine(sheet: Sheet) -> None:
    rng, height, width = sheet.rng, sheet.height, sheet.width
    top = rng.uniform(0.16, 0.26)
    if rng.random() < 0.7:
        sheet.canvas[: int(height * top)] = near(rng, *WHITE)
        write_small(sheet, "ARGENTINA", (0.5, top * 0.55), top * 0.6)
    sheet.box = (width * 0.04, height * top, width * 0.96, height * 0.94)


def _asian(sheet: Sheet) -> None:
    rng, height, width = sheet.rng, sheet.height, sheet.width
    left = 0.03 * width
    if rng.random() < 0.4:
        band = min(height * 0.4, width * 0.12)
        _country_band(sheet, (0, band))
        left = band
    sheet.box = (left, height * 0.07, width * 0.97, height * 0.93)
    if len(sheet.number.rows) == 1 and rng.random() < 0.2:
        write_small(sheet, pick(rng, NAMES), (0.5, 0.13), 0.14)
        sheet.box = (left, height * 0.22, width * 0.97, height * 0.95)


TRIMMINGS: Final[dict[Region, Callable[[Sheet], None]]] = {
    Region.AMERICAN: _american,
    Region.EUROPEAN: _european,
    Region.BRITISH: _british,
    Region.BRAZILIAN: _brazilian,
    Region.MERCOSUR: _mercosur,
    Region.ARGENTINE: _argentine,
    Region.ASIAN: _asian,
}


def _stripe(sheet: Sheet) -> None:
    """A band of colour along the upper edge, the lower, or both."""
    deep = int(sheet.height * sheet.rng.uniform(0.12, 0.28))
    colour = any_colour(sheet.rng, 0, 255)
    where = sheet.rng.integers(3)
    if where != 1:
        sheet.canvas[:deep] = colour
    if where != 0:
        sheet.canvas[-deep:] = colour


def _watermark(sheet: Sheet, box: Box) -> None:
    layer = sheet.canvas.copy()
    draw_icon(sheet.rng, layer, box)
    sheet.canvas += (layer - sheet.canvas) * float(sheet.rng.uniform(0.15, 0.5))


def _country_band(sheet: Sheet, span: tuple[float, float]) -> None:
    """A blue band across the plate with a circle of stars and the country's sign."""
    rng, height = sheet.rng, sheet.height
    first, last = int(span[0]), int(span[1])
    is_blue = rng.random() < 0.9
    sheet.canvas[:, first:last] = near(rng, *BLUE) if is_blue else any_colour(rng, 20, 200)
    middle, across = (first + last) / 2, last - first
    if rng.random() < 0.8:
        radius = across * rng.uniform(0.2, 0.34)
        colour = as_scalar(near(rng, *pick(rng, (YELLOW, WHITE))))
        for turn in np.arange(12) * np.pi / 6:
            place = (middle + radius * np.cos(turn), height * 0.28 + radius * np.sin(turn))
            cv2.circle(sheet.canvas, (int(place[0]), int(place[1])), 1, colour, -1)
    if rng.random() < 0.85:
        place = (middle / sheet.width, rng.uniform(0.68, 0.82))
        write_small(sheet, pick(rng, SIGNS), place, rng.uniform(0.14, 0.24))


def _stickers(sheet: Sheet) -> None:
    """Month and year stickers in the corners, above and below the number."""
    rng, height, width = sheet.rng, sheet.height, sheet.width
    for corner in rng.permutation(4)[: pick(rng, (0, 1, 1, 2, 2, 4))]:
        wide, high = width * rng.uniform(0.08, 0.17), height * rng.uniform(0.1, 0.24)
        x0 = width * 0.03 if corner % 2 == 0 else width * 0.97 - wide
        y0 = height * rng.uniform(0.02, 0.06) if corner < 2 else height * 0.97 - high
        colour = any_colour(rng, 20, 255)
        cv2.rectangle(
            sheet.canvas,
            (int(x0), int(y0)),
            (int(x0 + wide), int(y0 + high)),
            as_scalar(colour),
            -1,
        )
        text = pick(rng, MONTHS + YEARS)
        place = ((x0 + wide / 2) / width, (y0 + high / 2) / height)
        write_small(sheet, text, place, high / height * 0.6)


def _border(sheet: Sheet) -> None:
    rng = sheet.rng
    if rng.random() < 0.4:
        return
    colour = as_scalar(sheet.ink if rng.random() < 0.6 else any_colour(rng, 0, 255))
    inset = int(rng.integers(0, 4))
    corner = (sheet.width - 1 - inset, sheet.height - 1 - inset)
    cv2.rectangle(sheet.canvas, (inset, inset), corner, colour, int(rng.integers(1, 4)))


def _bolts(sheet: Sheet) -> None:
    rng, height, width = sheet.rng, sheet.height, sheet.width
    columns = pick(rng, ((0.15, 0.85), (0.22, 0.78), (0.05, 0.95), (0.5,)))
    rows = pick(rng, ((), (0.09,), (0.09, 0.92), (0.5,)))
    if rows == (0.5,) and columns != (0.05, 0.95):
        return
    colour = as_scalar(any_colour(rng, 0, 220))
    for row in rows:
        for column in columns:
            at = (int(column * width + rng.normal(0, 2)), int(row * height))
            cv2.circle(sheet.canvas, at, int(rng.integers(2, 5)), colour, -1)


def _frame(sheet: Sheet) -> None:
    """A dealer's frame over the edges of the plate, now and then over the feet of the number."""
    rng, height, width = sheet.rng, sheet.height, sheet.width
    colour = any_colour(rng, 0, 90) if rng.random() < 0.75 else any_colour(rng, 120, 250)
    side = max(2, int(height * rng.uniform(0.02, 0.06)))
    sheet.canvas[:, :side] = colour
    sheet.canvas[:, -side:] = colour
    feet = max(line[0][3] for line in sheet.lines)
    heads = min(line[0][1] for line in sheet.lines)
    below = max(height * rng.uniform(0.03, 0.2), (height - feet) * rng.uniform(0, 1.12))
    above = min(height * rng.uniform(0.02, 0.18), heads)
    sheet.canvas[: int(above)] = colour
    sheet.canvas[height - int(min(below, height * 0.3)) :] = colour
    for middle, deep in ((above / 2, above), (height - below / 2, below)):
        if rng.random() < 0.6:
            place = (rng.uniform(0.4, 0.6), middle / height)
            write_small(sheet, pick(rng, DEALERS), place, deep / height * 0.6)
    sheet.canvas[:, :1] *= 0.7
    sheet.canvas[:, width - 1 :] *= 0.7


def _fade(sheet: Sheet) -> None:
    """Bleach, let the light glare and shade an edge, as years and the sun do; in place."""
    rng, canvas = sheet.rng, sheet.canvas
    if rng.random() < 0.2:
        canvas += (canvas.mean(axis=(0, 1)) - canvas) * float(rng.uniform(0.05, 0.45))
    if rng.random() < 0.12:
        yy, xx = np.mgrid[: sheet.height, : sheet.width].astype(np.float32)
        x, y = rng.uniform(0, sheet.width), rng.uniform(0, sheet.height)
        reach = sheet.height * rng.uniform(0.3, 1.2)
        glare = np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * reach**2))[..., None]
        canvas += (255 - canvas) * glare * float(rng.uniform(0.2, 0.7))
    if rng.random() < 0.3:
        canvas[: max(1, sheet.height // 20)] *= float(rng.uniform(0.5, 0.9))


def _surrounded(sheet: Sheet) -> tuple[Canvas, tuple[int, int, int, int]]:
    """The plate in a holder, and the plate's own box in that picture."""
    rng, height, width = sheet.rng, sheet.height, sheet.width
    left, right = (int(height * rng.uniform(0.03, 0.12)) for _ in range(2))
    above, below = (int(height * rng.uniform(0.03, 0.2)) for _ in range(2))
    size = (height + above + below, width + left + right)
    colour = any_colour(rng, 0, 90) if rng.random() < 0.7 else any_colour(rng, 120, 235)
    holder = np.tile(colour, (*size, 1)) + smooth_noise(rng, *size, rng.uniform(0, 20))
    holder[above : above + height, left : left + width] = sheet.canvas
    if below > 6 and rng.random() < 0.6:
        words = in_strokes(stroke_alphabet(rng), f"{pick(rng, DEALERS)} {pick(rng, DEALERS)}")
        words = np.asarray(cv2.resize(words, (width // 2, below // 2 + 1)), np.uint8)
        light = any_colour(rng, 160, 255) if colour.mean() < 115 else any_colour(rng, 0, 80)
        paste(holder, words, (left + width // 4, above + height + below // 4), light, 1.0)
    return holder, (left, above, left + width, above + height)
