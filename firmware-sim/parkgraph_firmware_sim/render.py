"""Draws what the camera of a lane sees: the backdrop, the cars with their plates, the arm."""

from collections import OrderedDict
from typing import Final

import cv2
import numpy as np

from parkgraph_firmware_sim import arm, night
from parkgraph_firmware_sim.backdrop import backdrop
from parkgraph_firmware_sim.cars import Style
from parkgraph_firmware_sim.coachwork import draw_car
from parkgraph_firmware_sim.optics import HEIGHT, WIDTH
from parkgraph_firmware_sim.plates import Picture, plate, with_mud
from parkgraph_firmware_sim.scene import CarView, Scene
from parkgraph_firmware_sim.sticker import stick

JPEG_QUALITY: Final = 88
PLATES_KEPT: Final = 16
GRAIN_DAY: Final = 2.6
GRAIN_NIGHT: Final = 5.0
SPARE: Final = 64
"""How much larger than a frame the stored grain is: each frame shows another part of it."""
VISIBLE_X: Final = (-30.0, 5.5)


class Renderer:
    """Draws frames of one lane. Not for two threads at once."""

    def __init__(self, *, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._seed = seed
        self._backdrops: dict[bool, Picture] = {}
        self._plates: OrderedDict[tuple[str, Style, int, bool], Picture] = OrderedDict()
        self._bodies: dict[bool, tuple[tuple[CarView, ...], Picture]] = {}
        self._grain = {night: self._make_grain(night) for night in (False, True)}
        self._vignette = _vignette()

    def jpeg(self, scene: Scene) -> bytes:
        """Draw `scene` and compress it."""
        _ok, data = cv2.imencode(".jpg", self.draw(scene), (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
        return data.tobytes()

    def draw(self, scene: Scene) -> Picture:
        """Draw `scene`: BGR, uint8, shape (720, 1280, 3)."""
        if scene.is_dark:
            return self._with_grain(np.full((HEIGHT, WIDTH, 3), 4, np.uint8), is_night=True)
        near = [car for car in scene.cars if VISIBLE_X[0] < car.front_x < VISIBLE_X[1]]
        cars = tuple(sorted(near, key=lambda car: car.front_x))
        picture = self._lane_with(cars, is_night=scene.is_night).copy()
        for car in cars:
            stick(picture, self._plate(car, is_dirty=scene.has_dirty_plates), car, scene.is_night)
        if scene.is_night:
            night.glare(picture, cars)
        arm.draw_arm(picture, scene.boom_degrees, shows_go=scene.shows_go, is_night=scene.is_night)
        picture = cv2.multiply(picture, self._vignette, scale=1 / 255)
        return self._with_grain(picture, is_night=scene.is_night)
