"""Gate codes: nobody guesses them, a slip of the finger is caught, none is alive twice."""

from collections.abc import Collection

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from parkgraph.model.codes import DIGITS, check_digit, is_well_formed, issue_code

KEY = bytes(range(32))
numbers = st.text("0123456789", min_size=DIGITS, max_size=DIGITS)


@given(numbers)
def test_a_code_with_its_check_digit_is_well_formed(digits: str) -> None:
    assert is_well_formed(digits + check_digit(digits))


@given(numbers, st.integers(0, DIGITS), st.integers(1, 9))
def test_every_single_wrong_digit_is_caught(digits: str, place: int, shift: int) -> None:
    code = digits + check_digit(digits)
    wrong = str((int(code[place]) + shift) % 10)

    assert not is_well_formed(code[:place] + wrong + code[place + 1 :])


@given(numbers, st.integers(0, DIGITS - 1))
def test_every_swap_of_neighbours_is_caught(digits: str, place: int) -> None:
    code = digits + check_digit(digits)
    assume(code[place] != code[place + 1])

    swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]

    assert not is_well_formed(swapped)


@pytest.mark.parametrize(
    "text", ["", "0", "00000000", "0000000000", "12345678x", "\u0660" * 9, "²" * 9]
)
def test_what_is_not_nine_plain_digits_is_not_well_formed(text: str) -> None:
    assert not is_well_formed(text)


def test_a_session_gets_the_same_code_under_the_same_key() -> None:
    first, again = (issue_code(KEY, "sess_1", live=()) for _ in range(2))

    assert first == again
    assert is_well_formed(first)


def test_another_session_and_another_key_get_other_codes() -> None:
    codes = {
        issue_code(KEY, "sess_1", live=()),
        issue_code(KEY, "sess_2", live=()),
        issue_code(KEY[::-1], "sess_1", live=()),
    }

    assert len(codes) == 3


def test_a_code_that_is_alive_is_not_issued_again() -> None:
    live: list[str] = []
    for _ in range(20):
        live.append(issue_code(KEY, "sess_1", live=tuple(live)))

    assert len(set(live)) == 20


def test_codes_are_spread_over_all_numbers() -> None:
    codes: Collection[str] = {issue_code(KEY, f"sess_{n}", live=()) for n in range(500)}

    assert len(codes) > 495
    assert {code[0] for code in codes} == set("0123456789")
