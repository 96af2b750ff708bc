"""The boom's arm and its cabinet, in front of everything else the camera sees."""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_firmware_sim.optics import FOCAL_PIXELS, NEAREST_M, project
from parkgraph_firmware_sim.plates import Picture

PIVOT: Final = np.array((0.0, 1.62, 0.80))
LENGTH_M: Final = 3.4
HALF_HEIGHT_M: Final = 0.055
DEPTH_M: Final = 0.05
STRIPE_M: Final = 0.36
RED: Final = (44, 36, 196)
WHITE: Final = (232, 234, 234)
GO: Final = (120, 235, 90)
STOP: Final = (70, 60, 250)
NIGHT_LIGHT: Final = 0.5
SHIFT: Final = 4

Floats = NDArray[np.float64]
Colour = tuple[float, float, float]


def draw_arm(picture: Picture, degrees: float, *, shows_go: bool, is_night: bool) -> None:
    """Draw the arm at `degrees` from level into `picture`, in place."""
    light = NIGHT_LIGHT if is_night else 1.0
    turn = math.radians(degrees)
    along = np.array((0.0, -math.cos(turn), math.sin(turn)))
    up = np.array((0.0, math.sin(turn), math.cos(turn)))
    back = np.array((DEPTH_M, 0.0, 0.0))
    _cabinet(picture, light)
    stripes = math.ceil(LENGTH_M / STRIPE_M)
    for stripe in range(stripes):
        begin, end = stripe * STRIPE_M, min(LENGTH_M, (stripe + 1) * STRIPE_M)
        colour = WHITE if stripe % 2 else RED
        near, far = PIVOT + back + along * begin, PIVOT + back + along * end
        low, high = -HALF_HEIGHT_M * up, HALF_HEIGHT_M * up
        _fill(picture, (near + low, far + low, far + high, near + high), colour, 0.80 * light)
        top = (near + high, far + high, far + high - back, near + high - back)
        _fill(picture, top, colour, 1.0 * light)
    rim = [PIVOT + back + along * at - HALF_HEIGHT_M * up for at in (0.0, LENGTH_M)]
    _line(picture, rim, (60, 60, 60), light, 0.012)
    lights = [PIVOT + back + along * at + up * 0.02 for at in (0.25, LENGTH_M - 0.1)]
    _line(picture, lights, GO if shows_go else STOP, 1.0, 0.014)


def _cabinet(picture: Picture, light: float) -> None:
    """The post with the drive, beside the lane."""
    x, y, high = (-0.16, 0.2), (1.6, 2.0), 0.98
    front = [(x[1], y[0], 0), (x[1], y[1], 0), (x[1], y[1], high), (x[1], y[0], high)]
    side = [(x[0], y[0], 0), (x[1], y[0], 0), (x[1], y[0], high), (x[0], y[0], high)]
    lid = [(x[0], y[0], high), (x[1], y[0], high), (x[1], y[1], high), (x[0], y[1], high)]
    _fill(picture, side, (60, 122, 214), 0.62 * light)
    _fill(picture, front, (60, 122, 214), 0.86 * light)
    _fill(picture, lid, (84, 148, 236), light)
    _line(picture, [np.array(corner) for corner in (*lid, lid[0])], (44, 92, 168), light, 0.012)


def _fill(picture: Picture, corners: object, colour: Colour, light: float) -> None:
    pixels, depth = project(np.asarray(corners))
    if depth.min() > NEAREST_M:
        points = np.clip(pixels * (1 << SHIFT), -3e5, 3e5).round().astype(np.int32)
        cv2.fillPoly(picture, [points], _lit(colour, light), cv2.LINE_AA, SHIFT)


def _line(
    picture: Picture, ends: list[Floats], colour: Colour, light: float, metres: float
) -> None:
    pixels, depth = project(ends)
    if depth.min() > NEAREST_M:
        points = np.clip(pixels * (1 << SHIFT), -3e5, 3e5).round().astype(np.int32)
        thick = max(1, round(metres * FOCAL_PIXELS / float(depth.mean())))
        cv2.polylines(picture, [points], False, _lit(colour, light), thick, cv2.LINE_AA, SHIFT)


def _lit(colour: Colour, light: float) -> Colour:
    blue, green, red = colour
    return blue * light, green * light, red * light
