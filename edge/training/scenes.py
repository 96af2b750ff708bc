"""Training windows for the plate detector: parts of photos, most with other plates than theirs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from training.clutter import Place, draw_clutter
from training.exposure import Exposure
from training.grounds import draw_ground
from training.pasting import bounds_of, cover, paste_plate
from training.photos import Floats, LabelledPhoto, Pixels

WINDOW: Final = (384, 256)  # width, height
MOST_LABELS: Final = 8
LABEL_VALUES: Final = 13  # box 4, corners 8, kind 1
NO_LABEL: Final = -1.0
PLATE: Final = 0.0
IGNORED: Final = 1.0

REPLACE_ODDS: Final = 0.64
COVER_ODDS: Final = 0.12  # The rest keeps the plates that it has.
MIRROR_ODDS: Final = 0.35
AWAY_ODDS: Final = 0.08
INSIDE_ODDS: Final = 0.85
SECOND_PHOTO_ODDS: Final = 0.55
EXTRA_PLATE_ODDS: Final = 0.25
CLUTTER_ODDS: Final = 0.55
OCCLUDE_ODDS: Final = 0.05
COMMON_WIDTHS: Final = (20.0, 110.0)
WIDTHS: Final = (14.0, 260.0)
SMALLEST_SEEN: Final = 11.0
LEAST_VISIBLE: Final = 0.6


class DrawnPlate(Protocol):
    """What `training.plates.draw_plate` returns, as far as it is used here."""

    @property
    def pixels(self) -> Floats: ...


class PlatePool:
    """A stock of drawn plates, half of them about 2:1, renewed as it is used."""

    def __init__(self, draw: Callable[[np.random.Generator], DrawnPlate], size: int) -> None:
        self._draw = draw
        self._size = size
        self._short: list[Floats] = []
        self._other: list[Floats] = []

    def take(self, rng: np.random.Generator) -> Floats:
        """Return a plate's pixels, BGR 0 to 255; the caller must not change them."""
        for _ in range(8 if len(self._short) < 8 or len(self._other) < 8 else 1):
            self._renew(rng)
        wanted = self._short if rng.random() < 0.5 else self._other
        stock = wanted or self._short or self._other
        return stock[int(rng.integers(len(stock)))]

    def _renew(self, rng: np.random.Generator) -> None:
        if len(self._short) + len(self._other) >= self._size and rng.random() < 0.65:
            return
        pixels = np.asarray(self._draw(rng).pixels, np.float32)
        stock = self._short if 1.5 <= pixels.shape[1] / pixels.shape[0] <= 2.5 else self._other
        if len(stock) < self._size // 2:
            stock.append(pixels)
        else:
            stock[int(rng.integers(len(stock)))] = pixels


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """Where one plate is: `quad` shape (4, 2), from top left clockwise, in pixels of the window.

    `box` is x0, y0, x1, y1. `has_corners` says that `quad` is exact, not just the box. Where
    `is_ignored`, the detector may say what it likes.
    """

    quad: Floats
    box: Floats
    has_corners: bool
    is_ignored: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One training picture: BGR, uint8, and its labels."""

    pixels: Pixels
    labels: Sequence[Label]

    def rows(self) -> Floats:
        """The labels as numbers, shape (MOST_LABELS, LABEL_VALUES); unknown corners are NaN."""
        rows = np.full((MOST_LABELS, LABEL_VALUES), NO_LABEL, np.float32)
        for row, label in zip(rows, self.labels, strict=False):
            row[:4] = label.box
            row[4:12] = label.quad.ravel() if label.has_corners else np.nan
            row[12] = IGNORED if label.is_ignored else PLATE
        return rows


@dataclass(slots=True)
class _Layer:
    """A photo laid into the window: what it covers, where its plates are, how soft it is."""

    pixels: Pixels
    covered: Pixels
    plates: list[Floats] = field(default_factory=list)
    softness: float = 0.0
    angle: float = 0.0


class SceneComposer:
    """Composes windows from `photos`, each folder's photos as often as another's."""

    def __init__(
        self,
        folders: Sequence[Sequence[LabelledPhoto]],
        plates: PlatePool,
        rng: np.random.Generator,
        window: tuple[int, int] = WINDOW,
    ) -> None:
        self._folders = [[_Pyramid(photo) for photo in photos] for photos in folders if photos]
        self._plates = plates
        self._exposure = Exposure(rng)
        self._window = window

    def change_plates(self, plates: PlatePool) -> None:
        """Take plates from another pool from now on."""
        self._plates = plates

    def compose(self, rng: np.random.Generator) -> Window:
        """Compose one window; all chance comes from `rng`."""
        layer = self._photo_layer(rng)
        if (layer.covered == 0).mean() > 0.02:
            layer = self._filled(layer, rng)
        labels = self._treat_plates(layer, rng)
        if rng.random() < EXTRA_PLATE_ODDS:
            labels += self._extra_plates(layer, labels, rng)
        if rng.random() < CLUTTER_ODDS:
            _strew_clutter(layer.pixels, labels, rng)
        kept = [_clip(label, self._window) for label in labels]
        pixels = self._exposure.expose(layer.pixels, rng)
        return Window(pixels, [label for label in kept if label is not None][:MOST_LABELS])

    def _photo_layer(self, rng: np.random.Generator, *, fills: bool = False) -> "_Layer":
        folder = self._folders[int(rng.integers(len(self._folders)))]
        photo = folder[int(rng.integers(len(folder)))]
        if fills:
            return photo.laid(_filling(photo.size, self._window, rng), self._window)
        return photo.laid(_placement(photo.size, photo.boxes, self._window, rng), self._window)

    def _filled(self, layer: "_Layer", rng: np.random.Generator) -> "_Layer":
        """Put something behind a photo that does not fill the window: another, or a surface."""
        inside = layer.covered[..., None] > 0
        if rng.random() < SECOND_PHOTO_ODDS:
            behind = self._photo_layer(rng, fills=True)
            visible = [quad for quad in behind.plates if not _touches(layer.covered, quad)]
            hidden = [quad for quad in behind.plates if _touches(layer.covered, quad)]
            for quad in hidden:
                cover(behind.pixels, quad, rng)
            layer.plates.extend(visible)
            ground = behind.pixels
        else:
            ground = draw_ground(self._window, rng)
        layer.pixels = np.where(inside, layer.pixels, ground)
        return layer

    def _treat_plates(self, layer: "_Layer", rng: np.random.Generator) -> list[Label]:
        """Keep, replace or cover the plates of the photo; say what is there afterwards."""
        chance = rng.random()
        labels: list[Label] = []
        for quad in layer.plates:
            if chance < REPLACE_ODDS:
                labels.append(self._replaced(layer, quad, rng))
            elif chance < REPLACE_ODDS + COVER_ODDS:
                cover(layer.pixels, quad, rng)
                if rng.random() < 0.35:
                    _draw_in(layer.pixels, quad, rng)
            else:
                labels.append(Label(quad, _photo_box(quad), has_corners=False))
        return labels

    def _replaced(self, layer: "_Layer", old: Floats, rng: np.random.Generator) -> Label:
        plate = self._plates.take(rng)
        shape = plate.shape[1] / plate.shape[0]
        old_width = float(np.linalg.norm(old[1] - old[0]))
        old_height = float(np.linalg.norm(old[3] - old[0]))
        # As wide as the old one, as plates of one country are, or of the same area, or higher.
        width = old_width * rng.uniform(0.9, 1.1)
        if rng.random() < 0.6:
            width = float(np.sqrt(old_width * old_height * shape)) * rng.uniform(0.9, 1.35)
        width = max(width, SMALLEST_SEEN + 2)
        if rng.random() < 0.75:
            cover(layer.pixels, old, rng)
        else:
            width = max(width, old_width * 1.05, old_height * 1.08 * shape)
        moved = rng.normal(0, 0.12, 2) * [old_width, old_height]
        quad = _chance_quad(old.mean(axis=0) + moved, width, shape, layer.angle, rng)
        return self._pasted(layer, plate, quad, rng)

    def _pasted(
        self, layer: "_Layer", plate: Floats, quad: Floats, rng: np.random.Generator
    ) -> Label:
        softness = layer.softness * rng.uniform(0.4, 1.1) + rng.uniform(0.0, 0.4)
        paste_plate(layer.pixels, plate, quad, softness, rng)
        if rng.random() < OCCLUDE_ODDS:
            _occlude(layer.pixels, quad, rng)
        return Label(quad, _hull(quad), has_corners=True)

    def _extra_plates(
        self, layer: "_Layer", labels: Sequence[Label], rng: np.random.Generator
    ) -> list[Label]:
        """Lay one or two plates where none is, so that not only bumpers bear them."""
        added: list[Label] = []
        for _ in range(int(rng.integers(1, 3))):
            plate = self._plates.take(rng)
            shape = plate.shape[1] / plate.shape[0]
            middle = rng.uniform((20, 12), (self._window[0] - 20, self._window[1] - 12))
            quad = _chance_quad(middle, _chance_width(rng) * 0.7 + 5, shape, layer.angle, rng)
            taken = [*labels, *added]
            if not any(_boxes_touch(_hull(quad), label.box) for label in taken):
                added.append(self._pasted(layer, plate, quad, rng))
        return added


class _Pyramid:
    """A photo at full, half and quarter size, to be scaled down without jagged edges."""

    def __init__(self, photo: LabelledPhoto) -> None:
        self.boxes = photo.boxes
        self.size = (photo.pixels.shape[1], photo.pixels.shape[0])
        self._levels = [photo.pixels]
        for _ in range(2):
            last = self._levels[-1]
            half = (max(1, last.shape[1] // 2), max(1, last.shape[0] // 2))
            smaller = cv2.resize(last, half, interpolation=cv2.INTER_AREA)
            self._levels.append(np.asarray(smaller, np.uint8))

    def laid(self, placement: Floats, window: tuple[int, int]) -> _Layer:
        """Lay the photo into a window by `placement`, shape (2, 3), from its to window pixels."""
        scale = float(np.sqrt(abs(np.linalg.det(placement[:, :2]))))
        level = int(np.clip(np.floor(-np.log2(scale * 1.15)), 0, 2))
        source = self._levels[level]
        matrix = placement.astype(np.float64).copy()
        height, width = self._levels[0].shape[:2]
        matrix[:, 0] *= width / source.shape[1]
        matrix[:, 1] *= height / source.shape[0]
        # From edges of pixels, in which boxes are measured, to middles, which warping wants.
        matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
        pixels = cv2.warpAffine(source, matrix, window, flags=cv2.INTER_LINEAR)
        whole = np.full(source.shape[:2], 255, np.uint8)
        covered = cv2.warpAffine(whole, matrix, window, flags=cv2.INTER_NEAREST)
        plates = [_moved(box, placement) for box in self.boxes]
        layer = _Layer(np.asarray(pixels, np.uint8), np.asarray(covered, np.uint8), plates)
        layer.softness = max(0.0, 0.55 * (scale - 0.7))
        layer.angle = float(np.arctan(placement[1, 0] / placement[0, 0]))
        return layer


def _placement(
    size: tuple[int, int], boxes: Floats, window: tuple[int, int], rng: np.random.Generator
) -> Floats:
    """Choose size, turn and place of a photo so that one of its plates gets a wanted width."""
    box = boxes[int(rng.integers(len(boxes)))]
    width = _chance_width(rng)
    scale = float(np.clip(width / max(4.0, box[2] - box[0]), 0.2, 3.2))
    stretch = np.exp(rng.normal(0, (0.05, 0.08)))
    angle = np.deg2rad(rng.normal(0, 3.5))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mirror = -1.0 if rng.random() < MIRROR_ODDS else 1.0
    linear = turn @ np.diag([scale * stretch[0] * mirror, scale * stretch[1]])
    edge = min(window[0] / 2 - 2, width * 0.4)
    target = rng.uniform((edge, 12), (window[0] - edge, window[1] - 12))
    if rng.random() < AWAY_ODDS:
        target = rng.uniform((-150, -150), (window[0] + 150, window[1] + 150))
    shift = target - linear @ np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    if rng.random() < INSIDE_ODDS:
        shift = shift + _shift_inside(size, linear, shift, window)
    return np.column_stack([linear, shift]).astype(np.float32)


def _filling(size: tuple[int, int], window: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Place a photo upright so that it fills the window."""
    whole = max(window[0] / size[0], window[1] / size[1])
    scale = whole * float(np.exp(rng.uniform(0.0, 0.7)))
    mirror = -1.0 if rng.random() < MIRROR_ODDS else 1.0
    linear = np.diag([scale * mirror, scale])
    room = np.array(size) * scale - window
    shift = -room * rng.uniform(0, 1, 2)
    if mirror < 0:
        shift[0] = window[0] - shift[0]
    return np.column_stack([linear, shift]).astype(np.float32)


