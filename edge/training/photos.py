"""Photos of cars with the boxes of their plates: reading labelled folders, holding some back."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

FIELDS: Final = 6
SAME_PICTURE_BITS: Final = 8
FRAMES_OF_A_RIDE: Final = 20
BLANK_BELOW: Final = 1.0


class PhotoError(ValueError):
    """A labelled folder cannot be used; the message names the file and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPhoto:
    """One photo: BGR `pixels`, and `boxes` x0, y0, x1, y1 in its pixels, shape (n, 4), n >= 1."""

    path: Path
    pixels: Pixels
    boxes: Floats


def load_photos(folder: Path) -> list[LabelledPhoto]:
    """Read every labelled photo of `folder`, in the order of their names.

    A photo of which a labelled part came out blank, as of a file cut short, is left out.

    Beside each photo lies a `.txt` of the same name with one line a plate: file, x, y, width,
    height, text, divided by tabs; pixels from the top left corner.

    Raises:
        PhotoError: the folder holds no labels, or a label or photo cannot be read.
    """
    labels = sorted(folder.glob("*.txt"))
    if not labels:
        raise PhotoError(f"{folder}: holds no .txt labels; give a folder of photos with labels")
    photos = [_load_photo(label) for label in labels]
    return [photo for photo in photos if not any(_is_blank(photo, box) for box in photo.boxes)]


def split_photos(
    photos: Sequence[LabelledPhoto], *, one_in: int
) -> tuple[list[LabelledPhoto], list[LabelledPhoto]]:
    """Part `photos` into those to train on and, about one group in `one_in`, those held back.

    Copies of a picture and frames of one stretch of a ride are one group and stay together. The
    choice depends on the names alone, so that it is the same on every run and machine.
    """
    kept: list[LabelledPhoto] = []
    held_back: list[LabelledPhoto] = []
    for photo, group in zip(photos, _groups(photos), strict=True):
        is_held_back = zlib.crc32(group.encode()) % one_in == 0
        (held_back if is_held_back else kept).append(photo)
    return kept, held_back


def _load_photo(label: Path) -> LabelledPhoto:
    lines = [line for line in label.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        raise PhotoError(f"{label}: is empty; delete it with its photo, or label a plate")
    boxes = [_read_box(label, number, line) for number, line in enumerate(lines, 1)]
    path = label.with_name(lines[0].split("\t")[0])
    pixels: Any = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise PhotoError(f"{path}: named by {label.name}, is missing or no picture; restore it")
    return LabelledPhoto(path, pixels, np.array(boxes, dtype=np.float32))


def _is_blank(photo: LabelledPhoto, box: Floats) -> bool:
    x0, y0, x1, y1 = (int(edge) for edge in box.clip(0))
    part = photo.pixels[y0:y1, x0:x1]
    return part.size == 0 or float(part.std()) < BLANK_BELOW


def _read_box(label: Path, number: int, line: str) -> tuple[float, float, float, float]:
    fields = line.split("\t")
    if len(fields) != FIELDS:
        raise PhotoError(
            f"{label}:{number}: {len(fields)} fields between tabs; "
            "write file, x, y, width, height, text"
        )
    try:
        x, y, width, height = (float(field) for field in fields[1:5])
    except ValueError as error:
        raise PhotoError(f"{label}:{number}: {error}; x, y, width, height are pixels") from error
    if width <= 0 or height <= 0:
        raise PhotoError(f"{label}:{number}: the box is empty; correct its width and height")
    return x, y, x + width, y + height


def _groups(photos: Sequence[LabelledPhoto]) -> list[str]:
    """Name for each photo its group: the first name, in order, of all that belong together."""
    parents = list(range(len(photos)))

    def root(index: int) -> int:
        while parents[index] != index:
            index = parents[index]
        return index

    hashes = np.array([_difference_hash(photo.pixels) for photo in photos])
    rides: dict[tuple[str, int], int] = {}
    for index, photo in enumerate(photos):
        frame = re.fullmatch(r"(.+)_(\d+)", photo.path.stem)
        alike = np.flatnonzero((hashes[:index] != hashes[index]).sum(axis=1) <= SAME_PICTURE_BITS)
        same = [int(other) for other in alike]
        if frame:
            ride = (frame[1], int(frame[2]) // FRAMES_OF_A_RIDE)
            same.append(rides.setdefault(ride, index))
        for other in same:
            low, high = sorted((root(other), root(index)))
            parents[high] = low
    return [photos[root(index)].path.name for index in range(len(photos))]


def _difference_hash(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """Say for 8 by 8 fields whether each is darker than its right neighbour."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    small = np.asarray(cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA))
    return np.asarray(small[:, 1:] > small[:, :-1]).ravel()
