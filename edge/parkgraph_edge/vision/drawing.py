"""Text and frames on pictures, in one set of colours. OpenCV brings the font."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from parkgraph.runtime.errors import RefusedError
from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.labels import Judged
from parkgraph_edge.vision.plates import Looked
from parkgraph_edge.vision.report import REASONS, told

Colour = tuple[int, int, int]

# BGR; told apart by most colour-blind people. Source: Okabe and Ito, 2008.
SURE: Final[Colour] = (115, 158, 0)
DOUBTFUL: Final[Colour] = (0, 159, 230)
WRONG: Final[Colour] = (0, 94, 213)
REJECTED: Final[Colour] = (150, 150, 150)
PAPER: Final[Colour] = (250, 250, 250)
INK: Final[Colour] = (30, 26, 24)
FAINT: Final[Colour] = (125, 118, 112)
WHITE: Final[Colour] = (255, 255, 255)
SURE_FROM: Final = 0.9
BOLD: Final = 700
_FONT: Final = cv2.FontFace("sans")


def blank(width: int, height: int, colour: Colour = PAPER) -> Pixels:
    """Return an empty picture."""
    return np.full((height, width, 3), colour, np.uint8)


def text_width(text: str, size: int, weight: int = 400) -> int:
    """Return how many pixels wide `text` will be."""
    return int(cv2.getTextSize((0, 0), text, (0, 0), _FONT, size, weight)[2])


def write(
    picture: Pixels,
    text: str,
    place: tuple[int, int],
    colour: Colour = INK,
    *,
    size: int = 15,
    weight: int = 400,
) -> int:
    """Write `text` from `place`, its baseline's left end, and return where it ends."""
    cv2.putText(picture, text, place, colour, _FONT, size, weight)
    return place[0] + text_width(text, size, weight)


def shortened(text: str, width: int, size: int) -> str:
    """Keep the end of a text that is too long for `width` pixels."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(f"…{text}", size) > width:
        text = text[1:]
    return f"…{text}"


def fitted(picture: Pixels, width: int, height: int, *, most: float = 8.0) -> Pixels:
    """Scale `picture` to fit into a size, enlarged by no more than `most`."""
    scale = min(width / picture.shape[1], height / picture.shape[0], most)
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, size, interpolation=how).astype(np.uint8, copy=False)


def put(picture: Pixels, part: Pixels, x: int, y: int) -> None:
    """Lay `part` into `picture`, its top left corner at `x` and `y`."""
    picture[y : y + part.shape[0], x : x + part.shape[1]] = part


def colour_of(confidence: float) -> Colour:
    """Say by colour how sure a reading is."""
    return SURE if confidence >= SURE_FROM else DOUBTFUL


def annotated(
    pixels: Pixels,
    looked: Looked,
    judged: Sequence[Judged] | None = None,
    *,
    size: tuple[int, int] | None = None,
) -> Pixels:
    """Return a frame, fitted into `size`, with each plate framed and what it says beside it."""
    width, height = size or (pixels.shape[1], pixels.shape[0])
    drawn = fitted(pixels, width, height) if size else pixels.copy()
    scale = drawn.shape[1] / pixels.shape[1]
    letters = max(13, round(drawn.shape[1] / 48))
    misread = {one.text for one in judged or () if one.label.text and not one.is_exact}
    for rejected in looked.rejected:
        _tag(drawn, rejected.box, scale, REASONS[rejected.reason], REJECTED, letters * 3 // 4)
    for one in reversed(told(looked.readings)):
        colour = WRONG if one.text in misread else colour_of(one.confidence)
        _tag(drawn, one.box, scale, f"{one.text}  {one.confidence:.2f}", colour, letters)
    for missed in judged or ():
        if missed.label.text and not missed.is_exact:
            # Below its plate, where a reading's own tag is not.
            box, says = missed.label.box, f"is {missed.label.text}"
            _tag(drawn, box, scale, says, WRONG, letters, is_below=True)
    return drawn


def save(path: Path, picture: Pixels) -> None:
    """Write `picture`.

    Raises:
        RefusedError: `path` cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_written = cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    except (cv2.error, OSError) as error:
        raise RefusedError(f"{path}: cannot be written: {error}; name a .png file") from error
    if not is_written:
        raise RefusedError(f"{path}: cannot be written; check the disk and who may write there")


def _tag(  # noqa: PLR0913 - a drawing has an argument for each thing that is seen
    picture: Pixels,
    box: tuple[float, float, float, float],
    scale: float,
    text: str,
    colour: Colour,
    size: int,
    *,
    is_below: bool = False,
) -> None:
    """Frame `box` and write `text` on a patch above it; below where there is no room."""
    height, width = picture.shape[:2]
    thick = max(2, size // 9)
    x0, y0, x1, y1 = (round(side * scale) for side in box)
    if not is_below:
        corner, other = (x0 - thick, y0 - thick), (x1 + thick, y1 + thick)
        cv2.rectangle(picture, corner, other, colour, thick, cv2.LINE_AA)
    air = size // 3
    across, down = text_width(text, size, BOLD) + 2 * air, size + 2 * air
    left = max(0, min(x0 - thick - thick // 2, width - across))
    top = y0 - thick - down
    if is_below or top < 0:
        top = min(y1 + thick, height - down)
    cv2.rectangle(picture, (left, top), (left + across, top + down), colour, cv2.FILLED)
    write(
        picture,
        text,
        (left + air, top + down - air - size // 8),
        WHITE,
        size=size,
        weight=BOLD,
    )