def _shift_inside(
    size: tuple[int, int], linear: Any, shift: Any, window: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """How far to move a photo so that it fills the window, along each side that it can fill."""
    width, height = size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ linear.T + shift
    low, high = corners.min(axis=0), corners.max(axis=0)
    move = -np.maximum(0, low) - np.minimum(0, high - window)
    return np.where(high - low >= window, move, 0.0)


def _chance_width(rng: np.random.Generator) -> float:
    low, high = COMMON_WIDTHS if rng.random() < 0.65 else WIDTHS
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _chance_quad(
    middle: Any, width: float, shape: float, angle: float, rng: np.random.Generator
) -> Floats:
    """Corners of a plate seen a little, at times strongly, from the side."""
    strength = 2.5 if rng.random() < 0.2 else 1.0
    yaw = float(np.exp(-abs(rng.normal(0, 0.07 * strength))))
    height = width / shape * float(np.exp(rng.normal(0, 0.06)))
    half = np.array([width * yaw, height]) / 2
    quad = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    quad[:, 1] += quad[:, 0] * rng.normal(0, 0.035 * strength)
    quad[:, 0] += quad[:, 1] * rng.normal(0, 0.05 * strength)
    quad *= np.exp(np.sign(quad[:, :1]) * rng.normal(0, 0.025 * strength))
    turned = angle + np.deg2rad(rng.normal(0, 2.2 * strength))
    turn = np.array([[np.cos(turned), np.sin(turned)], [-np.sin(turned), np.cos(turned)]])
    return np.asarray(quad @ turn + middle, dtype=np.float32)


def _moved(box: Floats, placement: Floats) -> Floats:
    """The corners of `box` in the window, from the window's top left clockwise."""
    x0, y0, x1, y1 = box
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) @ placement[:, :2].T
    quad = np.asarray(corners + placement[:, 2], dtype=np.float32)
    return quad if np.linalg.det(placement[:, :2]) > 0 else quad[[1, 0, 3, 2]]


