"""What looks like a plate and is none: drawn into scenes to teach the detector the difference.

Every function draws into `image` (BGR, uint8, changed in place) inside `place` and takes all chance
from `rng`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from training.photos import Pixels

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghiklmnoprstuvw0123456789-.&"
FONTS: Final = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_COMPLEX_SMALL,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle of whole pixels."""

    x: int
    y: int
    width: int
    height: int

    def overlaps(self, x0: float, y0: float, x1: float, y1: float) -> bool:
        across = self.x < x1 and x0 < self.x + self.width
        return across and self.y < y1 and y0 < self.y + self.height


def draw_clutter(image: Pixels, place: Place, rng: np.random.Generator) -> None:
    """Draw one thing that is no plate."""
    KINDS[int(rng.choice(len(KINDS), p=ODDS))](image, place, rng)


def lettering(image: Pixels, place: Place, rng: np.random.Generator) -> None:
    """Text without a panel: a name of a make, a bumper's or a window's text, a camera's time."""
    write_line(image, place, _tone(rng), rng)


def text_panel(image: Pixels, place: Place, rng: np.random.Generator) -> None:
    """A sign or sticker: a rectangle with several small lines of text, or one far too long."""
    bare_panel(image, place, rng)
    ink = _tone(rng)
    lines = int(rng.integers(3, 6))
    height = max(3, int(place.height * 0.8 / lines))
    for line in range(lines):
        y = place.y + int(place.height * (0.1 + 0.8 * line / lines))
        write_line(image, Place(place.x + 2, y, place.width - 4, int(height * 0.8)), ink, rng)


def bare_panel(image: Pixels, place: Place, rng: np.random.Generator) -> None:
    """A rectangle of one tone with a gradient, often with a rim: a cover, an empty holder."""
    field = image[place.y : place.y + place.height, place.x : place.x + place.width]
    slope = np.linspace(rng.uniform(0.7, 1.0), rng.uniform(0.7, 1.0), place.height)[:, None, None]
    mix = rng.uniform(0.5, 1.0)
    field[:] = np.clip(field * (1 - mix) + np.array(_tone(rng)) * slope * mix, 0, 255)
    if rng.random() < 0.5:
        corner = (place.x + place.width - 1, place.y + place.height - 1)
        cv2.rectangle(image, (place.x, place.y), corner, _tone(rng), int(rng.integers(1, 3)))


def grille(image: Pixels, place: Place, rng: np.random.Generator) -> None:
    """Bars, lying or standing: a radiator, a vent, a fence."""
    bar, gap = _tone(rng), _tone(rng)
    step = int(rng.integers(3, 9))
    lying = rng.random() < 0.6
    field = image[place.y : place.y + place.height, place.x : place.x + place.width]
    field[:] = gap
    for start in range(0, place.height if lying else place.width, step):
        strip = slice(start, start + max(1, step // 2))
        field[(strip,) if lying else (slice(None), strip)] = bar


def tail_light(image: Pixels, place: Place, rng: np.random.Generator) -> None:
    """A red, white or amber lamp with a bright core."""
    centre = (place.x + place.width // 2, place.y + place.height // 2)
    axes = (max(2, place.width // 2), max(2, place.height // 2))
    hue = [(40, 30, 190), (60, 40, 235), (235, 235, 240), (40, 140, 230)][int(rng.integers(4))]
    cv2.ellipse(image, centre, axes, 0, 0, 360, hue, -1, cv2.LINE_AA)
    if rng.random() < 0.6:
        core = (max(1, axes[0] // 2), max(1, axes[1] // 2))
        cv2.ellipse(image, centre, core, 0, 0, 360, (225, 225, 255), -1, cv2.LINE_AA)


def badge(image: Pixels, place: Place, rng: np.random.Generator) -> None:
    """A maker's mark: a ring with a sign in it."""
    radius = max(3, min(place.width, place.height) // 2)
    centre = (place.x + place.width // 2, place.y + place.height // 2)
    cv2.circle(image, centre, radius, _tone(rng), -1, cv2.LINE_AA)
    cv2.circle(image, centre, radius, _tone(rng), max(1, radius // 5), cv2.LINE_AA)
    inner = Place(centre[0] - radius // 2, centre[1] - radius // 3, radius, max(3, radius // 2))
    write_line(image, inner, _tone(rng), rng)


def write_line(
    image: Pixels, place: Place, ink: tuple[float, ...], rng: np.random.Generator
) -> None:
    """Write chance letters from the left of `place`, as high as it is, until it is full."""
    font = FONTS[int(rng.integers(len(FONTS)))]
    scale = max(0.12, place.height / 22.0)
    letters = max(1, int(place.width / (scale * 18.0)))
    text = "".join(LETTERS[int(index)] for index in rng.integers(len(LETTERS), size=letters))
    stroke = max(1, round(scale * rng.uniform(1.0, 3.0)))
    cv2.putText(
        image, text, (place.x, place.y + place.height), font, scale, ink, stroke, cv2.LINE_AA
    )


def _tone(rng: np.random.Generator) -> tuple[float, ...]:
    """A colour: mostly a grey with a cast, at times a strong one."""
    grey = rng.uniform(0, 255)
    spread = 12.0 if rng.random() < 0.7 else 70.0
    return tuple(np.clip(grey + rng.normal(0, spread, 3), 0, 255).tolist())


KINDS: Final[tuple[Callable[[Pixels, Place, np.random.Generator], None], ...]] = (
    lettering,
    text_panel,
    bare_panel,
    grille,
    tail_light,
    badge,
)
ODDS: Final = (0.34, 0.18, 0.18, 0.1, 0.12, 0.08)
