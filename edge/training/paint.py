"""What plates are drawn with: choices, colours, noise, masks and small pictures."""

from collections.abc import Sequence
from typing import Final, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas: TypeAlias = NDArray[np.float32]  # (height, width, 3), BGR, 0 to 255
Colour: TypeAlias = NDArray[np.float32]  # (3,), BGR
Mask: TypeAlias = NDArray[np.uint8]  # (height, width), 255 where there is ink
Box: TypeAlias = tuple[float, float, float, float]  # x0, y0, x1, y1
Choice = TypeVar("Choice")
FEWEST_ICON_PIXELS: Final = 5


def pick(rng: np.random.Generator, options: Sequence[Choice]) -> Choice:
    """One of `options`, each as likely as the other."""
    return options[int(rng.integers(len(options)))]


def weighted(rng: np.random.Generator, weights: dict[Choice, float]) -> Choice:
    """One of the keys, as often as its weight says."""
    options = list(weights)
    shares = np.cumsum(list(weights.values()))
    return options[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))]


def any_colour(rng: np.random.Generator, low: float, high: float) -> Colour:
    """A colour between two brightnesses, grey half of the time."""
    colour = rng.uniform(low, high, 3).astype(np.float32)
    return colour if rng.random() < 0.5 else np.full(3, colour.mean(), np.float32)


def near(rng: np.random.Generator, blue: float, green: float, red: float) -> Colour:
    """The given colour as some printer and some sun have left it."""
    colour = np.array([blue, green, red], np.float32) * rng.uniform(0.8, 1.1)
    return np.clip(colour + rng.normal(0, 9, 3), 0, 255).astype(np.float32)


def as_scalar(colour: Colour) -> tuple[float, float, float]:
    """`colour` as OpenCV's drawing functions take it."""
    return float(colour[0]), float(colour[1]), float(colour[2])


def smooth_noise(
    rng: np.random.Generator, height: int, width: int, amplitude: float, channels: int = 3
) -> Canvas:
    """Slow waves of light, mean 0, shape (height, width, channels)."""
    grid = rng.normal(0, amplitude, (rng.integers(2, 7), rng.integers(2, 10), channels))
    waves = cv2.resize(grid.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return waves.reshape(height, width, channels).astype(np.float32, copy=False)


def paste(canvas: Canvas, mask: Mask, at: tuple[int, int], colour: Colour, alpha: float) -> None:
    """Colour `canvas` where `mask` is set, its upper left corner at `at` (x, y); in place."""
    left, top = at
    height, width = mask.shape
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(canvas.shape[1], left + width), min(canvas.shape[0], top + height)
    if x1 <= x0 or y1 <= y0:
        return
    cut = mask[y0 - top : y1 - top, x0 - left : x1 - left]
    share = (cut.astype(np.float32) * (alpha / 255))[..., None]
    region = canvas[y0:y1, x0:x1]
    region += (colour - region) * share


def draw_icon(
    rng: np.random.Generator, canvas: Canvas, box: Box, ink: Colour | None = None
) -> None:
    """Draw a small picture that is no letter: a map, an animal, a seal, a flower; in place.

    With `ink` some are in the colour of the characters, which makes them harder to tell apart.
    """
    x0, y0, x1, y1 = box
    if min(x1 - x0, y1 - y0) < FEWEST_ICON_PIXELS:
        return
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    half = np.array([(x1 - x0) / 2, (y1 - y0) / 2])
    for _ in range(int(rng.integers(1, 4))):
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 13))))
        radii = rng.uniform(0.35, 1, len(angles))
        points = centre + np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1) * half
        shade = any_colour(rng, 0, 255)
        if ink is not None and rng.random() < 0.35:
            shade = ink
        colour = as_scalar(shade)
        kind = rng.random()
        if kind < 0.6:
            cv2.fillPoly(canvas, [points.astype(np.int32)], colour)
        elif kind < 0.85:
            closed = bool(rng.random() < 0.5)
            thick = int(rng.integers(1, 5))
            cv2.polylines(canvas, [points.astype(np.int32)], closed, colour, thick)
        else:
            axes = (max(1, int(half[0])), max(1, int(half[1] * rng.uniform(0.4, 1))))
            thick = pick(rng, (-1, 1, 2, 3))
            cv2.ellipse(canvas, (int(centre[0]), int(centre[1])), axes, 0, 0, 360, colour, thick)


def draw_hills(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draw a skyline along the lower or upper edge, as many states do; in place."""
    height, width = canvas.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        count = int(rng.integers(3, 9))
        xs = np.linspace(0, width, count)
        ys = height * (1 - rng.uniform(0.05, 0.45) * rng.uniform(0.3, 1, count))
        if rng.random() < 0.12:
            ys = height - ys
            base = 0
        else:
            base = height
        outline = np.concatenate([np.stack([xs, ys], 1), [[width, base], [0, base]]])
        layer = canvas.copy()
        cv2.fillPoly(layer, [outline.astype(np.int32)], as_scalar(any_colour(rng, 40, 250)))
        share = float(rng.uniform(0.15, 0.7))
        canvas += (layer - canvas) * share


def draw_gradient(rng: np.random.Generator, canvas: Canvas) -> None:
    """Let another colour fade in from above, from below or from both; in place."""
    height = canvas.shape[0]
    ramp = np.linspace(1, 0, height, dtype=np.float32) ** float(rng.uniform(0.6, 3))
    ways = (ramp, ramp[::-1], np.maximum(ramp, ramp[::-1]))
    share = (pick(rng, ways) * rng.uniform(0.3, 1))[:, None, None].astype(np.float32)
    light = float(canvas.mean()) > 110
    canvas += (any_colour(rng, *((60, 250) if light else (0, 140))) - canvas) * share
