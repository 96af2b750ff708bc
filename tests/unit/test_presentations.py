"""Who may go through."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from parkgraph.model.plates import parse_plate
from parkgraph.model.records import Direction, Reason
from parkgraph.model.sessions import Session, SessionState
from parkgraph_edge.rules.identity import MU, TAU
from parkgraph_edge.rules.presentations import (
    FREE_GUESSES,
    LONGEST_LOCK,
    Keypad,
    lock_after,
    match_code,
    match_plate,
)
from tests.builders import CODE, NOON, a_reading, a_session

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
MISTYPED = CODE[:-1] + str((int(CODE[-1]) + 1) % 10)


def typed(
    digits: str, *candidates: Session, keypad: Keypad | None = None, now: datetime = NOON
) -> Session | Reason:
    return match_code(digits, candidates, keypad or Keypad(), ENTRY, now=now)


def read(
    *candidates: Session,
    direction: Direction = ENTRY,
    now: datetime = NOON,
    **nats: float,
) -> Session | Reason:
    """Present a vehicle whose plate reads ABC1234, and by so many nats less something else."""
    return match_plate(a_reading("ABC1234", **nats), candidates, direction, now=now)


def a_stay(plate: str, **changes: Any) -> Session:
    return a_session(session=plate, plate_folded=parse_plate(plate).folded, **changes)


def test_who_is_expected_may_enter_by_plate() -> None:
    session = a_session()

    assert read(session) == session


def test_who_is_not_expected_may_not() -> None:
    assert read() is Reason.NOT_EXPECTED


@pytest.mark.parametrize(
    "state", sorted(set(SessionState) - {SessionState.RESERVED, SessionState.ALLOTTED})
)
def test_only_who_is_awaited_opens_an_entry(state: SessionState) -> None:
    assert read(a_session(state)) is Reason.NOT_EXPECTED


@pytest.mark.parametrize("state", [SessionState.PARKED, SessionState.LEAVING])
def test_who_is_inside_may_leave(state: SessionState) -> None:
    session = a_session(state)

    assert read(session, direction=EXIT) == session


def test_an_exit_asks_for_no_window() -> None:
    session = a_session(SessionState.PARKED)

    assert read(session, direction=EXIT, now=NOON + timedelta(days=400)) == session


def test_two_with_plates_that_look_alike_need_a_second_means() -> None:
    twins = [a_session(session="sess_1"), a_session(session="sess_2", plate="A8C1234")]

    assert read(*twins) is Reason.TWIN_PLATE


def test_a_twin_that_is_inside_is_no_twin_at_the_entry() -> None:
    expected = a_session(session="sess_1")
    inside = a_session(SessionState.PARKED, session="sess_2")

    assert read(inside, expected) == expected


def test_the_window_is_open_to_its_last_moment_and_then_closed() -> None:
    session = a_session(hold_until=NOON)

    assert read(session) == session
    late = NOON + timedelta(microseconds=1)
    assert read(session, now=late) is Reason.TOO_EARLY_OR_LATE


def test_who_is_misread_may_enter_by_what_the_plate_may_say_as_well() -> None:
    misread = a_stay("A8C1234")

    assert read(misread, A8C1234=-TAU) == misread


def test_two_that_the_plate_may_both_say_need_a_second_means() -> None:
    stays = [a_stay("ABC1234"), a_stay("A8C1234")]

    assert read(*stays, A8C1234=-MU + 0.01) is Reason.TWIN_PLATE
    assert read(*stays, A8C1234=-MU) == stays[0]


def test_two_with_one_folded_plate_that_was_misread_need_a_second_means() -> None:
    stays = [a_stay("A8CO"), a_stay("A8C0")]

    assert read(*stays, A8C0=-1.0) is Reason.TWIN_PLATE


def test_who_is_inside_is_no_twin_of_what_an_entry_reads() -> None:
    inside, expected = a_stay("ABC1234", state=SessionState.PARKED), a_stay("A8C1234")

    assert read(inside, expected, A8C1234=-MU - 1.0) == expected


def test_whom_a_plate_only_may_say_is_refused_as_the_stranger_it_reads() -> None:
    late = a_stay("A8C1234", hold_until=NOON - timedelta(minutes=1))

    assert read(late, A8C1234=-1.0) is Reason.NOT_EXPECTED


def test_who_comes_late_hears_so_whatever_else_the_plate_may_say() -> None:
    late = a_stay("ABC1234", hold_until=NOON - timedelta(minutes=1))

    assert read(late, a_stay("A8C1234"), A8C1234=-MU) is Reason.TOO_EARLY_OR_LATE


def test_the_right_code_opens() -> None:
    session = a_session()

    assert typed(CODE, session) == session


def test_a_code_that_nobody_has_is_wrong() -> None:
    assert typed(CODE) is Reason.WRONG_CODE


def test_a_slip_of_the_finger_is_no_guess() -> None:
    assert typed(MISTYPED) is Reason.MISTYPED_CODE


def test_a_locked_keypad_hears_not_even_the_right_code() -> None:
    locked = Keypad(5, NOON + timedelta(seconds=1))

    assert typed(CODE, a_session(), keypad=locked) is Reason.KEYPAD_LOCKED


def test_a_lock_ends_when_it_says() -> None:
    session = a_session()

    assert typed(CODE, session, keypad=Keypad(5, NOON), now=NOON) == session


def test_the_first_wrong_guesses_are_free_and_then_each_doubles_the_lock() -> None:
    locks = [lock_after(Keypad(wrong_codes=wrong), now=NOON) for wrong in range(6)]

    assert locks == [
        *[None] * (FREE_GUESSES - 1),
        *[NOON + timedelta(seconds=seconds) for seconds in (20, 40, 80, 160)],
    ]


@pytest.mark.parametrize("wrong", [10, 1000, 10**9])
def test_no_lock_is_longer_than_the_longest(wrong: int) -> None:
    assert lock_after(Keypad(wrong_codes=wrong), now=NOON) == NOON + LONGEST_LOCK
