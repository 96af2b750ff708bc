"""What a small grey picture of a lane measures, alone and beside what its camera is used to see.

Pure. Pictures are those of `motion.small_grey`. They are judged by tiles, each a square that a
headlight or a pedestrian may take without the whole picture being misjudged.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.motion import CHANGED_LEVELS, HEIGHT, WIDTH

Map = NDArray[np.float32]

TILE: Final = 20
ROWS: Final = HEIGHT // TILE
COLUMNS: Final = WIDTH // TILE
# A tile moves when so much of it does.
MOVING_SHARE: Final = 0.02
# From here on nothing is left of noise or texture.
SATURATED_LEVEL: Final = 250
BLACK_LEVEL: Final = 3
# Detail of so many grey levels (rms) is more than a JPEG leaves of noise: by measurement, that of a
# flat wall with the noise of a night is below 0.5.
TEXTURED: Final = 1.5
COARSE: Final = 2.0
# Fewer say nothing of the picture; for its sharpness a third: a trailer's wall has two edges.
FEWEST_TILES: Final = 16
FEWEST_SHARP_TILES: Final = 48
SAME_EDGES: Final = 0.5
LEAST_OVERLAP: Final = 0.3
# Of its detail, beside that of the other tiles.
LOST_DETAIL: Final = 0.35
# An hour at a look every 0.4 s: dusk is followed, a car that stands for minutes is not.
LONGEST_MEMORY: Final = 9000


@dataclass(frozen=True, slots=True)
class Light:
    """The brightness of one picture: grey levels 0 to 255, and the share that is saturated."""

    mean: float
    darkest: float
    brightest: float
    saturated: float

    @property
    def spread(self) -> float:
        """How far dark and bright are apart, for its brightness: 1 is usual, fog has 0.1."""
        return (self.brightest - self.darkest) / max(self.mean, 1.0)


@dataclass(frozen=True, slots=True)
class Features:
    """Detail of one picture in three kinds, each float32 of its size."""

    grey: Pixels
    fine: Map
    coarse: Map
    edges: Map


@dataclass(frozen=True, slots=True)
class Scene:
    """What two pictures of one camera, shortly one after the other, show alike: noise cancels out.

    `fine` is the detail of each tile in grey levels (rms); `sharpness` the median of fine to coarse
    detail, None where there is too little of it; `still` says which tiles do not move.
    """

    features: Features
    fine: Map
    sharpness: float | None
    still: NDArray[np.bool_]

    @property
    def moving(self) -> float:
        """The share of tiles that move."""
        return 1.0 - float(self.still.mean())


class Reference:
    """What a camera is used to see: its edges and how much detail each tile has."""

    def __init__(self) -> None:
        self.looks = 0
        self.sharpness = 0.0
        self._edges = np.zeros((HEIGHT, WIDTH), np.float32)
        self._fine = np.zeros((ROWS, COLUMNS), np.float32)

    def learn(self, scene: Scene) -> None:
        """Take in the tiles of `scene` that are still."""
        self.looks += 1
        weight = 1.0 / min(self.looks, LONGEST_MEMORY)
        still = scene.still.astype(np.uint8)
        mask = cv2.resize(still, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
        cv2.accumulateWeighted(scene.features.edges, self._edges, weight, mask=mask)
        cv2.accumulateWeighted(scene.fine, self._fine, weight, mask=still)
        if scene.sharpness is not None:
            gained = 1.0 if self.sharpness == 0.0 else weight
            self.sharpness += gained * (scene.sharpness - self.sharpness)

    def matching(self, scene: Scene) -> float | None:
        """Return the share of tiles whose edges are where they were, None where too few can say."""
        judged = (self._fine >= TEXTURED) & scene.still
        if judged.sum() < max(FEWEST_TILES, (self._fine >= TEXTURED).sum() / 3):
            return None
        same = correlation(scene.features.edges, self._edges) >= SAME_EDGES
        return float(same[judged].mean())

    def displacement(self, scene: Scene) -> tuple[int, int, float]:
        """Return by how many pixels, right and down, the picture has moved, and how well it fits.

        The fit is `matching` of the reference moved by as much.
        """
        window = cv2.createHanningWindow((WIDTH, HEIGHT), cv2.CV_32F)
        # It multiplies both by the window in place (OpenCV 5.0).
        (x, y), _ = cv2.phaseCorrelate(self._edges.copy(), scene.features.edges.copy(), window)
        right, down = round(x), round(y)
        shift = np.array([[1, 0, right], [0, 1, down]], np.float32)
        edges = _warped(self._edges, shift)
        inside = tile_means(_warped(np.ones_like(edges), shift)) >= 1.0
        judged = inside & scene.still & (tile_means(edges) >= np.median(tile_means(self._edges)))
        if judged.sum() < max(FEWEST_TILES, LEAST_OVERLAP * scene.still.size / 2):
            return right, down, 0.0
        same = correlation(scene.features.edges, edges) >= SAME_EDGES
        return right, down, float(same[judged].mean())

    def lost(self, scene: Scene) -> float:
        """Return the share of tiles that have lost their detail while the others kept theirs."""
        judged = (self._fine >= TEXTURED) & scene.still
        if judged.sum() < FEWEST_TILES:
            return 0.0
        kept = scene.fine[judged] / self._fine[judged]
        # All of them have less at dusk; a car's own edges are no measure for the others.
        usual = min(1.0, float(np.percentile(kept, 80)))
        return float((kept < LOST_DETAIL * usual).mean())


def light(grey: Pixels) -> Light:
    """Measure brightness; the darkest and the brightest are the 5th and the 95th percentile."""
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    total = float(counts.sum())
    sums = np.cumsum(counts)
    return Light(
        mean=float(counts @ np.arange(256)) / total,
        darkest=float(np.searchsorted(sums, 0.05 * total)),
        brightest=float(np.searchsorted(sums, 0.95 * total)),
        saturated=float(counts[SATURATED_LEVEL:].sum()) / total,
    )


def features(grey: Pixels) -> Features:
    """Split a picture into fine and coarse detail, and find its edges."""
    exact = grey.astype(np.float32)
    soft = cv2.GaussianBlur(exact, (7, 7), 1.5)
    smooth = cv2.GaussianBlur(exact, (5, 5), 1.0)
    edges = cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    return Features(grey, _map(exact - soft), _map(soft - cv2.blur(soft, (15, 15))), _map(edges))


def scene(now: Features, before: Features) -> Scene:
    """Return what two pictures show alike."""
    _, changed = cv2.threshold(
        cv2.absdiff(now.grey, before.grey), CHANGED_LEVELS, 1, cv2.THRESH_BINARY
    )
    still = tile_means(changed.astype(np.float32)) <= MOVING_SHARE
    fine = np.sqrt(np.maximum(0, tile_means(now.fine * before.fine)))
    coarse = np.sqrt(np.maximum(0, tile_means(now.coarse * before.coarse)))
    told = still & (coarse >= COARSE)
    is_told = told.sum() >= FEWEST_SHARP_TILES
    sharpness = float(np.median(fine[told] / coarse[told])) if is_told else None
    return Scene(now, fine, sharpness, still)


def unchanged(now: Pixels, before: Pixels) -> float:
    """Return the share of tiles that are the same to the last bit; 0 where black or white hides it.

    A clock that the camera draws into its picture changes few tiles.
    """
    tiles = tile_means(now.astype(np.float32))
    told = (tiles > BLACK_LEVEL) & (tiles < SATURATED_LEVEL)
    if told.sum() < FEWEST_TILES:
        return 0.0
    _, changed = cv2.threshold(cv2.absdiff(now, before), 0, 1, cv2.THRESH_BINARY)
    return float((tile_means(changed.astype(np.float32)) == 0)[told].mean())


def correlation(one: Map, other: Map) -> Map:
    """Return the normalised correlation of two maps, tile by tile, -1 to 1."""
    mean, other_mean = tile_means(one), tile_means(other)
    product = tile_means(one * other) - mean * other_mean
    power = tile_means(one * one) - mean**2
    other_power = tile_means(other * other) - other_mean**2
    return _map(product / np.sqrt(np.maximum(power * other_power, 1e-3)))


def tile_means(values: Map) -> Map:
    """Return the mean of each tile, shape (ROWS, COLUMNS)."""
    return _map(cv2.resize(values, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA))


def _warped(values: Map, shift: Map) -> Map:
    return _map(cv2.warpAffine(values, shift, (WIDTH, HEIGHT), flags=cv2.INTER_NEAREST))


def _map(values: NDArray[np.generic]) -> Map:
    return values.astype(np.float32, copy=False)
