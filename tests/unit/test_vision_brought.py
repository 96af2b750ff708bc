"""Networks that a site brings: what they say is taken as their makers mean it, or refused."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from parkgraph.runtime.errors import RefusedError
from parkgraph_edge.vision import brought
from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.spelling import ALPHABET
from tests.networks import FLOAT, UINT8, a_network

LETTERS = ALPHABET + "_"
CONFIGURATION = f"""\
# Config for Latin plates
max_plate_slots: 5
alphabet: '{LETTERS}'
pad_char: '_'          # it fills the rest
img_height: 16
img_width: 32
keep_aspect_ratio: false
image_color_mode: rgb
plate_regions: [ 'Albania', 'Andorra',
                 'Unknown' ]
"""
FRAME: Pixels = np.full((100, 200, 3), 90, np.uint8)


def a_detector(
    folder: Path, *rows: tuple[float, ...], shape: tuple[int | str, ...] = (1, 3, 64, 64)
) -> Path:
    gives = np.array(rows, np.float32).reshape(len(rows), -1) if rows else np.zeros((0, 7))
    return a_network(folder / "plates.onnx", takes=(FLOAT, shape), gives=gives.astype(np.float32))


def chances(*places: dict[str, float]) -> NDArray[np.float32]:
    """Return for each place the chances of its characters, in LETTERS' order."""
    rows = [[place.get(letter, 0.0) for letter in LETTERS] for place in places]
    return np.array([rows], np.float32)


def a_reader(
    folder: Path,
    gives: NDArray[np.float32],
    *,
    configuration: str | None = CONFIGURATION,
    shape: tuple[int | str, ...] = ("n", 16, 32, 3),
    kind: int = UINT8,
) -> Path:
    if configuration is not None:
        (folder / "cct_plate_config.yaml").write_text(configuration)
    return a_network(folder / "cct.onnx", takes=(kind, shape), gives=gives)


ABC = chances({"A": 1.0}, {"B": 1.0}, {"8": 1.0}, {"_": 1.0}, {"_": 1.0})


def test_boxes_of_the_letterboxed_picture_become_boxes_of_the_frame(tmp_path: Path) -> None:
    # A frame twice as wide as high fills rows 16 to 48 of the 64; 1 pixel there is 3.125 here.
    path = a_detector(tmp_path, (0, 16, 24, 32, 32, 0, 0.5), (0, 0, 16, 8, 20, 0, 0.9))

    detector = brought.plate_detector(path)
    first, second = detector.detect(FRAME)

    assert first.box == pytest.approx((0, 0, 25, 12.5))
    assert second.box == pytest.approx((50, 25, 100, 50))
    assert [one.score for one in (first, second)] == pytest.approx([0.9, 0.5])


def test_a_box_outside_the_frame_or_hardly_sure_is_none(tmp_path: Path) -> None:
    path = a_detector(tmp_path, (0, 0, 2, 30, 10, 0, 0.9), (0, 16, 24, 32, 32, 0, 0.2))

    detector = brought.plate_detector(path)

    assert detector.detect(FRAME) == []


def test_a_reader_s_places_become_a_line_and_its_alternatives(tmp_path: Path) -> None:
    path = a_reader(
        tmp_path,
        chances(
            {"A": 1.0},
            {"B": 0.75, "8": 0.25},
            {"B": 1.0},
            {"O": 0.5, "D": 0.25, "_": 0.25},
            {"_": 1.0},
        ),
    )

    line = brought.line_reader(path).read(FRAME)

    assert line.text == "ABBO"
    assert line.confidence == pytest.approx(0.75 * 0.5)
    told = dict(line.alternatives)
    assert sorted(told) == ["A8B", "A8B0", "ABB", "ABB0"]
    assert told["ABB"] == pytest.approx(math.log(0.25 / 0.75), abs=1e-4)
    assert told["A8B0"] == pytest.approx(math.log(0.25 / 0.75), abs=1e-4)


