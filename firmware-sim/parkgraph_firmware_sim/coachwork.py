"""Draws one car's body into a picture: facets from far to near, then lamps, grille and mirrors."""

import random
from collections.abc import Iterable, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_firmware_sim.bodywork import Body, Colour, body, shade
from parkgraph_firmware_sim.optics import (
    FOCAL_PIXELS,
    HEIGHT,
    NEAREST_M,
    POSITION,
    WIDTH,
    project,
)
from parkgraph_firmware_sim.plates import Picture, as_picture
from parkgraph_firmware_sim.scene import CarView

Floats = NDArray[np.float64]
Outline = Sequence[tuple[float, float]]

FINER: Final = 2
MARGIN_PIXELS: Final = 6
MIRRORS: Final = np.array(((1.5, 1.1, 1.0), (1.5, -1.1, 1.0)))
NIGHT_PAINT: Final = np.array((0.42, 0.37, 0.35))
BLACK: Final[Colour] = (24, 23, 22)

# Outlines on the nose: side y and height z. What has y > 0 is drawn on both sides.
INTAKE: Final[Outline] = ((-0.62, 0.25), (0.62, 0.25), (0.5, 0.395), (-0.5, 0.395))
GRILLE: Final[Outline] = (
    (-0.4, 0.6), (0.4, 0.6), (0.47, 0.66), (0.44, 0.725), (-0.44, 0.725), (-0.47, 0.66),
)  # fmt: skip
LAMP: Final[Outline] = (
    (0.5, 0.645), (0.66, 0.622), (0.84, 0.652), (0.875, 0.735), (0.7, 0.722), (0.52, 0.7),
)  # fmt: skip
FOG_LAMP: Final[Outline] = ((0.62, 0.3), (0.78, 0.31), (0.8, 0.39), (0.63, 0.37))
CREASE: Final[Outline] = ((-0.86, 0.575), (-0.4, 0.56), (0.4, 0.56), (0.86, 0.575))
JOINT: Final[Outline] = ((-0.86, 0.765), (-0.4, 0.752), (0.4, 0.752), (0.86, 0.765))
# Behind the windscreen: side y, half width, height, foot z and colour of seats and the driver.
INSIDE: Final = (
    (-0.36, 0.15, 0.20, 0.98, (44, 41, 38)),
    (-0.36, 0.07, 0.09, 1.17, (48, 45, 42)),
    (0.36, 0.20, 0.18, 0.97, (52, 46, 42)),
    (0.36, 0.062, 0.14, 1.12, (78, 86, 104)),
)
LIP: Final[Outline] = ((-0.74, 0.225), (-0.4, 0.205), (0.4, 0.205), (0.74, 0.225))


def place(car: CarView, points: Floats) -> Floats:
    """Return the lane points of a car's own `points` (…, 3): it stands a little aside and askew."""
    chance = random.Random(car.look ^ 0x5EED)
    aside, askew = chance.uniform(-0.1, 0.1), chance.uniform(-0.02, 0.02)
    s, y = points[..., 0], points[..., 1]
    return np.stack((car.front_x - s - askew * y, y + aside - askew * s, points[..., 2]), axis=-1)


def draw_car(picture: Picture, car: CarView, *, is_night: bool) -> None:
    """Draw `car` without its plate into `picture`, in place."""
    built = body(car.look, car.length_m)
    corners = np.concatenate([facets.corners for facets in built.facets])
    pixels, depth = project(place(car, corners))
    is_seen = depth.min(axis=1) > NEAREST_M
    if not is_seen.any():
        return
    mirrors, _depth = project(place(car, MIRRORS))
    box = box_around(np.concatenate((pixels[is_seen].reshape(-1, 2), mirrors)))
    if box is None:
        return
    left, top, right, bottom = box
    _cast_shadow(picture, car)
    view = picture[top:bottom, left:right]
    fine = as_picture(cv2.resize(view, None, fx=FINER, fy=FINER, interpolation=cv2.INTER_NEAREST))
    brush = _Brush(fine, car, (left, top), NIGHT_PAINT if is_night else np.ones(3))
    _wheels(brush, built)
    _facets(brush, built, (pixels, depth, is_seen))
    _nose(brush, built)
    _cockpit(brush, built)
    size = (right - left, bottom - top)
    picture[top:bottom, left:right] = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)


