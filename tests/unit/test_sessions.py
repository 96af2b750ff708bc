"""A stay: its states and the ways between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.model.api.sessions import STATUS
from parkgraph.model.records import AnyRecord, NoShowDeclared, SessionEnded
from parkgraph.model.sessions import (
    OPEN_STATES,
    TRANSITIONS,
    SessionState,
    UnexpectedRecordError,
    next_state,
)
from tests.builders import a_crossing, a_grant, a_lapse, records_that_move_a_session

CLOSED_STATES = sorted(set(SessionState) - OPEN_STATES)


def after(*records: AnyRecord) -> SessionState:
    """Return the state of a stay that was just reserved after `records`."""
    state = SessionState.RESERVED
    for record in records:
        state = next_state("sess_1", state, record)
    return state


def test_a_stay_goes_in_and_out() -> None:
    assert after(a_grant(), a_crossing()) is SessionState.PARKED
    assert after(a_grant(), a_crossing(), a_grant(), a_crossing()) is SessionState.COMPLETED


def test_who_backs_away_from_the_entry_is_still_expected() -> None:
    assert after(a_grant(), a_lapse()) is SessionState.RESERVED


def test_who_backs_away_from_the_exit_is_still_parked() -> None:
    assert after(a_grant(), a_crossing(), a_grant(), a_lapse()) is SessionState.PARKED


def test_an_ended_stay_may_be_let_out() -> None:
    ended = SessionEnded(session="sess_1", amount_minor=1)

    assert after(a_grant(), a_crossing(), ended, a_grant()) is SessionState.LEAVING


def test_who_is_at_the_barrier_is_no_no_show() -> None:
    with pytest.raises(UnexpectedRecordError, match="sess_1 is arriving"):
        after(a_grant(), NoShowDeclared(session="sess_1"))


def test_every_state_is_reached_and_every_open_one_is_left() -> None:
    reached = {SessionState.RESERVED, SessionState.ALLOTTED, *TRANSITIONS.values()}
    left = {state for (state, _), after in TRANSITIONS.items() if after is not state}

    assert reached == set(SessionState)
    # The cloud may have cancelled or returned what the lot had let in already; the lot is right.
    assert left == OPEN_STATES | {SessionState.CANCELLED, SessionState.VOID}


def test_every_state_has_a_word_on_the_wire_and_only_open_ones_are_active() -> None:
    assert STATUS.keys() == set(SessionState)
    assert {state for state, word in STATUS.items() if word == "active"} == OPEN_STATES


CLOSED_FOR_ALL = sorted(set(CLOSED_STATES) - {SessionState.CANCELLED, SessionState.VOID})


@pytest.mark.parametrize("state", CLOSED_FOR_ALL)
@pytest.mark.parametrize("record", records_that_move_a_session(), ids=lambda r: r.type)
def test_a_closed_stay_stays_closed(state: SessionState, record: AnyRecord) -> None:
    with pytest.raises(UnexpectedRecordError):
        next_state("sess_1", state, record)


@given(st.lists(st.sampled_from(records_that_move_a_session())))
def test_in_any_order_of_records_no_closed_stay_opens_again(records: list[AnyRecord]) -> None:
    states = [SessionState.RESERVED]
    for record in records:
        try:
            states.append(next_state("sess_1", states[-1], record))
        except UnexpectedRecordError:
            continue

    closed = [place for place, state in enumerate(states) if state not in OPEN_STATES]
    assert closed in ([], [len(states) - 1])
