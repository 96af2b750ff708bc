"""Pictures with what was read drawn in; below the picture, so no text covers a plate."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from parkgraph.runtime.errors import RefusedError
from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.plates import PlateReading

MOST_TILES: Final = 16
MOST_CAPTIONED: Final = 3
ALONE_WIDTH: Final = 1280
TILE_WIDTH: Final = 480
TILE_HEIGHT: Final = 360
LINE_HEIGHT: Final = 26
GAP: Final = 6
FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
# BGR; told apart by most colour-blind people. Source: Okabe and Ito, 2008.
COLOURS: Final = ((66, 228, 240), (233, 180, 86), (167, 121, 204))
WHITE: Final = (255, 255, 255)


class Sheet:
    """Collects frames: those with a plate, up to 16; the first one when none has."""

    def __init__(self) -> None:
        self._alone: Pixels | None = None
        self._tiles: list[Pixels] = []
        self._added = 0

    @property
    def has_any(self) -> bool:
        """Whether any frame was added."""
        return self._alone is not None

    def add(self, pixels: Pixels, caption: str, readings: Sequence[PlateReading]) -> None:
        """Add a frame and what was read on it."""
        self._added += 1
        if self._alone is None:
            self._alone = _draw(pixels, caption, readings, ALONE_WIDTH, ALONE_WIDTH)
        if (readings or not self._tiles) and len(self._tiles) < MOST_TILES:
            self._tiles.append(_draw(pixels, caption, readings, TILE_WIDTH, TILE_HEIGHT))

    def write(self, path: Path) -> None:
        """Write the picture, or the sheet when frames were added more than once.

        Raises:
            RefusedError: `path` cannot be written.
        """
        picture = self._alone if self._added == 1 else _lay_out(self._tiles)
        try:
            is_written = picture is not None and cv2.imwrite(str(path), picture)
        except cv2.error as error:
            raise RefusedError(f"{path}: cannot be written; name a .png file") from error
        if not is_written:
            raise RefusedError(f"{path}: cannot be written; check the disk and who may write there")


def refuse_unwritable(path: Path) -> None:
    """Look before the work is done whether `path` can become a picture.

    Raises:
        RefusedError: it cannot.
    """
    if path.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        raise RefusedError(f"{path}: --show writes a picture; name a .png file")
    if not path.parent.is_dir():
        raise RefusedError(f"{path}: there is no folder {path.parent}; make it first")


def _draw(
    pixels: Pixels,
    caption: str,
    readings: Sequence[PlateReading],
    most_width: int,
    most_height: int,
) -> Pixels:
    """Scale a frame, frame its plates, and write below it what they say."""
    height, width = pixels.shape[:2]
    scale = min(most_width / width, most_height / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    inside = cv2.resize(
        pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    shown = list(zip(readings, COLOURS, strict=False))[:MOST_CAPTIONED]
    for reading, colour in shown:
        x0, y0, x1, y1 = (round(side * scale) for side in reading.box)
        cv2.rectangle(inside, (x0 - 2, y0 - 2), (x1 + 2, y1 + 2), colour, 2)
    lines = [(_shorten(caption), WHITE)]
    lines += [(f"{one.text}  {one.confidence:.2f}", colour) for one, colour in shown]
    below = np.zeros((LINE_HEIGHT * len(lines) + GAP, max(size[0], TILE_WIDTH), 3), np.uint8)
    for number, (text, colour) in enumerate(lines, start=1):
        place = (GAP, LINE_HEIGHT * number - GAP)
        cv2.putText(below, text, place, FONT, 0.6, colour, 1, cv2.LINE_AA)
    drawn = np.zeros((size[1] + below.shape[0], below.shape[1], 3), np.uint8)
    drawn[: size[1], : size[0]] = inside
    drawn[size[1] :] = below
    return drawn


def _lay_out(tiles: Sequence[Pixels]) -> Pixels:
    """Put the tiles in rows, as square as it gets."""
    columns = math.ceil(math.sqrt(len(tiles)))
    width = max(tile.shape[1] for tile in tiles) + GAP
    height = max(tile.shape[0] for tile in tiles) + GAP
    sheet = np.zeros((height * math.ceil(len(tiles) / columns), width * columns, 3), np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // columns * height, number % columns * width
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


def _shorten(caption: str) -> str:
    """Keep the end of a long caption, in letters that the font has."""
    plain = caption.encode("ascii", "replace").decode()
    return plain if len(plain) <= 42 else "..." + plain[-39:]