class _Brush:
    """Fills outlines given in a car's coordinates, in a finer copy of a part of the picture."""

    def __init__(self, fine: Picture, car: CarView, origin: tuple[int, int], light: Floats) -> None:
        self.fine = fine
        self.front_x = car.front_x
        self._car = car
        self._origin = np.array(origin)
        self.light = light

    def fill(self, points: Floats, colour: Sequence[float]) -> None:
        """Fill the outline `points` (n, 3)."""
        pixels, depth = project(place(self._car, points))
        if depth.min() > NEAREST_M:
            cv2.fillPoly(self.fine, [self.grid(pixels, 16)], self.lit(colour), cv2.LINE_AA, shift=4)

    def line(self, points: Floats, colour: Sequence[float], metres: float) -> None:
        """Draw a line along `points` (n, 3), `metres` thick."""
        pixels, depth = project(place(self._car, points))
        if depth.min() > NEAREST_M:
            thick = max(1, round(metres * FOCAL_PIXELS * FINER / float(depth.mean())))
            line = [self.grid(pixels, 16)]
            cv2.polylines(self.fine, line, False, self.lit(colour), thick, cv2.LINE_AA, 4)

    def grid(self, pixels: Floats, parts: int) -> NDArray[np.int32]:
        """Pixels of the picture as `parts` of pixels of the finer one."""
        inside = (pixels - self._origin) * FINER + 0.5
        return np.asarray(np.clip(inside * parts, -4e5, 4e5).round(), np.int32)

    def lit(self, colour: Sequence[float]) -> Colour:
        """`colour` in the light there is."""
        blue, green, red = np.clip(np.asarray(colour) * self.light, 0, 255).tolist()
        return blue, green, red


def box_around(pixels: Floats, *, margin: int = MARGIN_PIXELS) -> tuple[int, int, int, int] | None:
    """The part of the picture about `pixels` (n, 2): left, top, right, bottom; None if outside."""
    low, high = pixels.min(axis=0) - margin, pixels.max(axis=0) + margin
    left, top = (int(v) for v in np.clip(low, 0, (WIDTH, HEIGHT)))
    right, bottom = (int(v) for v in np.clip(high, 0, (WIDTH, HEIGHT)))
    return (left, top, right, bottom) if right > left and bottom > top else None


