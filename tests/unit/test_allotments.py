"""What becomes of a space that was lent and sold."""

import pytest

from parkgraph.model.sessions import OPEN_STATES, SessionState
from parkgraph_edge.rules.allotments import AWAITED, GONE, PRESENT, Sale, count_to_lend, meet_sale

COMPLETED = SessionState.COMPLETED
STATES = sorted(SessionState)


def test_every_state_is_awaited_present_gone_or_completed() -> None:
    groups = [AWAITED, PRESENT, GONE, {COMPLETED}]

    assert sorted(state for group in groups for state in group) == STATES
    assert AWAITED | PRESENT == OPEN_STATES


@pytest.mark.parametrize("twin", [None, *STATES])
@pytest.mark.parametrize("sold", sorted(GONE))
def test_what_is_gone_stays_gone(sold: SessionState, twin: SessionState | None) -> None:
    assert meet_sale(sold, twin) is Sale.TOO_LATE


@pytest.mark.parametrize("twin", [None, *sorted(GONE)])
@pytest.mark.parametrize("sold", sorted(set(STATES) - GONE))
def test_without_another_stay_that_counts_the_buyer_is_taken(
    sold: SessionState, twin: SessionState | None
) -> None:
    assert meet_sale(sold, twin) is Sale.TAKE


@pytest.mark.parametrize("twin", [*sorted(AWAITED | PRESENT), COMPLETED])
def test_a_stay_that_is_over_is_billed_to_its_buyer_whatever_else_he_has(
    twin: SessionState,
) -> None:
    assert meet_sale(COMPLETED, twin) is Sale.TAKE


@pytest.mark.parametrize("twin", sorted(AWAITED))
@pytest.mark.parametrize("sold", sorted(AWAITED))
def test_of_two_that_are_awaited_the_first_to_come_is_kept(
    sold: SessionState, twin: SessionState
) -> None:
    assert meet_sale(sold, twin) is Sale.TAKE_BESIDE_TWIN


@pytest.mark.parametrize("twin", [*sorted(PRESENT), COMPLETED])
@pytest.mark.parametrize("sold", sorted(AWAITED))
def test_who_came_under_the_other_stay_pays_for_one(sold: SessionState, twin: SessionState) -> None:
    assert meet_sale(sold, twin) is Sale.VOID


@pytest.mark.parametrize("twin", sorted(AWAITED))
@pytest.mark.parametrize("sold", sorted(PRESENT))
def test_who_came_under_the_sold_stay_pays_for_one(sold: SessionState, twin: SessionState) -> None:
    assert meet_sale(sold, twin) is Sale.TAKE_AND_VOID_TWIN


@pytest.mark.parametrize("twin", sorted(PRESENT))
@pytest.mark.parametrize("sold", sorted(PRESENT))
def test_a_person_looks_where_both_are_here(sold: SessionState, twin: SessionState) -> None:
    assert meet_sale(sold, twin) is Sale.TAKE_AND_TELL


@pytest.mark.parametrize("sold", sorted(PRESENT))
def test_who_came_again_after_the_first_stay_was_over_pays_for_both(sold: SessionState) -> None:
    assert meet_sale(sold, COMPLETED) is Sale.TAKE


@pytest.mark.parametrize(
    ("most", "lent", "free", "count"),
    [(4, 0, 9, 4), (4, 1, 9, 3), (4, 0, 2, 2), (4, 4, 9, 0), (2, 4, 9, 0), (0, 0, 9, 0)],
)
def test_at_most_so_many_of_a_class_are_lent_and_none_that_is_not_free(
    most: int, lent: int, free: int, count: int
) -> None:
    assert count_to_lend(most, lent=lent, free=free) == count
