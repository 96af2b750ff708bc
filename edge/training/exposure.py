"""How a camera saw a scene: light, colour, sharpness, noise and compression of a whole picture."""

from typing import Any, Final

import cv2
import numpy as np

from training.photos import Floats, Pixels

DAYLIGHT_ODDS: Final = 0.5
GREY_ODDS: Final = 0.18
BLUR_ODDS: Final = 0.25
SHARPEN_ODDS: Final = 0.15
NOISE_ODDS: Final = 0.4
JPEG_ODDS: Final = 0.35
GRAIN_PIXELS: Final = 1 << 20


class Exposure:
    """Changes pictures as cameras and weather do; holds a stock of noise drawn once from `rng`."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._grain = rng.standard_normal(GRAIN_PIXELS, dtype=np.float32)

    def expose(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        """Return `image` (BGR) under another light, through another camera."""
        image = _develop(image, rng)
        if rng.random() < GREY_ODDS:
            grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            image = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
        if rng.random() < BLUR_ODDS:
            image = _blur(image, rng)
        elif rng.random() < SHARPEN_ODDS:
            soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 1.6))
            gain = rng.uniform(0.3, 1.2)
            image = np.asarray(cv2.addWeighted(image, 1 + gain, soft, -gain, 0), np.uint8)
        if rng.random() < NOISE_ODDS:
            image = self._add_noise(image, rng)
        if rng.random() < JPEG_ODDS:
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 86))]
            packed = cv2.imencode(".jpg", image, quality)[1]
            image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
        return image

    def _add_noise(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        start = int(rng.integers(self._grain.size - image.size))
        grain = self._grain[start : start + image.size].reshape(image.shape)
        return np.asarray(np.clip(image + grain * rng.uniform(1, 9), 0, 255), np.uint8)


def _develop(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Colour balance, exposure, gamma, haze: one curve for each channel."""
    means: Floats = np.asarray(image[::4, ::4].reshape(-1, 3).mean(axis=0) + 4.0, np.float32)
    gains: Any = np.exp(rng.normal(0, 0.10, 3))
    exponent = float(np.exp(rng.normal(0, 0.25)))
    if rng.random() < DAYLIGHT_ODDS:
        gains = gains * (means.mean() / means) ** rng.uniform(0.4, 1.1)
        if means.mean() < 80:
            wanted = rng.uniform(70, 135)
            exponent *= float(np.log(wanted / 255) / np.log(means.mean() / 255))
    gains = gains * np.exp(rng.normal(0.03, 0.22))
    ramp = np.arange(256, dtype=np.float64)[:, None]
    curve = 255 * (np.clip(ramp * gains, 0, 255) / 255) ** exponent
    if rng.random() < 0.3:
        curve = (curve - 110) * rng.uniform(0.45, 1.1) + 110 + rng.normal(0, 18)
    table = np.clip(curve, 0, 255).astype(np.uint8).reshape(1, 256, 3)
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _blur(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Out of focus, or moved while the shutter was open."""
    if rng.random() < 0.6:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.3)), np.uint8)
    length = int(rng.integers(2, 7))
    size = (length, 1) if rng.random() < 0.6 else (1, length)
    return np.asarray(cv2.blur(image, size), np.uint8)
