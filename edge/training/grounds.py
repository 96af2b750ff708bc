"""Surfaces without cars: asphalt, grass, foliage, walls, fences, roads with lines."""

from typing import Final

import cv2
import numpy as np

from training.photos import Floats, Pixels

FENCE_ODDS: Final = 0.2
LINES_ODDS: Final = 0.35
COARSEST: Final = 6


def draw_ground(size: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Draw one surface of `size` (width, height): BGR, uint8."""
    tones = rng.uniform(20, 220) + rng.normal(0, 14, (2, 3)) + rng.normal(0, 22, (2, 1))
    if rng.random() < 0.3:
        tones = tones * (0.6, 1.0, 0.75)  # grass and leaves
    mix = _cloud(size, rng)[..., None]
    image = tones[0] * mix + tones[1] * (1 - mix) + _grain(size, rng)[..., None]
    ground = np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8))
    if rng.random() < LINES_ODDS:
        _draw_lines(ground, rng)
    if rng.random() < FENCE_ODDS:
        _draw_fence(ground, rng)
    return ground


def _cloud(size: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Soft spots of all sizes, 0 to 1, shape (height, width)."""
    total = np.zeros((size[1], size[0]), np.float32)
    fall = rng.uniform(0.4, 1.0)
    stretch = float(np.exp(rng.normal(0, 0.7)))
    for octave in range(COARSEST):
        cells = (max(2, int(3 * stretch * 2**octave)), max(2, int(3 / stretch * 2**octave)))
        spots = rng.random((min(cells[1], size[1]), min(cells[0], size[0])), np.float32)
        total += fall**octave * np.asarray(cv2.resize(spots, size, interpolation=cv2.INTER_CUBIC))
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-3)


def _grain(size: tuple[int, int], rng: np.random.Generator) -> Floats:
    noise = rng.standard_normal((size[1], size[0]), np.float32)
    if rng.random() < 0.5:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.6, 1.5))) * 2.5
    return noise * np.float32(rng.uniform(0, 16))


def _draw_lines(ground: Pixels, rng: np.random.Generator) -> None:
    """Cracks, kerbs, painted lines, edges of shadows."""
    height, width = ground.shape[:2]
    for _ in range(int(rng.integers(1, 7))):
        ends = rng.uniform((0, 0), (width, height), (2, 2)).astype(int)
        tone = [float(rng.uniform(0, 255))] * 3
        thick = int(np.exp(rng.uniform(0, 2.2)))
        start, end = (int(ends[0, 0]), int(ends[0, 1])), (int(ends[1, 0]), int(ends[1, 1]))
        cv2.line(ground, start, end, tone, thick, cv2.LINE_AA)


def _draw_fence(ground: Pixels, rng: np.random.Generator) -> None:
    height, width = ground.shape[:2]
    step, bar = int(rng.integers(5, 30)), int(rng.integers(1, 4))
    top, bottom = sorted(int(row) for row in rng.integers(0, height, 2))
    tone = [float(value) for value in np.clip(rng.uniform(0, 200) + rng.normal(0, 10, 3), 0, 255)]
    for x in range(int(rng.integers(step)), width, step):
        cv2.line(ground, (x, top), (x, bottom), tone, bar)
    for y in (top, bottom):
        cv2.line(ground, (0, y), (width, y), tone, bar + 1)