def _cast_shadow(picture: Picture, car: CarView) -> None:
    """Darken the road under the car, softly."""
    length = car.length_m
    ground = np.array([(0.1, 0.86, 0), (0.1, -0.98, 0), (length, -0.98, 0), (length, 0.86, 0)])
    pixels, depth = project(place(car, ground))
    blur = max(2, round(40 / max(1.0, float(depth.min()))))
    box = box_around(np.clip(pixels, -4000, 4000), margin=5 * blur)
    if box is None:
        return
    left, top, right, bottom = box
    size = (right - left, bottom - top)
    share: Picture = np.full(
        (max(1, (bottom - top) // 4), max(1, (right - left) // 4)), 255, np.uint8
    )
    points = (np.clip(pixels, -4000, 4000) - (left, top)) * 4
    cv2.fillPoly(share, [points.round().astype(np.int32)], 44, shift=4)
    blurred = cv2.GaussianBlur(share, (0, 0), blur / 2, borderType=cv2.BORDER_REPLICATE)
    soft = cv2.resize(blurred, size, interpolation=cv2.INTER_LINEAR)
    view = picture[top:bottom, left:right]
    cv2.multiply(view, cv2.merge((soft, soft, soft)), dst=view, scale=1 / 255)


def _facets(brush: _Brush, built: Body, seen: tuple[Floats, Floats, NDArray[np.bool_]]) -> None:
    pixels, depth, is_seen = seen
    colours, faces, group = [], [], []
    for number, facets in enumerate(built.facets):
        eye = np.array((brush.front_x - POSITION[0], POSITION[1], POSITION[2]))
        towards = eye - facets.corners.mean(axis=1)
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        colours.append(shade(facets, towards))
        faces.append((facets.normals * towards).sum(axis=1) > 0)
        group.append(np.full(len(facets.corners), number))
    painted = np.clip(np.concatenate(colours) * brush.light, 0, 255).tolist()
    grid = brush.grid(pixels, 1)
    is_drawn = is_seen & np.concatenate(faces)
    order = np.lexsort((-depth.mean(axis=1), np.concatenate(group)))
    for facet in order[is_drawn[order]].tolist():
        cv2.fillConvexPoly(brush.fine, grid[facet], painted[facet])


def _wheels(brush: _Brush, built: Body) -> None:
    """The tyres and the dark below the bumper."""
    tray = np.array([(0.5, 0.7, 0.1), (0.5, -0.7, 0.1), (0.5, -0.7, 0.4), (0.5, 0.7, 0.4)])
    brush.fill(tray, (16, 16, 16))
    for side in (-1, 1):
        y = np.array((0.6, 0.63, 0.78, 0.81, 0.81, 0.6)) * side
        z = np.array((0.04, 0.0, 0.0, 0.04, 0.5, 0.5)) * built.tall
        brush.fill(np.stack((np.full(6, 0.58), y, z), axis=-1), (30, 29, 28))


def _both(outline: Outline) -> Iterable[Outline]:
    yield outline
    yield tuple((-y, z) for y, z in outline)


def _on_nose(built: Body, outline: Outline, *, closed: bool = True) -> Floats:
    """The outline on the curved nose, with points enough between its corners."""
    corners = np.array((*outline, outline[0]) if closed else outline)
    fine = np.linspace(0, len(corners) - 1, 6 * (len(corners) - 1) + 1)
    y, z = (np.interp(fine, range(len(corners)), corners[:, at]) for at in (0, 1))
    return built.on_nose(y, z)


def _nose(brush: _Brush, built: Body) -> None:
    darker = [0.52 * part for part in built.paint]
    for side in (-1, 1):
        fold = built.on_bonnet(np.linspace(0.3, 1.08, 9), side * np.linspace(0.4, 0.52, 9))
        brush.line(fold, [0.86 * part + 6 for part in built.paint], 0.014)
    brush.line(_on_nose(built, CREASE, closed=False), darker, 0.012)
    brush.line(_on_nose(built, JOINT, closed=False), [0.4 * part for part in built.paint], 0.010)
    brush.fill(_on_nose(built, INTAKE), BLACK)
    for z in (0.29, 0.325, 0.36):
        slat = ((-0.55, z), (0.55, z))
        brush.line(_on_nose(built, slat, closed=False), (44, 43, 42), 0.008)
    brush.line(_on_nose(built, LIP, closed=False), (38, 37, 36), 0.035)
    brush.fill(_on_nose(built, GRILLE), BLACK)
    for z in (0.625, 0.648, 0.671, 0.694):
        brush.line(_on_nose(built, ((-0.42, z), (0.42, z)), closed=False), (74, 74, 74), 0.006)
    brush.line(_on_nose(built, GRILLE), (150, 152, 152), 0.012)
    ring = np.linspace(0, 2 * np.pi, 20)
    badge = tuple(zip(0.05 * np.cos(ring), 0.662 + 0.04 * np.sin(ring), strict=True))
    brush.fill(_on_nose(built, badge), (190, 192, 192))
    brush.line(_on_nose(built, badge), (90, 92, 92), 0.008)
    for lamp in _both(LAMP):
        _head_lamp(brush, built, lamp)
    for lamp in _both(FOG_LAMP):
        brush.fill(_on_nose(built, lamp), (34, 33, 32))
        middle = np.mean(lamp, axis=0)
        brush.fill(_disc(built, (float(middle[0]), float(middle[1])), 0.03), (150, 152, 150))


def _disc(built: Body, middle: tuple[float, float], radius: float) -> Floats:
    ring = np.linspace(0, 2 * np.pi, 16)
    return built.on_nose(middle[0] + radius * np.cos(ring), middle[1] + radius * np.sin(ring))


def _head_lamp(brush: _Brush, built: Body, lamp: Outline) -> None:
    side = np.sign(lamp[0][0])
    brush.fill(_on_nose(built, lamp), (78, 74, 70))
    for y, radius in ((0.62, 0.03), (0.75, 0.036)):
        brush.fill(_disc(built, (side * y, 0.678), radius), (46, 44, 42))
        brush.fill(_disc(built, (side * y, 0.68), radius * 0.72), (196, 198, 196))
        brush.fill(_disc(built, (side * y, 0.686), radius * 0.4), (240, 242, 240))
    light = ((side * 0.54, 0.653), (side * 0.66, 0.634), (side * 0.83, 0.66))
    brush.line(_on_nose(built, light, closed=False), (246, 248, 246), 0.011)
    brush.line(_on_nose(built, lamp), (40, 39, 38), 0.008)


def _cockpit(brush: _Brush, built: Body) -> None:
    """What is behind the windscreen, its wipers, and the mirrors."""
    tall = built.tall
    across = np.linspace(-1, 1, 15)
    bent = 1.075 + 0.26 * np.abs(across) ** 2.6
    cowl = np.stack((bent, 0.74 * across, np.full(15, 0.962 * tall)), axis=-1)
    brush.line(cowl, (30, 30, 29), 0.022)
    for y, wide, high, low, colour in INSIDE:
        ring = np.linspace(0, 2 * np.pi, 22)
        bulge = np.sign(np.sin(ring)) * np.abs(np.sin(ring)) ** 0.7
        z = (low + (bulge * 0.5 + 0.5) * high) * tall
        brush.fill(np.stack((np.full(22, 1.6), y + wide * np.cos(ring), z), axis=-1), colour)
    wheel = np.linspace(np.pi * 0.05, np.pi * 0.95, 14)
    rim = np.stack((
        np.full(14, 1.3), 0.36 + 0.18 * np.cos(wheel), (0.985 + 0.13 * np.sin(wheel)) * tall
    ), axis=-1)  # fmt: skip
    brush.line(rim, (40, 38, 36), 0.018)
    mirror = [(1.72, 0.06, 1.345), (1.72, -0.06, 1.345), (1.72, -0.05, 1.305), (1.72, 0.05, 1.305)]
    brush.fill(np.array(mirror) * (1, 1, tall), (30, 29, 28))
    for begin, end in ((0.52, -0.02), (-0.06, -0.5)):
        wiper = np.array([(1.18, begin, 0.985 * tall), (1.2, end, 1.0 * tall)])
        brush.line(wiper, (22, 22, 22), 0.012)
    for side in (-1, 1):
        outline = ((0.86, 0.97), (0.9, 1.05), (1.03, 1.07), (1.07, 1.0), (1.02, 0.94), (0.9, 0.94))
        shell = np.array([(1.45, side * y, z * tall) for y, z in outline])
        brush.fill(shell, [0.72 * part + 12 for part in built.paint])
        brush.line(shell[[1, 2, 3]], [0.95 * part + 25 for part in built.paint], 0.015)
        brush.line(shell[[3, 4, 5]], (20, 20, 20), 0.02)
