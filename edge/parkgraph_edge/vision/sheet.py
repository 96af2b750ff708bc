"""Sheets of many frames: what was read, and what was read worst."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parkgraph.runtime.errors import RefusedError
from parkgraph_edge.vision.drawing import (
    BOLD,
    DOUBTFUL,
    FAINT,
    INK,
    REJECTED,
    SURE,
    WHITE,
    WRONG,
    Colour,
    annotated,
    blank,
    colour_of,
    fitted,
    put,
    save,
    shortened,
    write,
)
from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.labels import Judged
from parkgraph_edge.vision.plates import PlateReading, Rejected, Rejection
from parkgraph_edge.vision.report import REASONS, Seen, caption, told

MOST_TILES: Final = 16
MOST_WORST: Final = 30
ALONE_WIDTH: Final = 1280
TILE: Final = (480, 320)
CROP: Final = (300, 110)
GAP: Final = 14
SMALL: Final = 13
LARGE: Final = 24
# What a picture lies on where it does not fill its place, BGR.
MAT: Final[Colour] = (58, 54, 50)
# Around a plate, as shares of its width and height.
AROUND: Final = (0.15, 0.35)
PICTURES: Final = frozenset({".png", ".jpg", ".jpeg"})


class Sheet:
    """Collects frames: those with a plate, up to 16; the first one when none has.

    Of a car that stays in the picture of a video or a camera only the surest frame is kept.
    """

    def __init__(self) -> None:
        self._alone: Pixels | None = None
        self._tiles: list[Pixels] = []
        self._added = 0
        self._last: tuple[str, str, float] | None = None

    def add(self, seen: Seen) -> None:
        """Add a frame and what was read on it."""
        self._added += 1
        if self._alone is None:
            self._alone = _tile(seen, (ALONE_WIDTH, ALONE_WIDTH))
        if seen.looked.readings and seen.frame.at_seconds is not None:
            best = seen.looked.readings[0]
            before, self._last = self._last, (seen.name, best.text, best.confidence)
            if before is not None and before[:2] == self._last[:2]:
                self._last = max(before, self._last)
                if self._last != before and len(self._tiles) < MOST_TILES:
                    self._tiles[-1] = _tile(seen, TILE)
                return
        if (seen.looked.readings or not self._tiles) and len(self._tiles) < MOST_TILES:
            self._tiles.append(_tile(seen, TILE))

    def write(self, path: Path) -> None:
        """Write the picture, or the sheet when frames were added more than once.

        Raises:
            RefusedError: `path` cannot be written.
        """
        if self._alone is not None:
            save(path, self._alone if self._added == 1 else laid_out(self._tiles))


@dataclass(frozen=True, slots=True)
class Bad:
    """One entry of the sheet of the worst; the smallest `rank` first."""

    rank: tuple[int, float]
    tile: Pixels


class Worst:
    """Collects what was read worst.

    First plates whose label says otherwise, the surest mistake first; then what was rejected and
    the least sure readings.
    """

    def __init__(self) -> None:
        self._bad: list[Bad] = []

    def add(self, seen: Seen) -> None:
        """Look at a frame for what belongs on the sheet."""
        for rank, box, lines in _doubts(seen):
            if len(self._bad) < MOST_WORST or rank < self._bad[-1].rank:
                self._bad.append(Bad(rank, _crop_tile(seen, box, lines)))
                self._bad.sort(key=lambda one: one.rank)
                del self._bad[MOST_WORST:]

    def write(self, path: Path) -> None:
        """Write the sheet.

        Raises:
            RefusedError: `path` cannot be written, or there is nothing to show.
        """
        if not self._bad:
            raise RefusedError(f"{path}: not written, as no plate was found; check the sources")
        save(path, laid_out([one.tile for one in self._bad], proportions=1.4))


Line = Sequence[tuple[str, Colour]]
Box = tuple[float, float, float, float]


def refuse_unwritable(path: Path, option: str) -> None:
    """Look before the work is done whether `path` can become a picture.

    Raises:
        RefusedError: it cannot.
    """
    if path.suffix.lower() not in PICTURES:
        raise RefusedError(f"{path}: {option} writes a picture; name a .png file")
    if not path.parent.is_dir():
        raise RefusedError(f"{path}: there is no folder {path.parent}; make it first")


def laid_out(tiles: Sequence[Pixels], *, proportions: float = 1.0) -> Pixels:
    """Put the tiles in rows, so that the sheet comes nearest to `proportions`, width to height."""
    width = max(tile.shape[1] for tile in tiles) + GAP
    height = max(tile.shape[0] for tile in tiles) + GAP
    columns = min(
        range(1, len(tiles) + 1),
        key=lambda n: abs(math.log(n * width / (math.ceil(len(tiles) / n) * height) / proportions)),
    )
    sheet = blank(width * columns + GAP, height * math.ceil(len(tiles) / columns) + GAP)
    for number, tile in enumerate(tiles):
        put(sheet, tile, GAP + number % columns * width, GAP + number // columns * height)
    return sheet


def _tile(seen: Seen, size: tuple[int, int]) -> Pixels:
    """Draw a frame; below it its best plates again, enlarged, with what they say."""
    above = annotated(seen.frame.pixels, seen.looked, seen.judged, size=size)
    width, top = (max(side, least) for side, least in zip(above.shape[1::-1], TILE, strict=True))
    tile = blank(width, top + 92, WHITE)
    tile[:top] = MAT
    put(tile, above, (width - above.shape[1]) // 2, (top - above.shape[0]) // 2)
    misread = {one.text for one in seen.judged or () if one.label.text and not one.is_exact}
    x = 10
    for one in told(seen.looked.readings)[:2]:
        crop = fitted(_around(seen.frame.pixels, one.box, (0.02, 0.05)), 150, 50)
        if x + crop.shape[1] + 170 > width:
            break
        put(tile, crop, x, top + 8)
        x += crop.shape[1] + 10
        colour = WRONG if one.text in misread else colour_of(one.confidence)
        write(tile, one.text, (x, top + 32), colour, size=LARGE, weight=BOLD)
        write(tile, f"{one.confidence:.2f} sure", (x, top + 54), FAINT, size=SMALL)
        x += 150
    if not seen.looked.readings:
        says = ", ".join(REASONS[one.reason] for one in seen.looked.rejected[:3]) or "no plate"
        write(tile, says, (x, top + 38), FAINT, size=LARGE, weight=BOLD)
    name = shortened(caption(seen.frame, seen.name), width - 20, SMALL)
    write(tile, name, (10, top + 82), FAINT, size=SMALL)
    return tile


def _doubts(seen: Seen) -> Iterator[tuple[tuple[int, float], Box, Sequence[Line]]]:
    """Yield what of a frame may belong on the sheet: how bad it is, where, and what to say."""
    readings = {one.text: one for one in seen.looked.readings}
    if seen.judged is not None:
        for judged in seen.judged:
            if judged.label.text:
                yield _misread(judged, readings.get(judged.text), seen)
        return
    for rejected in seen.looked.rejected:
        # What is too small says the least about the reader.
        rank = (1, 0.5 if rejected.reason is Rejection.TOO_SMALL else 0.0)
        yield rank, rejected.box, [[(REASONS[rejected.reason], REJECTED)], []]
    for one in told(seen.looked.readings):
        sure = [(f"{one.confidence:.2f} sure", FAINT)]
        yield (1, one.confidence), one.box, [_letters(one), sure]


def _misread(
    judged: Judged, reading: PlateReading | None, seen: Seen
) -> tuple[tuple[int, float], Box, Sequence[Line]]:
    if judged.is_exact and reading:
        sure = [(f"{reading.confidence:.2f} sure, right", SURE)]
        return (2, reading.confidence), reading.box, [_letters(reading), sure]
    box = reading.box if reading and judged.overlap else judged.label.box
    should = (f"is {judged.label.text}", WRONG)
    if reading:
        differing = _against(reading.text, judged.label.text)
        below = [should, (f"    {judged.confidence:.2f} sure", FAINT)]
        # One that differs in what many plates print alike comes after the others.
        return (0, judged.is_folded - judged.confidence), box, [differing, below]
    near = [one for one in seen.looked.rejected if _overlaps(one, judged.label.box)]
    why = REASONS[near[0].reason] if near else "not found"
    return (0, 2.0), box, [[(why, REJECTED)], [should]]


def _letters(reading: PlateReading) -> Line:
    """Colour each character by how sure it is."""
    chances = zip(reading.text, reading.characters, strict=True)
    return [(text, INK if chance >= 0.9 else DOUBTFUL) for text, chance in chances]


def _against(text: str, right: str) -> Line:
    """Colour the characters that are wrong; all of them where the length is."""
    if len(text) != len(right):
        return [(text, WRONG)]
    return [(a, INK if a == b else WRONG) for a, b in zip(text, right, strict=True)]


def _overlaps(one: Rejected, box: Box) -> bool:
    return (
        one.box[0] < box[2] and box[0] < one.box[2] and one.box[1] < box[3] and box[1] < one.box[3]
    )


def _crop_tile(seen: Seen, box: Box, lines: Sequence[Line]) -> Pixels:
    tile = blank(CROP[0], CROP[1] + 88, WHITE)
    tile[: CROP[1]] = MAT
    crop = fitted(_around(seen.frame.pixels, box, AROUND), *CROP)
    put(tile, crop, (CROP[0] - crop.shape[1]) // 2, (CROP[1] - crop.shape[0]) // 2)
    for number, (line, size) in enumerate(zip(lines, (LARGE, 15), strict=True)):
        x = 10
        for text, colour in line:
            weight = BOLD if size == LARGE else 400
            x = write(tile, text, (x, CROP[1] + 32 + 24 * number), colour, size=size, weight=weight)
    name = shortened(caption(seen.frame, seen.name), CROP[0] - 20, SMALL)
    write(tile, name, (10, CROP[1] + 79), FAINT, size=SMALL)
    return tile


def _around(pixels: Pixels, box: Box, air: tuple[float, float]) -> Pixels:
    """Cut out `box` with some of what is around it; at least one pixel."""
    height, width = pixels.shape[:2]
    aside, above = air[0] * (box[2] - box[0]), air[1] * (box[3] - box[1])
    x0 = min(max(0, int(box[0] - aside)), width - 1)
    y0 = min(max(0, int(box[1] - above)), height - 1)
    x1, y1 = max(x0 + 1, int(box[2] + aside)), max(y0 + 1, int(box[3] + above))
    return pixels[y0:y1, x0:x1]
