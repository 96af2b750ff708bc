"""Pictures of the simulated lane, and what can be wrong with a camera that takes them."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.motion import small_grey
from parkgraph_firmware_sim.render import Renderer
from parkgraph_firmware_sim.scene import CarView, Scene

Change = Callable[[Pixels], Pixels]

WIDTH: Final = 1280
HEIGHT: Final = 720
# A sensor has noise after whatever happens before its lens.
NOISE_LEVELS: Final = 2.5
_RENDERER: Final = Renderer(seed=1)
_NOISE: Final = np.random.default_rng(5)


def a_scene(*, car_at: float | None = None, is_night: bool = False, is_dark: bool = False) -> Scene:
    """An empty lane, or one with a car whose front is `car_at` metres from the boom."""
    car = CarView("KLM4827", "us", 7, car_at or 0.0, 4.6, 0.0)
    return Scene(
        seconds=0.0,
        cars=() if car_at is None else (car,),
        boom_degrees=0.0,
        shows_go=False,
        is_night=is_night,
        is_dark=is_dark,
        has_dirty_plates=False,
    )


def picture(scene: Scene | None = None, change: Change | None = None) -> Pixels:
    """What the camera takes now: each time with other noise."""
    drawn = _RENDERER.draw(scene or a_scene())
    return drawn if change is None else noisy(change(drawn))


def jpeg(pixels: Pixels, *, quality: int = 82) -> bytes:
    return cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()


def greys(scene: Scene | None = None, change: Change | None = None, *, count: int) -> list[Pixels]:
    """Pictures of a scene as the judge gets them."""
    return [small_grey(jpeg(picture(scene, change))) for _ in range(count)]


def in_turn(pictures: list[Pixels]) -> Iterator[Pixels]:
    """Give `pictures` for ever, in an order that gives none twice in a row, if there are two."""
    chance, at = np.random.default_rng(3), 0
    while True:
        at = (at + int(chance.integers(1, max(2, len(pictures))))) % len(pictures)
        yield pictures[at]


def noisy(pixels: Pixels) -> Pixels:
    noise = _NOISE.standard_normal(pixels.shape, np.float32) * NOISE_LEVELS
    return _pixels(pixels + noise)


def unchanged(pixels: Pixels) -> Pixels:
    return pixels


def black(pixels: Pixels) -> Pixels:
    return np.zeros_like(pixels)


def white(pixels: Pixels) -> Pixels:
    return np.full_like(pixels, 255)


def dimmed(share: float) -> Change:
    return lambda pixels: _pixels(pixels * share)


def blurred(sigma: float) -> Change:
    return lambda pixels: _pixels(cv2.GaussianBlur(pixels, (0, 0), sigma))


def smeared(pixels: Pixels) -> Pixels:
    """Mud or a drop on the middle of the lens."""
    drop = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(drop, (560, 330), (560, 330), 10, 0, 360, 1.0, cv2.FILLED)
    lens = cv2.GaussianBlur(drop, (0, 0), 40)[..., None]
    behind = cv2.GaussianBlur(pixels, (0, 0), 25) * 0.7 + 50
    return _pixels(pixels * (1 - lens) + behind * lens)


def glared(pixels: Pixels) -> Pixels:
    """The sun in the picture."""
    rows, columns = np.indices((HEIGHT, WIDTH), dtype=np.float32)
    light = 330 * np.exp(-(((columns - 640) / 520) ** 2) - ((rows - 300) / 380) ** 2)
    return _pixels(pixels * 0.9 + light[..., None])


def hazed(pixels: Pixels) -> Pixels:
    """Light in the lens, or thick fog."""
    return _pixels(pixels * 0.15 + 190)


def rained_on(pixels: Pixels) -> Pixels:
    """Wet, grey, with streaks that are elsewhere in each picture."""
    streaks = np.zeros((HEIGHT, WIDTH), np.float32)
    for x, y, length, light in _NOISE.uniform((0, -40, 15, 20), (WIDTH, HEIGHT, 45, 70), (900, 4)):
        begin, end = (int(x), int(y)), (int(x) + 3, int(y + length))
        cv2.line(streaks, begin, end, float(light), 1, cv2.LINE_AA)
    return _pixels(pixels * 0.8 + 20 + cv2.GaussianBlur(streaks, (0, 0), 0.8)[..., None])


def moved(right: float, down: float) -> Change:
    return lambda pixels: _warped(pixels, np.array([[1, 0, right], [0, 1, down]], np.float32))


def turned(degrees: float) -> Change:
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, 1.0)
    return lambda pixels: _warped(pixels, turn)


def behind_a_truck(pixels: Pixels) -> Pixels:
    """The front of a truck fills the picture."""
    near = pixels.copy()
    for corner, other, colour in [
        ((60, 0), (1220, 720), (225, 225, 225)),
        ((120, 60), (1160, 330), (60, 50, 45)),
        ((300, 430), (980, 560), (90, 90, 90)),
        ((520, 600), (760, 690), (245, 245, 245)),
    ]:
        cv2.rectangle(near, corner, other, colour, cv2.FILLED)
    for y in range(440, 560, 20):
        cv2.line(near, (300, y), (980, y), (20, 20, 20), 4)
    cv2.putText(near, "KLM4827", (530, 665), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (10, 10, 10), 5)
    return near


def behind_a_white_car(pixels: Pixels) -> Pixels:
    """A white car in the sun, brighter than the camera can tell."""
    near = pixels.copy()
    cv2.rectangle(near, (200, 150), (1080, 650), (255, 255, 255), cv2.FILLED)
    cv2.rectangle(near, (300, 200), (980, 350), (60, 50, 45), cv2.FILLED)
    return near


def behind_a_wall(pixels: Pixels) -> Pixels:
    """The wall of a trailer fills the picture."""
    near = pixels.copy()
    cv2.rectangle(near, (60, 0), (1220, 720), (225, 225, 225), cv2.FILLED)
    return near


def _warped(pixels: Pixels, how: NDArray[Any]) -> Pixels:
    return _pixels(cv2.warpAffine(pixels, how, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT))


def _pixels(values: NDArray[Any]) -> Pixels:
    held: NDArray[Any] = np.clip(np.rint(values), 0, 255)
    return held.astype(np.uint8)
