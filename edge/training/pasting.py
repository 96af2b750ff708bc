"""Laying one drawn plate into a picture: covering the old one, light, frame, sharpness, edges."""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np

from training.photos import Floats, Pixels

PANEL_ODDS: Final = 0.35
RIM_ODDS: Final = 0.5
SHADOW_EDGE_ODDS: Final = 0.15
LEAST_CONTRAST: Final = 8.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Whole pixels of a picture, clipped to it; `is_empty` where nothing is left."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def is_empty(self) -> bool:
        return self.x1 - self.x0 < 3 or self.y1 - self.y0 < 3

    def of(self, image: Pixels) -> Pixels:
        return image[self.y0 : self.y1, self.x0 : self.x1]


def bounds_of(quad: Floats, image: Pixels, *, margin: float = 1.0) -> Bounds:
    """The pixels of `image` around `quad`, shape (4, 2), and `margin` more on each side."""
    low, high = np.floor(quad.min(axis=0) - margin), np.ceil(quad.max(axis=0) + margin)
    height, width = image.shape[:2]
    x0, x1 = np.clip([low[0], high[0]], 0, width)
    y0, y1 = np.clip([low[1], high[1]], 0, height)
    return Bounds(int(x0), int(y0), int(x1), int(y1))


def cover(image: Pixels, quad: Floats, rng: np.random.Generator) -> None:
    """Make the plate in `quad` vanish under what is above and below it."""
    area = bounds_of(quad, image, margin=2.0 + 0.12 * float(np.ptp(quad[:, 1])))
    if area.is_empty:
        return
    height = area.y1 - area.y0
    shift = int(height * rng.uniform(1.05, 1.6)) * (1 if rng.random() < 0.5 else -1)
    fits = area.y0 + shift >= 0 and area.y1 + shift <= image.shape[0]
    if fits and rng.random() < 0.4:
        area.of(image)[:] = image[area.y0 + shift : area.y1 + shift, area.x0 : area.x1].copy()
        return
    above = image[max(0, area.y0 - 3) : max(1, area.y0), area.x0 : area.x1].mean(axis=0)
    below = image[min(area.y1, image.shape[0] - 1) :][:3, area.x0 : area.x1].mean(axis=0)
    part = np.linspace(0, 1, height)[:, None, None]
    fill = above[None] * (1 - part) + below[None] * part
    fill = cv2.blur(fill, (max(1, (area.x1 - area.x0) // 3), 1))
    noise = rng.normal(0, rng.uniform(0.5, 5.0), (height, area.x1 - area.x0, 1))
    area.of(image)[:] = np.clip(fill + noise, 0, 255)


def paste_plate(
    image: Pixels, plate: Floats, quad: Floats, softness: float, rng: np.random.Generator
) -> None:
    """Lay `plate` (BGR, 0 to 255) over `quad`: top left, top right, bottom right, bottom left.

    Its light, contrast and colour follow what is around it, within wide limits. `softness` is the
    blur in pixels that the picture has already. A panel or a dark rim may be drawn around it.
    """
    around = bounds_of(quad, image, margin=0.5 * float(np.ptp(quad[:, 1])))
    if around.is_empty:
        return
    local = around.of(image).reshape(-1, 3).astype(np.float32)
    lit = _light(plate, local, rng)
    if rng.random() < PANEL_ODDS:
        _draw_panel(image, quad, local.mean(axis=0), rng)
    if rng.random() < RIM_ODDS:
        rim = _grown(quad, *rng.uniform(1.01, 1.12, 2))
        _blend(image, np.full((8, 8, 3), lit.mean() * rng.uniform(0.1, 0.8)), rim, 0.7)
    _blend(image, _at_size(lit, quad, softness), quad, 1.0)


def _light(plate: Floats, local: Floats, rng: np.random.Generator) -> Floats:
    """Give `plate` the level, contrast and cast that it could have among `local` pixels, (n, 3)."""
    grey = plate.mean(axis=2)
    ground = max(30.0, float(np.percentile(grey, 75)))
    surround = float(local.mean())
    chance = rng.random()
    if chance < 0.6:
        level = surround * float(np.exp(rng.uniform(-0.6, 1.0)))
    elif chance < 0.85:
        level = float(np.percentile(local.mean(axis=1), 92)) * float(np.exp(rng.uniform(-0.3, 0.3)))
    else:
        level = rng.uniform(40, 250)
    level = float(np.clip(level, 22, 252))
    contrast = rng.uniform(0.3, 1.0) if rng.random() < 0.5 else rng.uniform(0.8, 1.15)
    lit = ((plate - ground) * contrast + ground) * (level / ground)
    spread = float(lit.mean(axis=2).std())
    if spread < LEAST_CONTRAST:  # Nobody could see it.
        lit = (lit - lit.mean()) * (LEAST_CONTRAST / max(spread, 0.5)) + level + LEAST_CONTRAST
    cast = (local.mean(axis=0) + 12.0) / (surround + 12.0)
    lit = lit * cast ** rng.uniform(0.0, 1.0) * np.exp(rng.normal(0, 0.04, 3))
    if rng.random() < SHADOW_EDGE_ODDS:
        lit = lit * _shadow(plate.shape[0], plate.shape[1], rng)
    return np.asarray(np.clip(lit, 0, 255), dtype=np.float32)


def _shadow(height: int, width: int, rng: np.random.Generator) -> Floats:
    """Factors that darken one side of a slanting edge, shape (height, width, 1)."""
    y, x = np.mgrid[0:height, 0:width]
    angle = rng.uniform(0, 2 * np.pi)
    along = (x - width * rng.uniform(0.2, 0.8)) * np.cos(angle)
    along = along + (y - height * rng.uniform(0.2, 0.8)) * np.sin(angle)
    depth = rng.uniform(0.3, 0.7)
    soft = 1.0 / (1.0 + np.exp(-np.clip(along / rng.uniform(1.0, 8.0), -30, 30)))
    return np.asarray(1.0 - depth * soft, dtype=np.float32)[..., None]


def _draw_panel(image: Pixels, quad: Floats, local: Floats, rng: np.random.Generator) -> None:
    """A recess or holder around the plate: mostly darker than the car, sometimes lighter."""
    panel = _grown(quad, rng.uniform(1.05, 1.9), rng.uniform(1.05, 1.8))
    panel = panel + rng.normal(0, 0.06, 2) * np.ptp(quad, axis=0)
    factor = rng.uniform(0.1, 0.7) if rng.random() < 0.75 else rng.uniform(1.1, 1.8)
    shade = np.linspace(1.0, rng.uniform(0.6, 1.3), 16)[:, None, None] * local * factor
    field = np.broadcast_to(shade, (16, 16, 3)).astype(np.float32)
    _blend(image, field, np.asarray(panel, dtype=np.float32), rng.uniform(0.6, 1.0))


def _grown(quad: Floats, across: float, down: float) -> Floats:
    """`quad` made larger about its middle, along its own sides."""
    right = (quad[1] - quad[0] + quad[2] - quad[3]) / 4 * (across - 1)
    bottom = (quad[3] - quad[0] + quad[2] - quad[1]) / 4 * (down - 1)
    moves = np.stack([-right - bottom, right - bottom, right + bottom, bottom - right])
    return np.asarray(quad + moves, dtype=np.float32)


def _at_size(plate: Floats, quad: Floats, softness: float) -> Floats:
    """Shrink `plate` to about the size it will have, then soften it as the picture is soft."""
    width = float(np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])) / 2
    height = float(np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2
    wanted = (max(6, round(width * 1.15)), max(4, round(height * 1.15)))
    if wanted[0] < plate.shape[1] and wanted[1] < plate.shape[0]:
        plate = np.asarray(cv2.resize(plate, wanted, interpolation=cv2.INTER_AREA), np.float32)
    if softness > 0.2:
        plate = np.asarray(cv2.GaussianBlur(plate, (0, 0), softness), np.float32)
    return plate


def _blend(image: Pixels, field: Any, quad: Floats, strength: float) -> None:
    """Stretch `field` over `quad` and mix it into `image`; its edges are smooth."""
    area = bounds_of(quad, image, margin=2.0)
    if area.is_empty:
        return
    height, width = field.shape[:2]
    outline = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    target = (quad - [area.x0, area.y0] - 0.5).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(outline, target)
    size = (area.x1 - area.x0, area.y1 - area.y0)
    # Replicated edges and a mask of its own: a border of black would bleed into the plate.
    warped = cv2.warpPerspective(
        np.asarray(field, np.float32), matrix, size, borderMode=cv2.BORDER_REPLICATE
    )
    mask = cv2.warpPerspective(np.full((height, width), strength, np.float32), matrix, size)
    target_area = area.of(image)
    mixed = target_area + (warped - target_area) * mask[..., None]
    target_area[:] = np.clip(mixed, 0, 255)
