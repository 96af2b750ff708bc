"""What the plate detector is trained on: photos read, split and composed."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.clutter import Place, draw_clutter
from training.exposure import Exposure
from training.pasting import cover, paste_plate
from training.photos import Floats, LabelledPhoto, PhotoError, Pixels, load_photos, split_photos
from training.scenes import (
    IGNORED,
    LABEL_VALUES,
    MOST_LABELS,
    PLATE,
    WINDOW,
    Label,
    PlatePool,
    SceneComposer,
    Window,
)


class APlate:
    """A white plate with dark bars."""

    def __init__(self, shape: float = 2.0) -> None:
        self.pixels: Floats = np.full((64, int(64 * shape), 3), 230, np.float32)
        self.pixels[16:48, 10:-10:12] = 20


def a_photo(
    name: str = "car.jpg", *, seed: int = 1, box: tuple[int, ...] = (90, 80, 150, 95)
) -> LabelledPhoto:
    pixels = np.random.default_rng(seed).integers(60, 200, (12, 16, 3)).astype(np.uint8)
    large = np.asarray(cv2.resize(pixels, (320, 240), interpolation=cv2.INTER_CUBIC), np.uint8)
    return LabelledPhoto(Path(name), large, np.array([box], np.float32))


def a_pool() -> PlatePool:
    return PlatePool(lambda rng: APlate(2.0 if rng.random() < 0.5 else 4.6), 20)


def a_composer(photos: list[LabelledPhoto] | None = None) -> SceneComposer:
    return SceneComposer([photos or [a_photo()]], a_pool(), np.random.default_rng(0))


def a_folder(folder: Path, label: str) -> Path:
    cv2.imwrite(str(folder / "car.jpg"), a_photo().pixels)
    (folder / "car.txt").write_text(label)
    return folder


def a_quad(x0: float, y0: float, x1: float, y1: float) -> Floats:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


def a_picture() -> Pixels:
    return np.full((120, 200, 3), 90, np.uint8)


def test_a_labelled_photo_is_read_with_its_box(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, "car.jpg\t90\t80\t60\t15\tX\n")

    (photo,) = load_photos(folder)

    assert photo.boxes.tolist() == [[90, 80, 150, 95]]
    assert photo.pixels.shape == (240, 320, 3)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("", "is empty; delete it"),
        ("car.jpg\t1\t2\t3\n", "car.txt:1: 4 fields"),
        ("car.jpg\t1\t2\tx\t4\tX\n", "car.txt:1: could not convert"),
        ("car.jpg\t1\t2\t0\t4\tX\n", "car.txt:1: the box is empty"),
        ("gone.jpg\t1\t2\t3\t4\tX\n", "gone.jpg: named by car.txt"),
    ],
)
def test_a_label_that_cannot_be_used_is_named(tmp_path: Path, label: str, said: str) -> None:
    folder = a_folder(tmp_path, label)

    with pytest.raises(PhotoError, match=said):
        load_photos(folder)


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match=r"holds no \.txt labels"):
        load_photos(tmp_path)


def test_a_photo_that_is_blank_where_its_plate_should_be_is_left_out(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, "car.jpg\t90\t80\t60\t15\tX\n")
    cv2.imwrite(str(folder / "car.jpg"), a_picture())

    assert load_photos(folder) == []


def test_copies_of_a_picture_stay_on_one_side() -> None:
    photos = [a_photo(f"car{k}.jpg", seed=k % 30) for k in range(60)]

    kept, held_back = split_photos(photos, one_in=3)

    assert held_back
    assert kept
    assert not {p.pixels.tobytes() for p in kept} & {p.pixels.tobytes() for p in held_back}


def test_frames_of_one_stretch_of_a_ride_stay_on_one_side() -> None:
    photos = [a_photo(f"ride_{k}.jpg", seed=k) for k in range(400)]

    _, held_back = split_photos(photos, one_in=3)

    stretches = {int(photo.path.stem[5:]) // 20 for photo in held_back}
    assert 0 < len(stretches) < 20
    assert len(held_back) == 20 * len(stretches)


def test_the_same_chance_composes_the_same_window() -> None:
    one, other = (a_composer().compose(np.random.default_rng(7)) for _ in range(2))

    assert (one.pixels == other.pixels).all()
    assert np.array_equal(one.rows(), other.rows(), equal_nan=True)


def test_labels_lie_inside_the_window_and_most_know_their_corners() -> None:
    composer, rng = a_composer(), np.random.default_rng(3)

    windows = [composer.compose(rng) for _ in range(150)]

    rows = np.concatenate([window.rows() for window in windows])
    plates = rows[rows[:, 12] == PLATE]
    assert all(window.pixels.shape == (WINDOW[1], WINDOW[0], 3) for window in windows)
    assert (plates[:, :4] >= 0).all()
    assert (plates[:, [0, 2]] <= WINDOW[0]).all()
    assert (plates[:, [1, 3]] <= WINDOW[1]).all()
    assert (plates[:, 2:4] > plates[:, :2]).all()
    assert np.isfinite(plates[:, 4]).mean() > 0.5


def test_some_windows_hold_no_plate() -> None:
    composer, rng = a_composer(), np.random.default_rng(4)

    counts = [len(composer.compose(rng).labels) for _ in range(100)]

    assert 3 < counts.count(0) < 50


def test_rows_tell_unknown_corners_and_ignored_areas() -> None:
    quad = a_quad(10, 20, 50, 40)
    box = np.array([10, 20, 50, 40], np.float32)
    labels = [Label(quad, box, has_corners=True), Label(quad, box, has_corners=False)]
    labels.append(Label(quad, box, has_corners=True, is_ignored=True))

    rows = Window(a_picture(), labels).rows()

    assert rows.shape == (MOST_LABELS, LABEL_VALUES)
    assert rows[0, 4:12].tolist() == [10, 20, 50, 20, 50, 40, 10, 40]
    assert np.isnan(rows[1, 4:12]).all()
    assert rows[:4, 12].tolist() == [PLATE, PLATE, IGNORED, -1]


def test_a_pasted_plate_changes_its_quad_and_little_else() -> None:
    image, quad = a_picture(), a_quad(60, 40, 120, 70)

    paste_plate(image, APlate().pixels, quad, 0.0, np.random.default_rng(5))

    changed = (image != 90).any(axis=2)
    assert changed[42:68, 62:118].mean() > 0.9
    assert not changed[:5].any()


def test_a_covered_plate_cannot_be_seen() -> None:
    image, quad = a_picture(), a_quad(60, 40, 120, 60)
    image[40:60, 60:120] = 250

    cover(image, quad, np.random.default_rng(6))

    assert image.max() < 130


@pytest.mark.parametrize("seed", range(12))
def test_clutter_is_drawn(seed: int) -> None:
    image = a_picture()

    draw_clutter(image, Place(40, 30, 100, 40), np.random.default_rng(seed))

    assert (image != 90).any()


def test_a_camera_keeps_the_size_of_a_picture() -> None:
    rng = np.random.default_rng(8)
    exposure = Exposure(rng)

    pictures = [exposure.expose(a_picture(), rng) for _ in range(30)]

    assert {picture.shape for picture in pictures} == {(120, 200, 3)}
    assert {picture.dtype for picture in pictures} == {np.dtype(np.uint8)}


def test_a_pool_gives_short_plates_half_of_the_time() -> None:
    pool, rng = (
        PlatePool(lambda rng: APlate(2.0 if rng.random() < 0.1 else 4.6), 40),
        (np.random.default_rng(9)),
    )
    for _ in range(40):
        pool.take(rng)

    shapes = np.array([pool.take(rng).shape[1] for _ in range(400)])

    assert 0.4 < (shapes == 128).mean() < 0.6