def _hull(quad: Floats) -> Floats:
    return np.concatenate([quad.min(axis=0), quad.max(axis=0)])


def _photo_box(quad: Floats) -> Floats:
    """The box of a turned box: between its hull and its sides' middles, as the plate inside is."""
    right, left = (quad[1] + quad[2]) / 2, (quad[0] + quad[3]) / 2
    top, bottom = (quad[0] + quad[1]) / 2, (quad[2] + quad[3]) / 2
    sides = np.array([left[0], top[1], right[0], bottom[1]], np.float32)
    return np.asarray((sides + _hull(quad)) / 2, dtype=np.float32)


def _touches(covered: Pixels, quad: Floats) -> bool:
    area = bounds_of(quad, covered, margin=4.0)
    return area.is_empty or bool((area.of(covered) > 0).any())


def _boxes_touch(one: Floats, other: Floats) -> bool:
    return bool((one[:2] < other[2:] + 4).all() and (other[:2] < one[2:] + 4).all())


def _clip(label: Label, window: tuple[int, int]) -> Label | None:
    """Cut a label to the window; None where nothing is left, ignored where little is."""
    x0, y0 = np.clip(label.box[:2], 0, window)
    x1, y1 = np.clip(label.box[2:], 0, window)
    if x1 - x0 < 1 or y1 - y0 < 1:
        return None
    whole = float(np.prod(label.box[2:] - label.box[:2]))
    is_little = (x1 - x0) * (y1 - y0) < LEAST_VISIBLE * whole or x1 - x0 < SMALLEST_SEEN
    box = np.array([x0, y0, x1, y1], np.float32)
    return Label(label.quad, box, label.has_corners, label.is_ignored or bool(is_little))


