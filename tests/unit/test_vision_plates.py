"""Of all the lines on a picture the plate is chosen."""

import cv2
import numpy as np
import pytest

from parkgraph_edge.vision.detector import Boxes, Scores
from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.plates import PlateReader, likeness, plausible
from parkgraph_edge.vision.reader import Line, main_band


class FakeDetector:
    """Finds the boxes it was given."""

    def __init__(self, *boxes: tuple[int, int, int, int]) -> None:
        self._boxes = np.array(boxes, np.float32).reshape(-1, 4)
        self.looks = 0

    def detect(self, frame: Pixels) -> tuple[Boxes, Scores]:
        self.looks += 1
        return self._boxes, np.ones(len(self._boxes), np.float32)


class FakeReader:
    """Reads by the brightness of the crop."""

    def read(self, crop: Pixels) -> Line:
        text = {10: "ABC1234", 20: "DEALER", 30: "7"}[int(crop[0, 0, 0])]
        return Line(text, (0.99,) * len(text))


def a_frame() -> Pixels:
    """Return a picture with a plate at the left, a dealer's name at the right, a 7 below."""
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[:, :320], frame[:, 320:], frame[300:] = 10, 20, 30
    return frame


PLATE = (50, 100, 150, 130)
DEALER = (400, 100, 550, 150)
SEVEN = (50, 320, 100, 350)


def test_a_plate_comes_before_a_larger_word() -> None:
    readings = PlateReader((FakeDetector(DEALER, PLATE),), FakeReader()).read_plates(a_frame())

    assert [reading.text for reading in readings] == ["ABC1234", "DEALER"]
    assert readings[0].box == PLATE
    assert len(readings[0].characters) == 7


def test_beside_a_plate_a_word_is_not_plausible() -> None:
    readings = PlateReader((FakeDetector(DEALER, PLATE),), FakeReader()).read_plates(a_frame())

    assert [reading.text for reading in plausible(readings)] == ["ABC1234"]


def test_what_no_plate_says_is_left_out() -> None:
    assert PlateReader((FakeDetector(SEVEN),), FakeReader()).read_plates(a_frame()) == []


def test_a_plate_found_at_a_glance_saves_the_thorough_look() -> None:
    glance, thorough = FakeDetector(PLATE), FakeDetector(PLATE)

    PlateReader((glance, thorough), FakeReader()).read_plates(a_frame())

    assert (glance.looks, thorough.looks) == (1, 0)


def test_a_frame_without_a_plate_gets_the_thorough_look() -> None:
    glance, thorough = FakeDetector(DEALER), FakeDetector(PLATE)

    readings = PlateReader((glance, thorough), FakeReader()).read_plates(a_frame())

    assert [reading.text for reading in readings] == ["ABC1234"]


def test_a_picture_that_is_a_plate_is_read_whole() -> None:
    crop = np.full((100, 200, 3), 10, np.uint8)

    readings = PlateReader((FakeDetector(),), FakeReader()).read_plates(crop)

    assert [(one.text, one.box) for one in readings] == [("ABC1234", (0, 0, 200, 100))]


@pytest.mark.parametrize("text", ["ABC", "ABCD", "ABCDEFGHIJ1", ""])
def test_a_text_of_the_wrong_length_or_kind_is_no_plate(text: str) -> None:
    assert likeness(text) == 0


@pytest.mark.parametrize(("more", "less"), [("ABC1234", "5551234"), ("5551234", "DEALER")])
def test_letters_with_digits_are_most_like_a_plate(more: str, less: str) -> None:
    assert likeness(more) > likeness(less) > 0


def test_the_number_is_kept_and_the_slogan_cut_off() -> None:
    red, black = (0, 0, 200), (0, 0, 0)
    plate = np.full((160, 320, 3), 255, np.uint8)
    cv2.putText(plate, "Land of slogans", (90, 20), cv2.FONT_HERSHEY_PLAIN, 1, red)
    cv2.putText(plate, "ABC 12", (10, 120), cv2.FONT_HERSHEY_DUPLEX, 2.8, black, 6, cv2.LINE_8)

    band = main_band(plate)

    assert not (band == red).all(axis=2).any()
    assert (band == black).all(axis=2).sum() == (plate == black).all(axis=2).sum()
