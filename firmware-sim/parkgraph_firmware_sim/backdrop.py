"""The lane without cars, drawn once: asphalt, markings, kerbs, paving, hedge and lamp light."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_firmware_sim.lane import ARMING_LOOP_X
from parkgraph_firmware_sim.optics import FOCAL_PIXELS, HEIGHT, WIDTH, project
from parkgraph_firmware_sim.plates import Picture

Floats = NDArray[np.float32]

PER_METRE: Final = 60
BEGIN_X, END_X = -46.0, 3.0
LEFT_Y, RIGHT_Y = 7.5, -7.5
KERB_Y: Final = 1.62
KERB_HEIGHT: Final = 0.14
NIGHT_LIGHT: Final = (0.30, 0.26, 0.235)


def backdrop(*, is_night: bool, seed: int) -> Picture:
    """Draw the empty lane: BGR, uint8, shape (720, 1280, 3)."""
    random = np.random.default_rng(seed)
    ground = _ground(random)
    picture = _lay_down(ground)
    _kerbs(picture)
    _hedge(picture, random)
    _bollards(picture)
    picture = np.asarray(cv2.GaussianBlur(picture, (3, 3), 0), np.float32)
    if is_night:
        picture *= np.array(NIGHT_LIGHT, np.float32)
        picture *= (0.55 + 2.3 * _lamp_light())[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def _clouds(random: np.random.Generator, shape: tuple[int, int], cell: int) -> Floats:
    """Smooth noise about 0, with spots of about `cell` pixels."""
    small = random.standard_normal((shape[0] // cell + 2, shape[1] // cell + 2), np.float32)
    return np.asarray(cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _column(y: float) -> int:
    return round((LEFT_Y - y) * PER_METRE)


def _row(x: float) -> int:
    return round((END_X - x) * PER_METRE)


def _ground(random: np.random.Generator) -> Floats:
    """The ground from above, `PER_METRE` pixels a metre; rows go away from the camera."""
    shape = (_row(BEGIN_X), _column(RIGHT_Y))
    grain = 5 * random.standard_normal(shape, np.float32)
    for cell, depth in ((3, 4.0), (14, 2.5), (70, 3.5), (260, 4.0)):
        grain += depth * _clouds(random, shape, cell)
    ground = np.array((97, 98, 99), np.float32) + grain[..., None]
    across = LEFT_Y - np.arange(shape[1], dtype=np.float32) / PER_METRE
    tracks = np.exp(-((np.abs(across) - 0.74) ** 2) / 0.045)
    drips = np.exp(-(across**2) / 0.03) * (1 + 0.5 * _clouds(random, (shape[0], 1), 50))
    ground *= (1 - 0.09 * tracks - 0.13 * np.clip(drips, 0, 1.5))[..., None]
    _mark(ground, random)
    _verges(ground, random, grain)
    return np.asarray(np.clip(ground, 0, 255), np.float32)


def _mark(ground: Floats, random: np.random.Generator) -> None:
    """Stop line, edge lines, an arrow, and the tar in the slots of the arming loop."""
    size = (ground.shape[0], ground.shape[1])
    paint = np.zeros(size, np.float32)
    paint[_row(-0.72) : _row(-1.02), _column(1.4) : _column(-1.4)] = 1
    for y in (1.47, -1.39):
        paint[:, _column(y) : _column(y - 0.09)] = 1
    arrow = ((-8.6, 0.09), (-7.2, 0.09), (-7.2, 0.34), (-6.1, 0.0), (-7.2, -0.34), (-7.2, -0.09))
    corners = [(_column(y), _row(x)) for x, y in (*arrow, (-8.6, -0.09))]
    cv2.fillPoly(paint, [np.array(corners, np.int32)], 1.0, cv2.LINE_AA)
    worn = np.clip(0.72 + 0.22 * _clouds(random, size, 5), 0, 1)
    worn *= np.clip(0.9 + 0.25 * _clouds(random, size, 40), 0, 1)
    share = (cv2.GaussianBlur(paint, (3, 3), 0) * worn)[..., None]
    ground[:] = ground * (1 - share) + np.array((205, 212, 214), np.float32) * share
    begin, end = (_row(ARMING_LOOP_X[1]), _row(ARMING_LOOP_X[0]))
    slots = np.zeros_like(paint)
    cv2.rectangle(slots, (_column(0.95), begin), (_column(-0.95), end), 1.0, 2, cv2.LINE_AA)
    cv2.line(slots, (_column(-0.95), begin + 20), (_column(-1.7), begin + 20), 1.0, 2)
    ground *= (1 - 0.55 * slots)[..., None]


def _verges(ground: Floats, random: np.random.Generator, grain: Floats) -> None:
    """Paving behind the left kerb, grass behind the right one."""
    left = slice(0, _column(KERB_Y))
    rows, columns = np.indices(ground[:, left].shape[:2], dtype=np.float32)
    course = np.floor(rows / 24)
    joints = (rows % 24 < 2) | ((columns + course % 2 * 20) % 40 < 2)
    tone = _clouds(random, joints.shape, 24)
    paving = np.array((128, 138, 146), np.float32) + 5 * tone[..., None] + grain[:, left, None]
    ground[:, left] = paving * np.where(joints, 0.74, 1.0)[..., None]
    right = slice(_column(-KERB_Y), None)
    shape = ground[:, right].shape[:2]
    blades = 15 * _clouds(random, shape, 3) + 11 * _clouds(random, shape, 30)
    ground[:, right] = np.array((52, 92, 80), np.float32) + blades[..., None] * (0.5, 1.0, 0.9)


def _lay_down(ground: Floats) -> Floats:
    """See `ground` from the camera; drawn at twice the size, as its far end is very fine."""
    near, far = -0.6, BEGIN_X
    pixels, _depth = project([(near, 4, 0), (near, -4, 0), (far, -4, 0), (far, 4, 0)])
    on_map = [(_column(y), _row(x)) for x, y in ((near, 4), (near, -4), (far, -4), (far, 4))]
    view = cv2.getPerspectiveTransform(
        np.array(on_map, np.float32), (pixels * 2 + 0.5).astype(np.float32)
    )
    big = cv2.warpPerspective(
        ground, view, (2 * WIDTH, 2 * HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(cv2.resize(big, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.float32)


def _fill(picture: Floats, corners: object, colour: tuple[float, float, float]) -> None:
    pixels, depth = project(np.asarray(corners))
    if depth.min() > 0:
        points = np.clip(pixels * 16, -3e5, 3e5).round().astype(np.int32)
        cv2.fillPoly(picture, [points], colour, cv2.LINE_AA, shift=4)


def _kerbs(picture: Floats) -> None:
    """Kerb stones a metre long on both sides, their faces to the road."""
    for side in (1, -1):
        for stone in range(int(-BEGIN_X), -3, -1):
            x, to = -stone - 0.0, -stone + 0.97
            tone = 1.0 + 0.05 * ((stone * 7) % 5 - 2) / 2
            inner, outer = side * KERB_Y, side * (KERB_Y + 0.15)
            face = [
                (x, inner, 0),
                (to, inner, 0),
                (to, inner, KERB_HEIGHT),
                (x, inner, KERB_HEIGHT),
            ]
            top = [
                (a, b, KERB_HEIGHT) for a, b in ((x, inner), (to, inner), (to, outer), (x, outer))
            ]
            _fill(picture, face, (104 * tone, 108 * tone, 110 * tone))
            _fill(picture, top, (164 * tone, 169 * tone, 171 * tone))


def _hedge(picture: Floats, random: np.random.Generator) -> None:
    """A clipped hedge along the grass, and a low wall across the far end."""
    leaves = _clouds(random, (HEIGHT, WIDTH), 3) * 16 + _clouds(random, (HEIGHT, WIDTH), 9) * 12
    green = np.clip(np.array((38, 62, 50), np.float32) + leaves[..., None] * (0.6, 1, 0.8), 5, 255)
    cover = np.zeros((HEIGHT, WIDTH), np.float32)
    y, high = -4.0, 1.3
    _fill_one(cover, [(BEGIN_X, y, 0), (-5, y, 0), (-5, y, high), (BEGIN_X, y, high)])
    _fill_one(cover, [(BEGIN_X, y, high), (-5, y, high), (-5, y - 4, high), (BEGIN_X, y - 4, high)])
    _fill_one(cover, [(-5, y, 0), (-5, y - 4, 0), (-5, y - 4, high), (-5, y, high)])
    shade = cv2.GaussianBlur(cover, (0, 0), 14)
    picture *= (1 - 0.45 * shade * (1 - cover))[..., None]
    share = np.asarray(cv2.GaussianBlur(cover, (0, 0), 1.3), np.float32)[..., None]
    picture[:] = picture * (1 - share) + green * share


def _fill_one(cover: Floats, corners: object) -> None:
    pixels, _depth = project(np.asarray(corners))
    points = np.clip(pixels * 16, -3e5, 3e5).round().astype(np.int32)
    cv2.fillPoly(cover, [points], 1.0, cv2.LINE_AA, shift=4)


def _bollards(picture: Floats) -> None:
    """Steel posts with a white band on the paving."""
    for x in (-3.4, -5.4, -7.4, -9.4, -11.4, -13.4, -15.4, -17.4):
        pixels, depth = project([(x, 2.05, 0.0), (x, 2.05, 0.62), (x, 2.05, 0.78), (x, 2.05, 0.9)])
        wide = round(0.1 * FOCAL_PIXELS / float(depth[0]))
        foot, low, high, top = (tuple(pixel.round().astype(int)) for pixel in pixels)
        cv2.ellipse(picture, foot, (wide, max(1, wide // 3)), 0, 0, 360, (84, 90, 92), -1)
        cv2.line(picture, foot, top, (70, 66, 62), wide, cv2.LINE_AA)
        cv2.line(picture, low, high, (208, 212, 214), wide, cv2.LINE_AA)
        shine = (foot[0] - wide // 4, foot[1]), (top[0] - wide // 4, top[1])
        cv2.line(picture, *shine, (128, 126, 122), max(1, wide // 5), cv2.LINE_AA)


def _lamp_light() -> Floats:
    """How much of the barrier's lamp falls where in the picture: 0 to 1."""
    rows, columns = np.indices((HEIGHT, WIDTH), dtype=np.float32)
    away = ((columns - 640) / 620) ** 2 + ((rows - 520) / 420) ** 2
    return np.asarray(np.exp(-away), np.float32)