def _strew_clutter(image: Pixels, labels: Sequence[Label], rng: np.random.Generator) -> None:
    """Draw one to four things that are no plates beside the plates."""
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        across = int(np.exp(rng.uniform(np.log(12), np.log(0.4 * width))))
        down = max(4, int(across * np.exp(rng.uniform(np.log(0.08), np.log(0.9)))))
        if down >= height:
            continue
        x, y = int(rng.integers(width - across)), int(rng.integers(height - down))
        place = Place(x, y, across, down)
        if not any(place.overlaps(*np.add(label.box, (-6, -6, 6, 6))) for label in labels):
            draw_clutter(image, place, rng)


def _draw_in(image: Pixels, quad: Floats, rng: np.random.Generator) -> None:
    """Draw something where a plate was that is none."""
    area = bounds_of(quad, image, margin=0.0)
    if not area.is_empty:
        draw_clutter(image, Place(area.x0, area.y0, area.x1 - area.x0, area.y1 - area.y0), rng)


def _occlude(image: Pixels, quad: Floats, rng: np.random.Generator) -> None:
    """Hide a small part of a plate: a tow ball, a wiper, a leaf."""
    size = np.ptp(quad, axis=0)
    spot = quad.mean(axis=0) + rng.uniform(-0.5, 0.5, 2) * size
    axes = (max(1, int(size[0] * rng.uniform(0.03, 0.12))), max(1, int(size[1] * 0.3)))
    tone = [float(value) for value in rng.uniform(0, 120, 3)]
    centre = (int(spot[0]), int(spot[1]))
    cv2.ellipse(image, centre, axes, 0, 0, 360, tone, -1, cv2.LINE_AA)
