"""What light does at night: head lamps blind the camera a little and light the road before them."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from parkgraph_firmware_sim.bodywork import body
from parkgraph_firmware_sim.coachwork import place
from parkgraph_firmware_sim.optics import HEIGHT, NEAREST_M, WIDTH, project
from parkgraph_firmware_sim.plates import Picture
from parkgraph_firmware_sim.scene import CarView

COARSER: Final = 4
LAMPS: Final = np.array(((0.14, 0.69, 0.69), (0.14, -0.69, 0.69)))
POOL: Final = np.array(((-2.6, 0.0, 0.0),))
WARM: Final = (215, 240, 255)


def glare(picture: Picture, cars: Sequence[CarView]) -> None:
    """Add the light of the cars' head lamps to `picture`, in place."""
    light = np.zeros((HEIGHT // COARSER, WIDTH // COARSER), np.float32)
    pool = np.zeros_like(light)
    for car in cars:
        pixels, depth = project(place(car, LAMPS * (1, 1, body(car.look, car.length_m).tall)))
        for pixel, metres in zip(pixels, depth.tolist(), strict=True):
            if metres > NEAREST_M:
                _spot(light, pixel, 78 / metres, 62 / metres, 420.0)
                _spot(light, pixel, 170 / metres, 150 / metres, 75.0)
                _spot(light, pixel, 560 / metres, 26 / metres, 36.0)
                _spot(light, pixel, 480 / metres, 420 / metres, 22.0)
        pixels, depth = project(place(car, POOL))
        if depth[0] > NEAREST_M:
            _spot(pool, pixels[0], 1500 / depth[0], 560 / depth[0], 1.0)
    lit = cv2.resize(light, (WIDTH, HEIGHT)).clip(0, 255).astype(np.uint8)
    gain = cv2.resize(pool, (WIDTH, HEIGHT)).clip(0, 1)
    road = cv2.multiply(picture, cv2.merge([(gain * 255).astype(np.uint8)] * 3), scale=1.5 / 255)
    cv2.add(picture, road, dst=picture)
    warm = cv2.merge([cv2.convertScaleAbs(lit, alpha=part / 255) for part in WARM])
    cv2.add(picture, warm, dst=picture)


def _spot(
    light: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    pixel: np.ndarray[tuple[int], np.dtype[np.float64]],
    wide: float,
    high: float,
    strength: float,
) -> None:
    """Add a soft spot; sizes are standard deviations in pixels of the full picture."""
    x, y = pixel / COARSER
    columns = np.exp(-(((np.arange(light.shape[1]) - x) * COARSER / max(wide, 2.0)) ** 2) / 2)
    rows = np.exp(-(((np.arange(light.shape[0]) - y) * COARSER / max(high, 2.0)) ** 2) / 2)
    light += (strength * rows[:, None] * columns[None, :]).astype(np.float32)
