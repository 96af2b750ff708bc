"""A car's body as a mesh of flat facets with paint that mirrors a sky, and what is fixed to it.

In the car's own coordinates: s back from its front, y to its left, z up, in metres.
"""

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Colour = tuple[float, float, float]

PAINTS: Final[tuple[Colour, ...]] = (
    (208, 210, 210), (168, 170, 170), (96, 98, 100), (40, 38, 38), (112, 62, 32),
    (34, 30, 138), (66, 84, 52), (120, 108, 92), (70, 44, 30), (190, 205, 214),
)  # fmt: skip
GLASS: Final[Colour] = (34, 32, 28)
SUN: Final = np.array((0.35, 0.5, 0.79))

# The line over the middle of the car from under the bumper to the tail: s, z, half width, and how
# far the ends are swept back and let down. Lengths behind the windscreen stretch with the car.
_LINE: Final = np.array([
    (0.16, 0.17, 0.72, 0.24, 0.00),
    (0.06, 0.21, 0.80, 0.30, 0.00),
    (0.01, 0.30, 0.845, 0.36, 0.00),
    (0.00, 0.42, 0.865, 0.38, 0.00),
    (0.01, 0.54, 0.875, 0.40, 0.00),
    (0.03, 0.62, 0.88, 0.42, 0.00),
    (0.06, 0.70, 0.88, 0.44, 0.015),
    (0.11, 0.765, 0.875, 0.45, 0.05),
    (0.20, 0.82, 0.87, 0.42, 0.085),
    (0.34, 0.86, 0.875, 0.34, 0.11),
    (0.58, 0.902, 0.885, 0.22, 0.125),
    (0.88, 0.935, 0.895, 0.12, 0.125),
    (1.14, 0.955, 0.90, 0.06, 0.12),
])  # fmt: skip
_CABIN: Final = np.array([
    (1.08, 0.955, 0.72, 0.26, 0.03),
    (1.36, 1.09, 0.70, 0.22, 0.03),
    (1.66, 1.235, 0.665, 0.18, 0.035),
    (1.92, 1.36, 0.625, 0.13, 0.04),
    (2.04, 1.405, 0.605, 0.11, 0.045),
    (2.3, 1.44, 0.595, 0.08, 0.05),
    (2.8, 1.455, 0.59, 0.04, 0.05),
    (3.4, 1.43, 0.58, 0.02, 0.05),
    (3.9, 1.34, 0.57, 0.0, 0.05),
    (4.4, 0.98, 0.70, 0.0, 0.05),
    (4.58, 0.90, 0.72, 0.0, 0.05),
])  # fmt: skip
# Rows of the finer cabin sheet where the windscreen ends, and where the rear window begins.
_ROOF_BEGINS, _ROOF_ENDS = 8, 16
_PILLAR: Final = 3
_USUAL_LENGTH_M: Final = 4.6
_ACROSS: Final = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 27))


@dataclass(frozen=True, slots=True)
class Facets:
    """Quadrilaterals of one material: corners (n, 4, 3), normals (n, 3), and their paint."""

    corners: Floats
    normals: Floats
    paint: Colour
    is_glass: bool


@dataclass(frozen=True, slots=True)
class Body:
    """A car: its facets in the order to draw them in, its proportions, and its colour."""

    facets: tuple[Facets, ...]
    tall: float
    paint: Colour

    def on_nose(self, y: Floats, z: Floats) -> Floats:
        """Points (n, 3) just before the nose at the heights `z` (of a usual car) and sides `y`."""
        s, sweep, half = (np.interp(z, _LINE[:9, 1], _LINE[:9, at]) for at in (0, 3, 2))
        back = s + sweep * np.abs(y / half) ** 2.6 - 0.004
        return np.stack((back, y, z * self.tall), axis=-1)

    def on_bonnet(self, s: Floats, y: Floats) -> Floats:
        """Points (n, 3) on the bonnet, `s` behind the front and `y` to the side."""
        z, drop, half = (np.interp(s, _LINE[8:, 0], _LINE[8:, at]) for at in (1, 4, 2))
        return np.stack((s, y, z * self.tall - 0.3 * drop * (y / half) ** 2), axis=-1)


@lru_cache(maxsize=64)
def body(look: int, length_m: float) -> Body:
    """Build the car that `look` gives: the same for the same number."""
    chance = random.Random(look)
    paint = chance.choice(PAINTS)
    tall = chance.uniform(0.98, 1.16)
    stretch = np.maximum(length_m - 2.0, 0.6) / (_USUAL_LENGTH_M - 2.0)
    nose = _sheet(_LINE, tall, stretch)
    cabin = _sheet(_CABIN, tall, stretch)
    facets = (
        *(_facets(_flank(tall, length_m, side), paint) for side in (-1, 1)),
        _facets(nose, paint),
        *(_facets(_shelf(tall, length_m, side), paint) for side in (-1, 1)),
        _facets(cabin[_ROOF_ENDS:], GLASS, is_glass=True),
        *(_facets(_window(cabin, tall, side), GLASS, is_glass=True) for side in (-1, 1)),
        _facets(cabin[_ROOF_BEGINS : _ROOF_ENDS + 1], paint),
        _facets(_finer(cabin[: _ROOF_BEGINS + 1, _PILLAR:-_PILLAR]), GLASS, is_glass=True),
        _facets(cabin[: _ROOF_BEGINS + 1, : _PILLAR + 1], paint),
        _facets(cabin[: _ROOF_BEGINS + 1, -_PILLAR - 1 :], paint),
    )
    return Body(facets, tall, paint)


