"""Drawn plates: what the reader and the detector are taught with."""

import numpy as np
import pytest

from training.glyphs import ALPHABET, GLYPH_PIXELS, stroke_alphabet
from training.lines import LineSource, as_romanian, drawn_crops
from training.plates import Plate, draw_plate
from training.reading import Score, edit_distance, joined, pooled, score
from training.texts import LETTERS, PATTERNS, REGIONS, Region, plate_text
from training.wear import wear

PLATES = 150


def drawn(count: int = PLATES, *, seed: int = 1, surround: bool = False) -> list[Plate]:
    rng = np.random.default_rng(seed)
    return [draw_plate(rng, surround=surround) for _ in range(count)]


def test_a_plate_is_a_picture_of_a_text_in_one_row_or_two() -> None:
    plates = drawn()

    for plate in plates:
        assert plate.pixels.dtype == np.float32
        assert plate.pixels.shape[2] == 3
        assert 60 <= plate.pixels.shape[0] <= 105
        assert plate.pixels.min() >= 0
        assert plate.pixels.max() <= 255
        assert 2 <= len(plate.text) <= 11
        assert set(plate.text) <= set(ALPHABET)
    assert {plate.rows for plate in plates} == {1, 2}


def test_the_same_seed_draws_the_same_plates() -> None:
    one, other = drawn(20, seed=7), drawn(20, seed=7)

    assert [plate.text for plate in one] == [plate.text for plate in other]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(one, other, strict=True))


def test_plates_are_of_many_shapes_and_shades() -> None:
    plates = drawn()

    proportions = [plate.pixels.shape[1] / plate.pixels.shape[0] for plate in plates]
    brightness = [float(plate.pixels.mean()) for plate in plates]
    assert min(proportions) < 1.8
    assert max(proportions) > 4.2
    assert min(brightness) < 70
    assert max(brightness) > 190


def test_the_lines_of_a_plate_are_its_text_and_lie_on_it() -> None:
    plates = drawn(surround=True)

    for plate in plates:
        assert "".join(text for _, text in plate.lines) == plate.text
        assert len(plate.lines) == plate.rows
        left, top, right, bottom = plate.box
        for (x0, y0, x1, y1), _ in plate.lines:
            assert left - 8 <= x0 < x1 <= right + 8
            assert top <= y0 < y1 <= bottom


def test_without_a_surround_the_plate_is_all_of_the_picture() -> None:
    plates = drawn()

    for plate in plates:
        height, width = plate.pixels.shape[:2]
        assert plate.box == (0, 0, width, height)


def test_a_surround_lies_outside_the_box_of_the_plate() -> None:
    plates = drawn(surround=True)

    surrounded = [plate for plate in plates if plate.box[0] > 0]
    assert 0.3 < len(surrounded) / len(plates) < 0.7
    for plate in surrounded:
        height, width = plate.pixels.shape[:2]
        left, top, right, bottom = plate.box
        assert 0 < left < right < width
        assert 0 < top < bottom < height


@pytest.mark.parametrize("character", ALPHABET)
def test_every_character_has_a_glyph_of_full_height(character: str) -> None:
    alphabet = stroke_alphabet(np.random.default_rng(3))

    glyph = alphabet(character)

    assert 0.8 * GLYPH_PIXELS <= glyph.shape[0] <= 1.35 * GLYPH_PIXELS
    assert glyph.max() == 255
    assert alphabet(character) is glyph


def test_every_region_has_patterns_and_turns_up() -> None:
    rng = np.random.default_rng(5)

    regions = {plate_text(rng).region for _ in range(600)}

    assert set(PATTERNS) == set(REGIONS) == set(Region)
    assert regions == set(Region)


def test_numbers_keep_to_their_countries_letters() -> None:
    rng = np.random.default_rng(5)

    british = [text for _ in range(4000) if (text := plate_text(rng)).region is Region.BRITISH]

    assert len(british) > 100
    assert not {"I", "Q"} & set("".join(text.text for text in british))


def test_each_letter_turns_up_where_only_letters_stand() -> None:
    rng = np.random.default_rng(5)

    letters = [
        character for _ in range(3000) for character in plate_text(rng).text if character in LETTERS
    ]

    shares = {letter: letters.count(letter) / len(letters) for letter in LETTERS}
    assert min(shares.values()) > 0.012
    assert shares["O"] > 0.5 * shares["D"]


def test_wear_leaves_a_picture_and_never_enlarges_it() -> None:
    rng = np.random.default_rng(2)

    for plate in drawn(60):
        worn = wear(rng, plate.pixels, 40.0)
        assert worn.dtype == np.uint8
        assert worn.shape[0] <= plate.pixels.shape[0]
        assert worn.shape[1] <= plate.pixels.shape[1]
        assert worn.shape[2] == 3


def test_wear_keeps_the_size_where_it_is_told_none() -> None:
    rng = np.random.default_rng(2)

    for plate in drawn(20):
        assert wear(rng, plate.pixels).shape == plate.pixels.shape


def test_a_line_to_learn_is_what_the_network_takes_and_says_something() -> None:
    rng = np.random.default_rng(4)

    lines = [LineSource().draw(rng) for _ in range(60)]

    for line, text in lines:
        assert line.shape == (48, 160)
        assert line.dtype == np.uint8
        assert line.std() >= 12
        assert 1 <= len(text) <= 10
        assert set(text) <= set(ALPHABET)


@pytest.mark.parametrize(
    ("read", "repaired"),
    [
        ("B123ABC", "B123ABC"),
        ("BI23ABC", "B123ABC"),
        ("CJO1XYZ", "CJ01XYZ"),
        ("CJ01XY2", "CJ01XYZ"),
        ("HELLO", "HELLO"),
    ],
)
def test_a_romanian_number_is_repaired_where_its_layout_tells_how(read: str, repaired: str) -> None:
    assert as_romanian(read) == repaired


def test_readings_are_scored_by_the_text_by_twins_and_by_edits() -> None:
    texts = ["ABC123", "OBC123", "XBC12"]
    labels = ["ABC123", "0BC123", "ABC123"]

    result = score(texts, labels)

    assert result == Score(3, 1 / 3, 2 / 3, 3 / 18)


def test_sets_count_by_their_plates_when_they_are_pooled() -> None:
    result = pooled([Score(30, 1.0, 1.0, 0.0), Score(10, 0.0, 0.6, 0.2)])

    assert result.plates == 40
    assert result.exact == pytest.approx(0.75)
    assert result.folded == pytest.approx(0.9)
    assert result.errors == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("", "", 0), ("AB1", "AB1", 0), ("AB1", "A1", 1), ("AB1", "", 3), ("ABC", "XBD", 2)],
)
def test_edits_are_the_fewest_that_turn_one_text_into_the_other(
    one: str, other: str, edits: int
) -> None:
    assert edit_distance(one, other) == edits
    assert edit_distance(other, one) == edits


def test_what_reads_as_less_than_two_characters_is_no_line_of_a_number() -> None:
    assert joined(["AB", "1"]) == "AB"
    assert joined(["AB", "123"]) == "AB123"
    assert joined(["A"]) == "A"


@pytest.mark.parametrize("rows", [1, 2])
def test_drawn_plates_to_measure_by_are_the_same_each_time(rows: int) -> None:
    first, again = drawn_crops(3, rows, 4), drawn_crops(3, rows, 4)

    assert [text for _, text in first] == [text for _, text in again]
    assert all(np.array_equal(one[0], other[0]) for one, other in zip(first, again, strict=True))
    assert all(min(crop.shape[:2]) >= 4 and text.isalnum() for crop, text in first)
