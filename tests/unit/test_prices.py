"""What a stay costs: by started minutes, never less than nothing."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.model.prices import price_minor

rates = st.integers(0, 10**6)
durations = st.timedeltas(timedelta(days=-1), timedelta(days=400))


@pytest.mark.parametrize(
    ("elapsed", "price"),
    [
        (timedelta(0), 0),
        (timedelta(microseconds=1), 1),
        (timedelta(minutes=1), 1),
        (timedelta(minutes=1, microseconds=1), 2),
        (timedelta(minutes=30), 30),
        (timedelta(hours=2), 120),
    ],
)
def test_each_started_minute_counts(elapsed: timedelta, price: int) -> None:
    assert price_minor(60, elapsed) == price


def test_what_is_left_of_a_minor_unit_is_dropped_once() -> None:
    assert price_minor(350, timedelta(minutes=1)) == 5
    assert price_minor(350, timedelta(minutes=60)) == 350


@given(rates, durations)
def test_a_price_is_never_negative(rate: int, elapsed: timedelta) -> None:
    assert price_minor(rate, elapsed) >= 0


@given(rates, durations, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_a_longer_stay_never_costs_less(rate: int, elapsed: timedelta, more: timedelta) -> None:
    assert price_minor(rate, elapsed) <= price_minor(rate, elapsed + more)
