"""For how long a lent space may be sold: two clocks are never compared."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.model.loans import CLASSES_FOR, HOLD, margin, may_sell, reclaimed_after
from parkgraph.model.records import SpaceClass
from tests.builders import NOON

HOUR = timedelta(hours=1)
LOANS = st.integers(3600, 168 * 3600).map(lambda seconds: timedelta(seconds=seconds))
DRIFTS = st.floats(-0.01, 0.01)


@given(loan=LOANS, cloud_drift=DRIFTS, lot_drift=DRIFTS, data=st.data())
def test_whatever_two_clocks_drift_the_last_buyer_is_in_before_the_lot_takes_its_space_back(
    loan: timedelta, cloud_drift: float, lot_drift: float, data: st.DataObject
) -> None:
    sold_after = data.draw(st.floats(0, loan.total_seconds())) / (1 + cloud_drift)
    by_cloud = timedelta(seconds=sold_after * (1 + cloud_drift))
    if not may_sell(NOON + by_cloud, asked_at=NOON, loan=loan):
        return

    # The lot granted later than it was asked, so its loan begins at the earliest at once.
    in_by = (by_cloud + HOLD).total_seconds() / (1 + cloud_drift)
    reclaimed = reclaimed_after(loan).total_seconds() / (1 + lot_drift)

    assert in_by <= reclaimed + 1e-3


@given(loan=LOANS)
def test_a_vehicle_that_buys_last_comes_before_the_end_less_a_margin(loan: timedelta) -> None:
    last = NOON + loan - margin(loan) - HOLD

    assert may_sell(last, asked_at=NOON, loan=loan)
    assert not may_sell(last + timedelta(milliseconds=1), asked_at=NOON, loan=loan)


def test_what_was_asked_for_in_the_future_is_not_sold() -> None:
    assert not may_sell(NOON - timedelta(seconds=1), asked_at=NOON, loan=24 * HOUR)


def test_a_loan_too_short_for_anybody_to_come_is_never_sold() -> None:
    assert not may_sell(NOON, asked_at=NOON, loan=HOLD)


@pytest.mark.parametrize(
    ("loan", "expected"),
    [(HOUR, timedelta(minutes=1)), (24 * HOUR, timedelta(seconds=864)), (HOUR * 0, margin(HOUR))],
)
def test_the_margin_is_a_hundredth_and_at_least_a_minute(
    loan: timedelta, expected: timedelta
) -> None:
    assert margin(loan) == expected


def test_no_vehicle_is_given_an_accessible_space_without_asking() -> None:
    assert SpaceClass.ACCESSIBLE not in {c for classes in CLASSES_FOR.values() for c in classes}
