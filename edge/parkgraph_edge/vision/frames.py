"""Pictures, wherever they come from: an image, a folder, a video, an MJPEG camera."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import CorruptError, RefusedError
from parkgraph_edge.vision.mjpeg import Camera, is_camera

Pixels = NDArray[np.uint8]

IMAGES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
VIDEOS: Final = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".ts", ".webm"})
# 8K is 33 million; anything larger is a mistake or an attack.
MOST_PIXELS: Final = 40_000_000
MOST_FILE_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source, BGR, uint8, shape (height, width, 3).

    `number` counts from 1. `at_seconds` is the time since the source's first frame,
    None for an image. `source` may stand in a log.
    """

    source: str
    number: int
    at_seconds: float | None
    pixels: Pixels


def decode(encoded: bytes) -> Pixels:
    """Decode a JPEG, PNG, … to BGR.

    Raises:
        CorruptError: it is no picture, or too large a one.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise CorruptError(
            "no picture that can be decoded; give a JPEG, PNG, BMP, TIFF or WebP"
        ) from error
    if pixels is None:
        raise CorruptError("no picture that can be decoded; give a JPEG, PNG, BMP, TIFF or WebP")
    if pixels.shape[0] * pixels.shape[1] > MOST_PIXELS:
        raise CorruptError(
            f"{pixels.shape[1]}x{pixels.shape[0]} pixels, more than {MOST_PIXELS}: scale it down"
        )
    return pixels.astype(np.uint8, copy=False)


def frames(source: str, clock: Clock) -> Iterator[Frame]:
    """Yield the frames of an image, a video or a camera until it ends; a camera does not.

    Raises:
        RefusedError: there is no such source, or it is of no kind known here.
        CorruptError: it is not what its name says.
        UnavailableError: the camera is away.
    """
    if is_camera(source):
        yield from _camera_frames(source, clock)
        return
    if "://" in source:
        raise RefusedError(f"{source}: no camera that can be read; give an http(s) URL of MJPEG")
    path = Path(source)
    if not path.exists():
        raise RefusedError(f"{source}: no such file or folder; check the path")
    if path.suffix.lower() in VIDEOS:
        yield from _video_frames(path)
    elif path.suffix.lower() in IMAGES:
        yield Frame(source, 1, None, _image(path))
    else:
        known = " ".join(sorted(IMAGES | VIDEOS))
        raise RefusedError(f"{source}: neither a picture nor a video; give one of {known}")


def frame_count(path: Path) -> int:
    """Return how many frames a video's header promises; 1 when it does not say, or for an image."""
    if path.suffix.lower() not in VIDEOS:
        return 1
    video = cv2.VideoCapture(str(path))
    try:
        return max(1, int(video.get(cv2.CAP_PROP_FRAME_COUNT)))
    finally:
        video.release()


def _image(path: Path) -> Pixels:
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise RefusedError(f"{path}: larger than {MOST_FILE_BYTES >> 20} MiB; scale it down")
        return decode(path.read_bytes())
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}; check the file") from error
    except CorruptError as error:
        raise CorruptError(f"{path}: {error}") from error


def _video_frames(path: Path) -> Iterator[Frame]:
    video = cv2.VideoCapture(str(path))
    try:
        promised = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        per_second = video.get(cv2.CAP_PROP_FPS) or 25.0
        number = 0
        while True:
            is_there, pixels = video.read()
            if not is_there:
                break
            number += 1
            yield Frame(
                str(path), number, (number - 1) / per_second, pixels.astype(np.uint8, copy=False)
            )
        if number == 0:
            raise CorruptError(
                f"{path}: no frame can be decoded; copy it again, or convert it to MP4"
            )
        # Headers round, and estimate the frames of a varying rate: a few less are no damage.
        if number < promised * 0.95 - 2:
            raise CorruptError(
                f"{path}: ends after frame {number} of {promised}; it is cut off or damaged, "
                "copy it again"
            )
    finally:
        video.release()


def _camera_frames(url: str, clock: Clock) -> Iterator[Frame]:
    camera = Camera(url, clock)
    began: float | None = None
    for number, part in enumerate(camera.parts(), start=1):
        began = part.arrived_at if began is None else began
        try:
            pixels = decode(part.jpeg)
        except CorruptError as error:
            raise CorruptError(f"{camera.name}: {error}; check the camera") from error
        yield Frame(camera.name, number, part.arrived_at - began, pixels)
