"""The camera above the boom's pillar: where a point of the lane falls in its picture.

The lane's coordinates: x along it as everywhere, y to the driver's left, z up, in metres.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

WIDTH: Final = 1280
HEIGHT: Final = 720
FOCAL_PIXELS: Final = 1600.0
POSITION: Final = np.array((3.2, 0.75, 2.55))
NEAREST_M: Final = 0.6
ROLL_RADIANS: Final = 0.012
_LOOKS_AT: Final = np.array((-2.35, 0.02, 0.72))

Points = NDArray[np.float64]


def _axes() -> Points:
    forward = (_LOOKS_AT - POSITION) / np.linalg.norm(_LOOKS_AT - POSITION)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cosine, sine = np.cos(ROLL_RADIANS), np.sin(ROLL_RADIANS)
    return np.stack((cosine * right + sine * down, cosine * down - sine * right, forward))


AXES: Final = _axes()


def project(points: ArrayLike) -> tuple[Points, Points]:
    """Return pixels (x, y), shape (…, 2), and depths in metres, shape (…), of lane points (…, 3).

    Depths below `NEAREST_M` are beside or behind the camera; their pixels mean nothing.
    """
    seen = (np.asarray(points, np.float64) - POSITION) @ AXES.T
    depth = seen[..., 2]
    pixels = seen[..., :2] * (FOCAL_PIXELS / np.maximum(depth, NEAREST_M))[..., None]
    return pixels + np.array((WIDTH / 2, HEIGHT / 2)), depth