def test_the_two_read_a_frame_together(tmp_path: Path) -> None:
    detector = a_detector(tmp_path, (0, 16, 24, 32, 32, 0, 0.9))
    reader = a_reader(tmp_path, ABC)

    # Not so small that it could be a picture of a plate alone.
    frame = np.zeros((400, 800, 3), np.uint8)
    looked = brought.plate_reader(detector, reader).read_plates(frame)

    assert [(one.text, one.box) for one in looked.readings] == [("AB8", (200, 100, 400, 200))]


def test_a_reader_that_keeps_proportions_gets_them(tmp_path: Path) -> None:
    picture, scale, left, top = brought.letterboxed(FRAME, 50, 50)

    assert (picture.shape, scale, left, top) == ((50, 50, 3), 0.25, 0, 12)
    assert (picture[11, 0, 0], picture[12, 0, 0], picture[37, 0, 0]) == (114, 90, 114)


@pytest.mark.parametrize(
    ("shape", "row", "says"),
    [
        ((1, 3, "height", "width"), (0,) * 7, "takes tensor(float) (1, 3, height, width), not"),
        ((4, 3, 64, 64), (0,) * 7, "export the detector to ONNX for pictures of one size"),
        ((1, 3, 64, 64), (0,) * 6, "gives (1, 6), not rows of 7"),
    ],
)
def test_a_detector_of_another_form_is_refused(
    tmp_path: Path, shape: tuple[int | str, ...], row: tuple[float, ...], says: str
) -> None:
    path = a_detector(tmp_path, row, shape=shape)

    with pytest.raises(RefusedError) as error:
        brought.plate_detector(path)

    assert says in str(error.value)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("max_plate_slots: 5", "max_plate_slots: 6", "its plate configuration says 6 places of 37"),
        ("img_height: 16", "img_height: 64", "says tensor(uint8) (1, 64, 32, 3)"),
        ("image_color_mode: rgb\n", "", "says tensor(uint8) (1, 16, 32, 1)"),
        ("pad_char: '_' ", "pad_char: '-' ", "pad_char '-' is not in the alphabet"),
        ("'0123", "'0023", "the alphabet has a character twice"),
        ("ABC", "ÄBC", "the alphabet has 'Ä'; plates are compared in A-Z and 0-9"),
        ("img_width: 32", "img_width: wide", "img_width: input should be a valid integer"),
        ("img_width: 32\n", "", "img_width: field required"),
        ("alphabet: '", "alphabet: ['", "alphabet: field required"),
        ("img_width: 32", "img_width: 32\nimg_width: 33", ":7: says img_width again; keep one"),
        ("img_width: 32", "img_width 32", ":6: is no `key: value`; write one on each line"),
    ],
)
def test_a_plate_configuration_that_does_not_fit_is_refused(
    tmp_path: Path, before: str, after: str, says: str
) -> None:
    path = a_reader(tmp_path, ABC, configuration=CONFIGURATION.replace(before, after))

    with pytest.raises(RefusedError) as error:
        brought.line_reader(path)

    assert says in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "cct"))


def test_a_reader_without_its_plate_configuration_is_refused(tmp_path: Path) -> None:
    path = a_reader(tmp_path, ABC, configuration=None)

    with pytest.raises(RefusedError, match=r"missing; put cct_plate_config\.yaml beside it"):
        brought.line_reader(path)


def test_a_reader_that_gives_no_chances_is_refused(tmp_path: Path) -> None:
    path = a_reader(tmp_path, ABC * 7)

    with pytest.raises(RefusedError, match="export the reader with its softmax"):
        brought.line_reader(path)


@pytest.mark.parametrize(("content", "says"), [(None, "no such"), (b"no network", "no network")])
def test_what_is_no_network_is_refused(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "plates.onnx"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(RefusedError, match=says):
        brought.plate_detector(path)
