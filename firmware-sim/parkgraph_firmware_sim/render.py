"""Draws what the camera of a lane sees: the backdrop, the cars with their plates, the arm."""

from collections import OrderedDict
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_firmware_sim.arm import draw_arm
from parkgraph_firmware_sim.backdrop import backdrop
from parkgraph_firmware_sim.cars import Style
from parkgraph_firmware_sim.coachwork import draw_car
from parkgraph_firmware_sim.mounting import mount_plate
from parkgraph_firmware_sim.night import glare
from parkgraph_firmware_sim.optics import HEIGHT, WIDTH
from parkgraph_firmware_sim.plates import Picture, plate, with_mud
from parkgraph_firmware_sim.scene import CarView, Scene

JPEG_QUALITY: Final = 82
PLATES_KEPT: Final = 16
GRAIN_DAY: Final = 2.4
GRAIN_NIGHT: Final = 4.5
SPARE: Final = 64
"""How much larger than a frame the stored grain is: each frame shows another part of it."""
VISIBLE_X: Final = (-30.0, 6.5)
DARK: Final = 4


class Renderer:
    """Draws frames of one lane. Not for two threads at once."""

    def __init__(self, *, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._seed = seed
        self._backdrops: dict[bool, Picture] = {}
        self._plates: OrderedDict[tuple[str, Style, int, bool], Picture] = OrderedDict()
        self._lane: tuple[tuple[tuple[CarView, ...], bool, bool], Picture] | None = None
        self._grain: dict[bool, Picture] = {}
        self._vignette = _vignette()

    def jpeg(self, scene: Scene) -> bytes:
        """Draw `scene` and compress it."""
        _ok, data = cv2.imencode(".jpg", self.draw(scene), (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
        return data.tobytes()

    def draw(self, scene: Scene) -> Picture:
        """Draw `scene`: BGR, uint8, shape (720, 1280, 3)."""
        if scene.is_dark:
            return self._grainy(np.full((HEIGHT, WIDTH, 3), DARK, np.uint8), is_night=True)
        near = (car for car in scene.cars if VISIBLE_X[0] < car.front_x < VISIBLE_X[1])
        cars = tuple(sorted(near, key=lambda car: car.front_x))
        kept = (cars, scene.is_night, scene.has_dirty_plates)
        if self._lane is None or self._lane[0] != kept:
            picture = self._draw_lane(cars, is_night=kept[1], is_dirty=kept[2])
            self._lane = kept, picture
        picture = self._lane[1].copy()
        draw_arm(picture, scene.boom_degrees, shows_go=scene.shows_go, is_night=scene.is_night)
        picture = np.asarray(cv2.multiply(picture, self._vignette, scale=1 / 255), np.uint8)
        return self._grainy(picture, is_night=scene.is_night)

    def _draw_lane(self, cars: tuple[CarView, ...], *, is_night: bool, is_dirty: bool) -> Picture:
        """The lane with `cars`, the farthest first; kept for as long as none of them moves."""
        if is_night not in self._backdrops:
            self._backdrops[is_night] = backdrop(is_night=is_night, seed=self._seed)
        picture = self._backdrops[is_night].copy()
        for car in cars:
            draw_car(picture, car, is_night=is_night)
            mount_plate(picture, car, self._plate(car, is_dirty=is_dirty), is_night=is_night)
        if is_night:
            glare(picture, cars)
        return picture

    def _plate(self, car: CarView, *, is_dirty: bool) -> Picture:
        key = (car.plate, car.style, car.look, is_dirty)
        if key not in self._plates:
            picture = plate(car.plate, car.style, look=car.look)
            self._plates[key] = with_mud(picture, look=car.look) if is_dirty else picture
            if len(self._plates) > PLATES_KEPT:
                self._plates.popitem(last=False)
        return self._plates[key]

    def _grainy(self, picture: Picture, *, is_night: bool) -> Picture:
        if is_night not in self._grain:
            self._grain[is_night] = _grain(GRAIN_NIGHT if is_night else GRAIN_DAY, self._random)
        left, top = self._random.integers(0, SPARE, 2)
        part = self._grain[is_night][top : top + HEIGHT, left : left + WIDTH]
        return np.asarray(cv2.addWeighted(picture, 1.0, part, 1.0, -128.0), np.uint8)


def _grain(strength: float, random: np.random.Generator) -> Picture:
    """Sensor noise about 128: finer in brightness than in colour, as a camera's is."""
    shape = (HEIGHT + SPARE, WIDTH + SPARE, 3)
    colour = cv2.GaussianBlur(random.standard_normal(shape, np.float32), (0, 0), 1.4) * 2.2
    light: NDArray[np.float32] = random.standard_normal((*shape[:2], 1), np.float32)
    light = cv2.GaussianBlur(light, (0, 0), 0.5)[..., None] * 1.3
    return np.clip(128 + strength * (light + 0.6 * colour), 0, 255).astype(np.uint8)


def _vignette() -> Picture:
    rows, columns = np.indices((HEIGHT, WIDTH), dtype=np.float32)
    away = ((columns / WIDTH - 0.5) ** 2 + (rows / HEIGHT - 0.5) ** 2) * 2
    shade = (255 * (1 - 0.26 * away**1.3)).astype(np.uint8)
    return np.asarray(cv2.merge((shade, shade, shade)), np.uint8)