def _sheet(line: Floats, tall: float, stretch: float) -> Floats:
    """Span a sheet over `line`: points (rows, across, 3)."""
    fine = np.linspace(0, len(line) - 1, 2 * len(line) - 1)
    s, z, half, sweep, drop = (np.interp(fine, range(len(line)), line[:, at]) for at in range(5))
    s = np.where(s > 2.0, 2.0 + (s - 2.0) * stretch, s)
    out = np.abs(_ACROSS)
    return np.stack(
        (
            s[:, None] + sweep[:, None] * out**2.6,
            half[:, None] * _ACROSS,
            z[:, None] * tall - drop[:, None] * (0.3 * out**2 + 0.7 * out**5),
        ),
        axis=-1,
    )


def _finer(sheet: Floats) -> Floats:
    """`sheet` with a row more between any two: for glass, in which one sees what is mirrored."""
    rows = np.empty((2 * len(sheet) - 1, *sheet.shape[1:]))
    rows[::2], rows[1::2] = sheet, (sheet[:-1] + sheet[1:]) / 2
    return rows


def _flank(tall: float, length_m: float, side: int) -> Floats:
    """One side from the sill to the shoulder: points (rows, along, 3)."""
    s = np.concatenate(([0.42, 0.52, 0.72], np.linspace(1.0, length_m - 0.1, 14)))
    rows = []
    for z, half in ((0.2, 0.86), (0.38, 0.885), (0.6, 0.91), (0.74, 0.9), (0.83, 0.885)):
        tuck = np.interp(s, (0.42, 0.52, 0.95), (0.955, 0.975, 1.0))
        rows.append(np.stack((s, side * half * tuck, np.full_like(s, z * tall)), axis=-1))
    return np.stack(rows)


def _shelf(tall: float, length_m: float, side: int) -> Floats:
    """The shoulder between a flank and the cabin."""
    s = np.linspace(1.05, length_m - 0.12, 12)
    rows = ((0.885, 0.83), (0.83, 0.905), (0.76, 0.935), (0.6, 0.945))
    return np.stack([
        np.stack((s, np.full_like(s, side * y), np.full_like(s, z * tall)), axis=-1)
        for y, z in rows
    ])  # fmt: skip


def _window(cabin: Floats, tall: float, side: int) -> Floats:
    """The side windows, from the shoulder up to the cabin's edge."""
    edge = cabin[:, -1 if side > 0 else 0]
    return np.stack((edge * (1, 0, 0) + (0.0, side * 0.79, 0.93 * tall), edge))


def _facets(sheet: Floats, paint: Colour, *, is_glass: bool = False) -> Facets:
    corners = np.stack((sheet[:-1, :-1], sheet[:-1, 1:], sheet[1:, 1:], sheet[1:, :-1]), axis=2)
    corners = corners.reshape(-1, 4, 3)
    normals = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    middle = corners.mean(axis=1) - (np.array((2.2, 0.0, 0.55)))
    outward = np.sign((normals * middle).sum(axis=1))
    return Facets(corners, normals * np.where(outward == 0, 1, outward)[:, None], paint, is_glass)


def shade(facets: Facets, towards_eye: Floats) -> Floats:
    """The colour of each facet by day, BGR (n, 3), seen in the direction `towards_eye` (n, 3)."""
    normals = facets.normals
    cosine = np.clip((normals * towards_eye).sum(axis=1), 0.0, 1.0)
    mirrored = 2 * cosine[:, None] * normals - towards_eye
    sky = _sky(mirrored)
    fresnel = 0.04 + 0.7 * (1 - cosine) ** 4
    paint = np.asarray(facets.paint)
    if facets.is_glass:
        y, z = facets.corners[:, :, 1].mean(axis=1), facets.corners[:, :, 2].mean(axis=1)
        trees = 1.18 + 0.05 * np.sin(3.1 * y + 1)
        clear = 0.06 + 0.32 * np.clip((z - trees) / 0.34 + 0.5, 0, 1)
        return np.asarray(paint * 0.9 + sky * (clear + fresnel)[:, None], np.float64)
    # Cars drive towards -s, so the sun's s is turned.
    sun = np.clip(normals @ (SUN * (-1, 1, 1)), 0.0, 1.0)
    light = 0.34 + 0.26 * np.clip(normals[:, 2], -0.6, 1) + 0.52 * sun
    gloss = 90 * np.clip(mirrored @ (SUN * (-1, 1, 1)), 0, 1) ** 24
    painted = paint * light[:, None] + sky * (0.07 + fresnel)[:, None] + gloss[:, None]
    return np.asarray(painted, np.float64)


def _sky(direction: Floats) -> Floats:
    """What is mirrored: dark ground, a bright horizon, a sky that darkens upwards."""
    up = direction[:, 2:3]
    ground, horizon, zenith = (
        np.array(c) for c in ((58, 60, 60), (226, 222, 214), (186, 160, 132))
    )
    round_about = np.arctan2(direction[:, 1:2], direction[:, 0:1])
    trees = 0.16 + 0.07 * np.sin(5 * round_about) + 0.05 * np.sin(11 * round_about + 1)
    high = np.clip(up / 0.9, 0, 1)
    blend = np.clip((up - trees) / 0.12 + 0.5, 0, 1)
    seen = ground * (1 - blend) + (horizon * (1 - high) + zenith * high) * blend
    return np.asarray(seen, np.float64)
