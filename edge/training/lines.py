"""Lines for the reader to learn: drawn plates and real ones, cut as the product cuts them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_edge.vision.reader import as_line, bands
from training.paint import Box, Canvas, any_colour, smooth_noise
from training.plates import Plate, draw_plate
from training.wear import wear

Pixels = NDArray[np.uint8]
# What the product adds around a detector's box, as shares of its width and height.
PADDING: Final = (0.04, 0.08)
MOST_CHARACTERS: Final = 10
# Standard deviation of a line's brightness.
LEAST_CONTRAST: Final = 12.0
# A plate narrower than this cannot be read well enough to be a teacher.
NARROWEST_TEACHER: Final = 40
COUNTIES: Final = (
    "AB|AG|AR|BC|BH|BN|BR|BT|BV|BZ|CJ|CL|CS|CT|CV|DB|DJ|GJ|GL|GR|HD|HR|IF|IL|IS|MH|MM|MS|NT|OT|PH|"
    "SB|SJ|SM|SV|TL|TM|TR|VL|VN|VS"
)
ROMANIAN: Final = re.compile(rf"(B\d{{2,3}}|({COUNTIES})\d{{2}})[A-Z]{{3}}|(B|{COUNTIES})\d{{6}}")
TO_DIGITS: Final = str.maketrans("OQDIZSBG", "00012586")
TO_LETTERS: Final = str.maketrans("012586", "OIZSBG")


@dataclass(frozen=True, slots=True)
class Teacher:
    """A real plate and what three readings agree it says: the photo around it and its box there."""

    photo: Pixels
    box: Box
    text: str


@dataclass(frozen=True, slots=True)
class LineSource:
    """Endless lines: drawn plates, and the given share of real ones."""

    fonts: Sequence[Path] = ()
    teachers: Sequence[Teacher] = ()
    real_share: float = 0.12

    def draw(self, rng: np.random.Generator) -> tuple[Pixels, str]:
        """One line, uint8, (48, 160), and what it says: 1 to MOST_CHARACTERS of A-Z and 0-9."""
        while True:
            if self.teachers and rng.random() < self.real_share:
                line = _real_line(rng, self.teachers[int(rng.integers(len(self.teachers)))])
            else:
                line = _drawn_line(rng, draw_plate(rng, self.fonts, surround=rng.random() < 0.35))
            if line is not None and len(line[1]) <= MOST_CHARACTERS and _is_visible(line[0]):
                return line


def _is_visible(line: Pixels) -> bool:
    """What nobody can read teaches a reader to make things up."""
    return float(line.std()) >= LEAST_CONTRAST


def _drawn_line(rng: np.random.Generator, plate: Plate) -> tuple[Pixels, str] | None:
    """One of the plate's lines, as the product would cut it from the detector's box."""
    worn, (plate_box, *lines) = _photographed(rng, plate)
    grey = cv2.cvtColor(_detected(rng, worn, plate_box), cv2.COLOR_BGR2GRAY)
    found = bands(grey.astype(np.uint8, copy=False))
    chosen = int(rng.integers(plate.rows))
    text = plate.lines[chosen][1]
    if len(found) == plate.rows and rng.random() < 0.9:
        return as_line(found[chosen]), text
    if len(found) != plate.rows and plate.rows == 1:
        return None
    row = _jittered(rng, lines[chosen], (0.03, 0.06), (0.05, 0.2))
    cut = _cut(worn, row)
    return (as_line(_grey(cut)), text) if min(cut.shape[:2]) >= 4 else None


def drawn_crops(seed: int, rows: int, count: int) -> list[tuple[Pixels, str]]:
    """Worn plates of so many `rows`, cut as the product cuts them, and what they say."""
    rng = np.random.default_rng(seed)
    crops: list[tuple[Pixels, str]] = []
    while len(crops) < count:
        plate = draw_plate(rng)
        if plate.rows == rows:
            worn, (plate_box, *_) = _photographed(rng, plate)
            crop = _detected(rng, worn, plate_box)
            if _is_visible(_grey(crop)):
                crops.append((crop, plate.text))
    return crops


def _photographed(rng: np.random.Generator, plate: Plate) -> tuple[Pixels, list[Box]]:
    """The plate as a camera shows it, and where it and each of its lines are in the picture."""
    scene, boxes = _seen_from_an_angle(rng, plate)
    worn = wear(rng, scene, float(np.mean([y1 - y0 for _, y0, _, y1 in boxes[1:]])))
    scale = worn.shape[0] / scene.shape[0]
    return worn, [(x0 * scale, y0 * scale, x1 * scale, y1 * scale) for x0, y0, x1, y1 in boxes]


def _real_line(rng: np.random.Generator, teacher: Teacher) -> tuple[Pixels, str] | None:
    photo = teacher.photo.astype(np.float32)
    if rng.random() < 0.5:
        height, width = photo.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal(0, 2.5), 1)
        turn[0, 1] += rng.normal(0, 0.08)
        photo = np.asarray(
            cv2.warpAffine(photo, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        )
    shrink = rng.uniform(0.6, 1)
    height = (teacher.box[3] - teacher.box[1]) * 0.65
    size = (round(photo.shape[1] * shrink), round(photo.shape[0] * shrink))
    if height * shrink >= 8 and rng.random() < 0.5:
        photo = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA))
    scale = photo.shape[0] / teacher.photo.shape[0]
    x0, y0, x1, y1 = (edge * scale for edge in teacher.box)
    crop = _detected(rng, wear(rng, photo), (x0, y0, x1, y1))
    found = bands(_grey(crop))
    return (as_line(found[0]), teacher.text) if len(found) == 1 else None


def _seen_from_an_angle(rng: np.random.Generator, plate: Plate) -> tuple[Canvas, list[Box]]:
    """The plate on a car, seen askew: the picture, and where the plate and its lines are in it."""
    height, width = plate.pixels.shape[:2]
    margin = int(height * 0.4)
    size = (width + 2 * margin, height + 2 * margin)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    angle = np.deg2rad(rng.normal(0, 3.5))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([width / 2, height / 2])
    moved = (corners - middle) @ turn.T
    moved[:, 1] += moved[:, 0] * rng.normal(0, 0.04)
    moved[:, 0] += moved[:, 1] * rng.normal(0, 0.12)
    moved += middle + margin + rng.uniform(-0.05, 0.05, (4, 2)) * height
    view = np.asarray(cv2.getPerspectiveTransform(corners, moved.astype(np.float32)), float)
    scene = any_colour(rng, 0, 230) + smooth_noise(rng, size[1], size[0], rng.uniform(0, 40))
    cv2.warpPerspective(plate.pixels, view, size, scene, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)
    x0, y0, x1, y1 = plate.box
    whole = (float(x0), float(y0), float(x1), float(y1))
    return scene, [_seen_box(view, box) for box in (whole, *(line[0] for line in plate.lines))]


def _seen_box(view: NDArray[np.float64], box: Box) -> Box:
    x0, y0, x1, y1 = box
    corners = np.array([[[x0, y0], [x1, y0], [x1, y1], [x0, y1]]], np.float32)
    seen = cv2.perspectiveTransform(corners, view)[0]
    (left, top), (right, bottom) = seen.min(axis=0), seen.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def _detected(rng: np.random.Generator, image: Pixels, box: Box) -> Pixels:
    """`image` cut where a detector might have put the plate's box, padded as the product does."""
    spread = (0.04, 0.08) if rng.random() < 0.2 else (0.015, 0.035)
    x0, y0, x1, y1 = _jittered(rng, box, spread, (0.0, 0.0))
    pad_x, pad_y = PADDING[0] * (x1 - x0), PADDING[1] * (y1 - y0)
    return _cut(image, (x0 - pad_x, y0 - pad_y, x1 + pad_x, y1 + pad_y))


