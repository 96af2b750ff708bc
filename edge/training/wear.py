"""What a camera leaves of a plate: light, shadows, dirt, distance, blur, noise and compression."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.paint import Canvas, pick, smooth_noise

# As a nearby car and a distant one come out, in pixels of height of one line of characters.
LINE_PIXELS: Final = (9.0, 60.0)
LINE_MEDIAN: Final = 26.0
LINE_SPREAD: Final = 0.5
SMALLEST: Final = (6, 16)


def wear(
    rng: np.random.Generator, pixels: Canvas, line_pixels: float | None = None
) -> NDArray[np.uint8]:
    """Return `pixels` (BGR, 0 to 255) as a camera would deliver them, mostly smaller.

    `line_pixels` says how high the characters are in `pixels`; they come out at a height drawn from
    what cameras see, never enlarged. Without it the size stays.
    """
    image = _lit(rng, pixels.astype(np.float32))
    if rng.random() < 0.15:
        image = _soiled(rng, image)
    if line_pixels is not None:
        image = _far(rng, image, line_pixels)
    image = _unsharp(rng, image)
    image = _noisy(rng, image)
    taken = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.45:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 91))]
        packed = cv2.imencode(".jpg", taken, quality)[1]
        taken = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return taken


def _lit(rng: np.random.Generator, image: Canvas) -> Canvas:
    """Another exposure and colour of light, uneven light, a shadow's edge, a headlamp's glare."""
    height, width = image.shape[:2]
    exposure, haze = float(rng.uniform(0.5, 1.25)), float(rng.uniform(-15, 35))
    image = np.asarray(image * exposure + haze, np.float32)
    if rng.random() < 0.5:
        image = image * np.exp(rng.normal(0, 0.07, 3)).astype(np.float32)
    if rng.random() < 0.35:
        image = image * (1 + smooth_noise(rng, height, width, 0.2, 1))
    if rng.random() < 0.2:
        darker = rng.uniform(0.4, 0.85)
        if rng.random() < 0.5:
            image[:, : int(rng.integers(1, width))] *= darker
        else:
            image[: int(height * rng.uniform(0.1, 0.7))] *= darker
    if rng.random() < 0.1:
        bent = (np.clip(image, 0, 255) / 255) ** float(rng.uniform(0.5, 2))
        image = np.asarray(255 * bent, np.float32)
    return image


def _soiled(rng: np.random.Generator, image: Canvas) -> Canvas:
    """Dust and splashes, most of them low."""
    height, width = image.shape[:2]
    spots = smooth_noise(rng, height, width, 1.0, 1)
    if rng.random() < 0.5:
        fine = rng.normal(0, 1, (max(2, height // 4), max(2, width // 4))).astype(np.float32)
        spots = spots + cv2.resize(fine, (width, height))[..., None]
    low = np.linspace(0.3, 1, height, dtype=np.float32)[:, None, None]
    share = np.clip(spots * low * float(rng.uniform(0.1, 0.5)), 0, 0.75)
    mud = np.array([60, 80, 95], np.float32) * float(rng.uniform(0.5, 1.8))
    return np.asarray(image + (mud - image) * share, np.float32)


def _far(rng: np.random.Generator, image: Canvas, line_pixels: float) -> Canvas:
    wanted = float(np.clip(LINE_MEDIAN * np.exp(rng.normal(0, LINE_SPREAD)), *LINE_PIXELS))
    scale = min(1.0, wanted / line_pixels)
    height, width = image.shape[:2]
    size = (max(SMALLEST[1], round(width * scale)), max(SMALLEST[0], round(height * scale)))
    how = cv2.INTER_AREA if rng.random() < 0.75 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), np.float32)


def _unsharp(rng: np.random.Generator, image: Canvas) -> Canvas:
    """Out of focus, moved, or sharpened by the camera's own zeal."""
    fine = max(1.0, image.shape[0] / 40)
    if rng.random() < 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.9) * fine))
    if rng.random() < 0.14:
        length = pick(rng, (2, 3, 3, 5)) if image.shape[0] > 28 else pick(rng, (2, 3))
        size = (length, 1) if rng.random() < 0.6 else (1, length)
        image = np.asarray(cv2.blur(image, size))
    if rng.random() < 0.3:
        soft = cv2.GaussianBlur(image, (0, 0), fine)
        image = image + (image - soft) * float(rng.uniform(0.3, 1.5))
    return np.asarray(image, np.float32)


def _noisy(rng: np.random.Generator, image: Canvas) -> Canvas:
    if rng.random() > 0.6:
        return image
    height, width = image.shape[:2]
    grain = rng.normal(0, rng.uniform(0, 11), (height, width, pick(rng, (1, 1, 3))))
    return np.asarray(image + grain, np.float32)
