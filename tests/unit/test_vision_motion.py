"""The motion gate lets through what moved."""

import cv2
import numpy as np
import pytest

from parkgraph.runtime.errors import CorruptError
from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.motion import HEIGHT, WIDTH, MotionGate, small_grey


def a_lane(*, car_at: int | None = None, brighter: int = 0) -> Pixels:
    noise = np.random.default_rng(1).integers(0, 12, (720, 1280, 3))
    lane = (noise + 90 + brighter).astype(np.uint8)
    if car_at is not None:
        cv2.rectangle(lane, (car_at, 300), (car_at + 300, 560), (200, 30, 30), cv2.FILLED)
    return small_grey(jpeg(lane))


def jpeg(pixels: Pixels) -> bytes:
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def test_the_first_picture_passes() -> None:
    assert MotionGate().passes(a_lane())


def test_a_lane_in_which_nothing_moves_does_not_pass() -> None:
    gate = MotionGate()
    gate.passes(a_lane())

    assert not gate.passes(a_lane(brighter=3))


def test_a_car_passes() -> None:
    gate = MotionGate()
    gate.passes(a_lane())

    assert gate.passes(a_lane(car_at=400))


def test_a_car_that_creeps_passes_again_and_again() -> None:
    gate = MotionGate()

    passed = [gate.passes(a_lane(car_at=300 + 3 * step)) for step in range(20)]

    assert 3 <= sum(passed) < 20


@pytest.mark.parametrize("size", [(3, 5), (180, 320), (720, 1280), (1080, 1920), (2160, 3840)])
def test_pictures_of_all_sizes_become_one(size: tuple[int, int]) -> None:
    grey = small_grey(jpeg(np.full((*size, 3), 90, np.uint8)))

    assert grey.shape == (HEIGHT, WIDTH)
    assert grey.dtype == np.uint8
    assert abs(int(grey.mean()) - 90) <= 1


@pytest.mark.parametrize("encoded", [b"not a jpeg", b"", b"\xff\xd8\xff"])
def test_what_is_no_picture_is_refused(encoded: bytes) -> None:
    with pytest.raises(CorruptError):
        small_grey(encoded)
