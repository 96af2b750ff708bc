"""What `make bench-plates` counts."""

from pathlib import Path

import numpy as np
import pytest

from parkgraph.model.plates import fold
from parkgraph_edge.vision.labels import Label
from parkgraph_edge.vision.plates import Looked, PlateReading
from tests.bench.plate_identity import Plate, identities, two_looks
from tests.bench.plates import interval, labelled, rolled

BOX = (100, 100, 200, 150)


def a_plate(text: str, alternatives: tuple[tuple[str, float], ...]) -> Plate:
    read = PlateReading(text, 0.9, (0.9,) * len(text), BOX, alternatives=alternatives)
    return Plate(text, read, [read, read])


def test_a_share_is_told_with_its_interval() -> None:
    assert interval(0, 10_000, 2) == "0.00 [0.00-0.04]"
    assert interval(50, 100) == "50.0 [40.4-59.6]"
    assert interval(0, 0) == "-"


def test_a_plate_that_is_read_is_right_and_lets_no_stranger_in() -> None:
    plates = [a_plate(text, ((fold(text), 0.0),)) for text in ("KHM4827", "BUS1234")]

    for one in identities("ours", plates, trials=20):
        assert (one.right, one.another, one.plates) == (2, 0, 2)
        assert (one.strangers, one.stranger_trials) == (0, 20)
        assert (one.one_off, one.one_off_trials) == (0, 40)


def test_a_plate_that_may_say_anything_lets_in_who_is_one_off() -> None:
    near = tuple((f"KHM482{digit}", -1.0) for digit in range(10))
    anything = tuple(
        ("KHM4827"[:place] + other + "KHM4827"[place + 1 :], -1.0)
        for place in range(7)
        for other in "0123456789ABCEFGHJKMNPRSTUVWXYZ"
    )

    one, *_ = identities("ours", [a_plate("KHM4827", near + anything)], trials=1)

    assert one.one_off == one.one_off_trials


def test_a_plate_is_found_again_on_another_look_at_its_picture() -> None:
    label = Label((100.0, 100.0, 200.0, 150.0), "KLM4827")
    look = two_looks(np.full((300, 400, 3), 90, np.uint8), seed=1)[0]
    x0, y0, x1, y1 = (round(side) for side in look.moved(label.box))
    again = PlateReading("KLM4827", 0.9, (0.9,) * 7, (x0, y0, x1, y1))

    plate = Plate.of(label, Looked(), [(Looked([again]), look)])

    assert (plate.read, plate.looks) == (None, [again])
    assert look.pixels.shape[0] <= 300


@pytest.mark.parametrize(("deep", "name"), [("", "set"), ("us", "set/us")])
def test_labelled_pictures_are_found_by_folder(tmp_path: Path, deep: str, name: str) -> None:
    folder = tmp_path / "set" / deep
    folder.mkdir(parents=True)
    (folder / "car.jpg").write_bytes(b"")
    (folder / "bus.jpg").write_bytes(b"")
    (folder / "car.txt").write_text("car.jpg\t1\t2\t30\t10\tKLM 4827\n")

    [picture] = labelled(tmp_path / "set")

    assert (picture.folder, picture.path.name) == (name, "car.jpg")
    assert picture.labels == [Label((1.0, 2.0, 31.0, 12.0), "KLM4827")]


def test_a_picture_that_is_turned_takes_its_labels_along() -> None:
    picture = np.zeros((400, 600, 3), np.uint8)
    picture[150:180, 400:500] = 255

    turned, (label,) = rolled(picture, [Label((400, 150, 500, 180), "KLM4827")], 10)

    rows, columns = np.nonzero(turned[..., 0] > 128)
    shown = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.allclose(label.box, shown, atol=2)
    assert rows.mean() > 165  # clockwise, what is right of the middle goes down
