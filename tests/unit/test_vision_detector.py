"""A plate is found in the whole frame, then looked at closely until its box is right."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from parkgraph_edge.vision.detector import LONGEST_SIDES, Detection, PlateDetector, cut
from parkgraph_edge.vision.frames import Pixels

CELL = 8


class FakeNetwork:
    """Finds white rectangles on black, the `share` of their width that it sees, and how surely."""

    def __init__(self, *scores: float, share: float = 1.0, widest: int = 10_000) -> None:
        self._scores = scores
        self._share = share
        self._widest = widest
        self.looks: list[tuple[int, int]] = []

    def __call__(self, frames: Pixels) -> Sequence[NDArray[np.float32]]:
        _, height, width, _ = frames.shape
        score = np.zeros((height // CELL, width // CELL), np.float32)
        box = np.zeros((*score.shape, 4), np.float32)
        corners = np.zeros((*score.shape, 8), np.float32)
        rows, columns = np.nonzero(frames[0, :, :, 0] == 255)
        if len(rows) and np.ptp(columns) < self._widest:
            x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            x1 = x0 + (x1 - x0) * (self._share if len(self.looks) < 1 else 1.0)
            at = int((y0 + y1) / 2) // CELL, int((x0 + x1) / 2) // CELL
            score[at] = self._scores[min(len(self.looks), len(self._scores) - 1)]
            box[at] = x0, y0, x1, y1
            corners[at] = x0, y0, x1, y0, x1, y1, x0, y1
        self.looks.append((width, height))
        return score, box, corners


def a_frame(*plate: int) -> Pixels:
    """Return a black frame, 1280x720, with a white rectangle x0, y0, x1, y1."""
    frame = np.zeros((720, 1280, 3), np.uint8)
    x0, y0, x1, y1 = plate
    frame[y0:y1, x0:x1] = 255
    return frame


def only(found: Sequence[Detection]) -> Detection:
    [one] = found
    return one


def test_the_second_look_is_a_small_window_and_both_count() -> None:
    network = FakeNetwork(0.6, 0.9)

    found = only(PlateDetector(network).detect(a_frame(600, 400, 720, 440)))

    assert network.looks == [(640, 384), (192, 128)]
    assert found.box == pytest.approx((600, 400, 720, 440), abs=4)
    assert found.score == pytest.approx(0.75)
    assert found.corners is not None
    assert found.corners[2] == pytest.approx((720, 440), abs=4)


def test_a_box_that_was_cut_short_grows() -> None:
    network = FakeNetwork(0.9, share=0.6)

    found = only(PlateDetector(network).detect(a_frame(600, 400, 800, 440)))

    assert found.box == pytest.approx((600, 400, 800, 440), abs=6)
    assert len(network.looks) > 2


def test_what_is_not_seen_again_is_no_plate() -> None:
    assert PlateDetector(FakeNetwork(0.9, 0.1)).detect(a_frame(600, 400, 720, 440)) == ()


def test_a_plate_that_fills_the_frame_is_found_on_a_smaller_one() -> None:
    network = FakeNetwork(0.9, widest=300)

    found = only(PlateDetector(network).detect(a_frame(100, 200, 1200, 500)))

    assert network.looks[1][0] == -(-LONGEST_SIDES[1] // 32) * 32
    assert found.box == pytest.approx((100, 200, 1200, 500), abs=12)


def test_a_plate_at_the_edge_is_cut_off_there() -> None:
    found = only(PlateDetector(FakeNetwork(0.9)).detect(a_frame(1200, 690, 1280, 720)))

    assert found.box == pytest.approx((1200, 690, 1280, 720), abs=4)
    assert found.box[2] <= 1280
    assert found.box[3] <= 720


def test_an_empty_frame_costs_no_close_look() -> None:
    network = FakeNetwork(0.9)

    assert PlateDetector(network).detect(a_frame(0, 0, 0, 0)) == ()
    assert len(network.looks) == len(LONGEST_SIDES)


@pytest.mark.parametrize("place", [(-40, -30), (1200, 660), (100, 100)])
def test_a_window_over_the_edge_is_padded(place: tuple[int, int]) -> None:
    left, top = place

    window = cut(a_frame(0, 0, 1280, 720), left, top, left + 192, top + 128)

    assert window.shape == (128, 192, 3)
    inside = (min(1280, left + 192) - max(0, left)) * (min(720, top + 128) - max(0, top))
    assert (window[:, :, 0] == 255).sum() == inside
