"""Puts a plate on the nose of a car: in perspective, and blurred by distance and motion."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph_firmware_sim.bodywork import body
from parkgraph_firmware_sim.coachwork import FINER, box_around, place
from parkgraph_firmware_sim.optics import NEAREST_M, project
from parkgraph_firmware_sim.plates import FORMATS, Picture, as_picture
from parkgraph_firmware_sim.scene import CarView

Floats = NDArray[np.float64]

PLATE_Z: Final = 0.495
DAY_PLATE: Final = 0.86
NIGHT_PLATE: Final = 0.95
"""At night the plate throws the camera's own light back."""
EXPOSURE_SECONDS: Final = 1 / 240


def mount_plate(picture: Picture, car: CarView, plate: Picture, *, is_night: bool) -> None:
    """Put `plate` on the nose of `car`, as sharp as distance and motion leave it."""
    pixels, depth = project(place(car, _plate_corners(car)))
    if depth.min() <= NEAREST_M:
        return
    moved, _depth = project(
        place(car, _plate_corners(car)) + np.array((car.speed_m_s * EXPOSURE_SECONDS, 0, 0))
    )
    smear = moved.mean(axis=0) - pixels.mean(axis=0)
    box = box_around(pixels)
    if box is None:
        return
    left, top, right, bottom = box
    view = picture[top:bottom, left:right]
    size = ((right - left) * FINER, (bottom - top) * FINER)
    wide = float(np.linalg.norm(pixels[1] - pixels[0])) * FINER
    scale = min(1.0, wide / plate.shape[1])
    small = cv2.resize(plate, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    high, across = small.shape[:2]
    begin = np.array([(0, 0), (across, 0), (across, high), (0, high)], np.float32) - 0.5
    end = ((pixels - (left, top)) * FINER - 0.5).astype(np.float32)
    warp = cv2.getPerspectiveTransform(begin, end)
    fine = cv2.resize(view, size, interpolation=cv2.INTER_NEAREST)
    holder = (end - end.mean(axis=0)) * (1.03, 1.1) + end.mean(axis=0)
    cv2.fillPoly(fine, [(holder * 16).round().astype(np.int32)], (20, 20, 20), cv2.LINE_AA, 4)
    lit = cv2.convertScaleAbs(small, alpha=NIGHT_PLATE if is_night else DAY_PLATE)
    cv2.warpPerspective(
        lit, warp, size, dst=fine, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
    )
    soft = cv2.resize(fine, view.shape[1::-1], interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(soft, (0, 0), 0.45 + 0.02 * float(depth.mean()))
    view[:] = _smeared(as_picture(soft), smear)


def _plate_corners(car: CarView) -> Floats:
    form = FORMATS[car.style]
    half, high = form.width / 2000, form.height / 2000
    middle = PLATE_Z * body(car.look, car.length_m).tall
    # The driver's left is the camera's right.
    corners = [(-half, high), (half, high), (half, -high), (-half, -high)]
    return np.array([(-0.02 + 0.12 * up, side, middle + up) for side, up in corners])


def _smeared(picture: Picture, way: Floats) -> Picture:
    """Blur `picture` along `way`, in pixels."""
    length = float(np.linalg.norm(way))
    if length < 1.0:
        return picture
    side = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((side, side), np.float32)
    middle = np.array((side - 1, side - 1)) / 2
    ends = (
        ((middle - way / 2) * 16).round().astype(int),
        ((middle + way / 2) * 16).round().astype(int),
    )
    cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), 1.0, 1, cv2.LINE_AA, 4)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)