def _jittered(
    rng: np.random.Generator, box: Box, spread: tuple[float, float], air: tuple[float, float]
) -> Box:
    """`box` with `air` around it, each edge moved at random; shares of its width and height."""
    width, height = box[2] - box[0], box[3] - box[1]
    out = rng.normal(air, spread, (2, 2)) * (width, height)
    return box[0] - out[0, 0], box[1] - out[0, 1], box[2] + out[1, 0], box[3] + out[1, 1]


def _cut(image: Pixels, box: Box) -> Pixels:
    """At least 8 by 4 pixels of `image`, whatever `box` says."""
    height, width = image.shape[:2]
    x0, y0 = min(max(0, int(box[0])), width - 8), min(max(0, int(box[1])), height - 4)
    x1, y1 = max(x0 + 8, int(np.ceil(box[2]))), max(y0 + 4, int(np.ceil(box[3])))
    return image[y0:y1, x0:x1]


def _grey(image: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def padded_crop(photo: Pixels, box: Box, padding: tuple[float, float] = PADDING) -> Pixels:
    """`photo` cut at `box`, widened as the product widens a detector's."""
    x0, y0, x1, y1 = box
    pad_x, pad_y = padding[0] * (x1 - x0), padding[1] * (y1 - y0)
    return _cut(photo, (x0 - pad_x, y0 - pad_y, x1 + pad_x, y1 + pad_y))


def labelled_boxes(folder: Path) -> list[tuple[Path, Box, str]]:
    """The plates in `folder`: photo, box and text ("X" where unknown), by photo.

    Source: the format is described in `README.md` beside the data.
    """
    plates = []
    for notes in sorted(folder.glob("*.txt")):
        for row in notes.read_text(encoding="utf-8").splitlines():
            name, x, y, width, height, text = row.split("\t")
            x0, y0 = float(x), float(y)
            box = (x0, y0, x0 + float(width), y0 + float(height))
            plates.append((folder / name, box, text))
    return plates


def find_teachers(folders: Sequence[Path], read: Callable[[Pixels], str]) -> list[Teacher]:
    """The real plates whose three readings, cut a little differently, agree.

    In folders with "-ro-" in their names the text must also be a Romanian number.
    """
    teachers = []
    for folder in folders:
        is_romanian = "-ro-" in folder.name
        for path, box, _ in labelled_boxes(folder):
            photo = cv2.imread(str(path))
            if photo is None or box[2] - box[0] < NARROWEST_TEACHER:
                continue
            text = _agreed(np.asarray(photo, np.uint8), box, read, is_romanian=is_romanian)
            if text:
                teachers.append(_teacher(np.asarray(photo, np.uint8), box, text))
    return teachers


def _agreed(
    photo: Pixels, box: Box, read: Callable[[Pixels], str], *, is_romanian: bool
) -> str | None:
    paddings = ((0.0, 0.0), PADDING, (0.06, 0.02))
    texts = [read(padded_crop(photo, box, padding)) for padding in paddings]
    if is_romanian:
        texts = [as_romanian(text) for text in texts]
    text = max(set(texts), key=lambda candidate: (texts.count(candidate), candidate))
    if is_romanian:
        return text if texts.count(text) > 1 and ROMANIAN.fullmatch(text) else None
    return text if texts.count(text) == len(texts) and 4 <= len(text) <= 9 else None


def as_romanian(text: str) -> str:
    """`text` with digits and letters where Romania has them, if it can be made to fit."""
    if ROMANIAN.fullmatch(text):
        return text
    for digits in (2, 3):
        for county in (1, 2):
            if len(text) == county + digits + 3:
                middle = text[county : county + digits].translate(TO_DIGITS)
                ends = (text[:county], text[county + digits :])
                fixed = middle.join(end.translate(TO_LETTERS) for end in ends)
                if ROMANIAN.fullmatch(fixed):
                    return fixed
    return text


def _teacher(photo: Pixels, box: Box, text: str) -> Teacher:
    """Keep of the photo what jittered cuts can need."""
    width, height = box[2] - box[0], box[3] - box[1]
    left, top = max(0, int(box[0] - width / 4)), max(0, int(box[1] - height / 2))
    right, bottom = int(box[2] + width / 4), int(box[3] + height / 2)
    moved = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return Teacher(photo[top:bottom, left:right].copy(), moved, text)
