"""Of all that looks like a plate on a picture, what is read."""

import cv2
import numpy as np
import pytest

from parkgraph_edge.rules.syntaxes import SYNTAXES
from parkgraph_edge.vision.detector import Detection
from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.plates import PlateReader, Rejection, around, plausible
from parkgraph_edge.vision.reader import Line, bands
from parkgraph_edge.vision.spelling import ALPHABET, Character

Place = tuple[float, float, float, float]
LEFT: Place = (50, 100, 150, 130)
RIGHT: Place = (400, 100, 550, 150)
FAR: Place = (10, 10, 26, 18)


class FakeDetector:
    """Finds the plates it was given."""

    def __init__(self, *found: Detection) -> None:
        self._found = found

    def detect(self, frame: Pixels) -> tuple[Detection, ...]:
        return self._found


class FakeReader:
    """Reads by the brightness of the crop."""

    def __init__(self, texts: dict[int, Line]) -> None:
        self._texts = texts

    def read(self, crop: Pixels) -> Line:
        return self._texts[int(crop[0, 0, 0])]


def a_line(text: str, *, chance: float = 0.99, twins: str = "") -> Line:
    """Return `text` as read; where `twins` has another character, that one is half as likely."""
    characters = []
    for character, twin in zip(text, twins or text, strict=True):
        chances = np.zeros(len(ALPHABET), np.float32)
        chances[ALPHABET.index(twin)] = chance / 2
        chances[ALPHABET.index(character)] = chance
        characters.append(Character(character, chance, chances))
    return Line(characters, ((text, 0.0),))


def a_frame() -> Pixels:
    """Return a picture that is dark at its left and lighter at its right, with fine stripes."""
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[:, :320], frame[:, 320:] = 10, 20
    frame[:, 1::4] = 200
    frame[:, 48::4], frame[:, 394] = 10, 20
    return frame


def a_reader(*found: Detection, left: Line, right: Line | None = None) -> PlateReader:
    return PlateReader(FakeDetector(*found), FakeReader({10: left, 20: right or left}))


def test_the_plate_that_is_nearer_comes_first() -> None:
    reader = a_reader(
        Detection(LEFT, 0.9), Detection(RIGHT, 0.9), left=a_line("ABC1234"), right=a_line("XYZ987")
    )

    looked = reader.read_plates(a_frame())

    assert [reading.text for reading in looked.readings] == ["XYZ987", "ABC1234"]
    assert list(looked.readings[1].box) == list(LEFT)
    assert looked.readings[1].alternatives == (("ABC1234", 0.0),)
    assert looked.rejected == []


def test_beside_a_plate_well_read_one_badly_read_is_not_plausible() -> None:
    reader = a_reader(
        Detection(LEFT, 0.9),
        Detection(RIGHT, 0.9),
        left=a_line("ABC1234"),
        right=a_line("XYZ987", chance=0.65),
    )

    readings = reader.read_plates(a_frame()).readings

    assert [one.text for one in plausible(readings)] == ["ABC1234"]


@pytest.mark.parametrize(
    ("place", "line", "reason"),
    [
        (FAR, a_line("ABC1234"), Rejection.TOO_SMALL),
        ((1279.0, 100.0, 1279.0, 130.0), a_line("ABC1234"), Rejection.TOO_SMALL),
        (LEFT, a_line("AB"), Rejection.SYNTAX),
        (LEFT, a_line("ABCDEFGHJK1"), Rejection.SYNTAX),
        (LEFT, a_line("ABC1234", chance=0.5), Rejection.SCRIPT),
    ],
)
def test_what_is_no_reading_has_a_reason(place: Place, line: Line, reason: Rejection) -> None:
    looked = a_reader(Detection(place, 0.9), left=line).read_plates(a_frame())

    assert looked.readings == []
    assert [one.reason for one in looked.rejected] == [reason]


def test_a_plate_without_edges_is_blurred() -> None:
    smooth = np.full((480, 640, 3), 10, np.uint8)

    looked = a_reader(Detection(LEFT, 0.9), left=a_line("ABC1234", chance=0.5)).read_plates(smooth)

    assert [one.reason for one in looked.rejected] == [Rejection.BLURRED]


def test_a_picture_that_is_a_plate_is_read_whole() -> None:
    crop = np.full((100, 200, 3), 10, np.uint8)

    [reading] = a_reader(left=a_line("ABC1234")).read_plates(crop).readings

    assert (reading.text, reading.box) == ("ABC1234", (0, 0, 200, 100))


def test_the_syntax_of_the_country_settles_a_doubtful_character() -> None:
    seen = FakeDetector(Detection(LEFT, 0.9))
    doubtful = FakeReader({10: a_line("AB12C0E", twins="AB12COE")})

    [reading] = PlateReader(seen, doubtful, SYNTAXES["GB"]).read_plates(a_frame()).readings

    assert reading.text == "AB12COE"


def test_a_syntax_never_contradicts_the_picture() -> None:
    seen = FakeDetector(Detection(LEFT, 0.9))
    plain = FakeReader({10: a_line("AB12C0E")})

    [reading] = PlateReader(seen, plain, SYNTAXES["GB"]).read_plates(a_frame()).readings

    assert reading.text == "AB12C0E"


def test_the_number_is_kept_and_the_slogan_cut_off() -> None:
    plate = np.full((160, 320), 255, np.uint8)
    cv2.putText(plate, "Land of slogans", (90, 20), cv2.FONT_HERSHEY_PLAIN, 1, (100,))
    cv2.putText(plate, "ABC 12", (10, 120), cv2.FONT_HERSHEY_DUPLEX, 2.8, (0,), 6, cv2.LINE_8)

    [band] = bands(plate)

    assert len(band) < 100
    assert (band == 0).sum() == (plate == 0).sum()


def test_a_number_of_two_lines_is_read_line_by_line() -> None:
    plate = np.full((200, 260), 255, np.uint8)
    cv2.putText(plate, "AB 12", (10, 85), cv2.FONT_HERSHEY_DUPLEX, 2.6, (0,), 7, cv2.LINE_8)
    cv2.putText(plate, "C 789", (10, 180), cv2.FONT_HERSHEY_DUPLEX, 2.6, (0,), 7, cv2.LINE_8)

    upper, lower = bands(plate)

    assert (upper == 0).sum() == (plate[:100] == 0).sum()
    assert (lower == 0).sum() == (plate[100:] == 0).sum()


CORNERS = np.array([[100, 150], [460, 60], [484, 156], [124, 246]], np.float32)


def test_a_plate_that_is_seen_askew_is_read_straight() -> None:
    frame = np.zeros((480, 640, 3), np.uint8)
    cv2.fillConvexPoly(frame, CORNERS.astype(np.int32), (250, 250, 250))

    crop = around(frame, Detection((100, 60, 484, 246), 0.9, CORNERS))

    assert abs(crop.shape[1] / crop.shape[0] - 3.6) < 0.3
    plate, air = crop[8:-8, 16:-16], np.vstack([crop[:1], crop[-1:]])
    assert plate.min() == 250
    assert air.max() < 50


@pytest.mark.parametrize("far", [1.0, 1e6])
def test_corners_that_make_no_plate_still_give_a_crop_of_bounded_size(far: float) -> None:
    on_one_line = np.array([[0, 0], [far, 0], [2 * far, 0], [3 * far, 0]], np.float32)
    frame = np.zeros((480, 640, 3), np.uint8)

    height, width = around(frame, Detection((0, 0, 100, 20), 0.9, on_one_line)).shape[:2]

    assert 8 <= height <= 640
    assert 8 <= width <= 640
