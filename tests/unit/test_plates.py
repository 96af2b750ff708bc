"""What a licence plate is, and when two readings of one may be the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.model.plates import LONGEST_PLATE, PlateError, parse_plate


@pytest.mark.parametrize(
    "text", ["AV-1234", "B·MW 123", "粤B12345", "กข 1234", "Å 42", "Ψ-77", "7"]
)
def test_letters_and_digits_of_any_script_are_a_plate(text: str) -> None:
    plate = parse_plate(text)

    assert plate.raw == text


@pytest.mark.parametrize(
    "text",
    [
        "🚗123",
        "AB\u202e12",
        "AB\u200f12",
        "AB\x0012",
        "AB\n12",
        "AB;12",
        "<b>",
        "A'--",
        "AB\u200d1",
    ],
)
def test_what_is_neither_letter_nor_digit_is_refused_and_named(text: str) -> None:
    with pytest.raises(PlateError, match="is neither: leave it out") as caught:
        parse_plate(text)

    assert str(caught.value).isascii()


@pytest.mark.parametrize("text", ["", "   ", "-", " . - "])
def test_a_plate_needs_something_to_read(text: str) -> None:
    with pytest.raises(PlateError, match="at least one"):
        parse_plate(text)


def test_sixteen_characters_are_a_plate_and_seventeen_are_not() -> None:
    longest = parse_plate("A" * LONGEST_PLATE)

    assert len(longest.folded) == LONGEST_PLATE
    with pytest.raises(PlateError, match="at most 16"):
        parse_plate("A" * (LONGEST_PLATE + 1))


def test_one_character_that_stands_for_many_counts_as_many() -> None:
    with pytest.raises(PlateError, match="at most 16"):
        parse_plate("\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 2)


def test_separators_do_not_count_but_do_not_go_on_for_ever() -> None:
    spread = parse_plate("-".join("A" * LONGEST_PLATE))

    assert spread.folded == "A" * LONGEST_PLATE
    with pytest.raises(PlateError):
        parse_plate("A" + "-" * 40 + "B")


def test_full_width_characters_are_the_plain_ones() -> None:
    assert parse_plate("\uff21\uff22\uff23\uff11\uff12").folded == parse_plate("ABC12").folded


@pytest.mark.parametrize(
    "written", ["abc 123", "ABC-123", "A.B.C·123", " ABC\u2013123 ", "ABC•123"]
)
def test_case_and_separators_make_no_difference(written: str) -> None:
    assert parse_plate(written).folded == parse_plate("ABC123").folded


@pytest.mark.parametrize("alike", ["OQD0", "IL1"])
def test_what_cameras_cannot_tell_apart_folds_to_one(alike: str) -> None:
    folded = {parse_plate(f"X{character}7").folded for character in alike}

    assert len(folded) == 1


def test_what_cameras_can_tell_apart_stays_apart() -> None:
    letters = "0123456789ABCEFGHJKMNPRSTUVWXYZ"

    assert len({parse_plate(letter).folded for letter in letters}) == len(letters)


@given(st.text(max_size=40))
def test_any_text_is_a_plate_or_refused_with_a_reason(text: str) -> None:
    try:
        outcome = parse_plate(text).folded
    except PlateError as error:
        outcome = "refused" if str(error) else ""

    assert 1 <= len(outcome) <= LONGEST_PLATE


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -", min_size=1, max_size=16))
def test_folding_twice_is_folding_once(text: str) -> None:
    folded = parse_plate(f"A{text[:14]}").folded

    assert parse_plate(folded).folded == folded
