"""What a stay costs: by started increments after a grace, capped by the day, with tax on top."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from parkgraph.model.rates import MINUTES_OF_A_DAY, Price, Rate, RateCard

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
DIVISORS = [minutes for minutes in range(1, 1441) if MINUTES_OF_A_DAY % minutes == 0]

amounts = st.integers(0, 10**9)
durations = st.timedeltas(timedelta(days=-1), timedelta(days=400))
rates = st.builds(
    RateCard,
    version=st.just("1"),
    currency=st.sampled_from(["USD", "JPY", "KWD"]),
    unit=st.sampled_from(["hour", "day"]),
    unit_minor=amounts,
    increment_minutes=st.sampled_from(DIVISORS),
    grace_minutes=st.integers(0, 1440),
    daily_cap_minor=st.none() | amounts,
    tax_basis_points=st.integers(0, 10_000),
    autonomous_unit_minor=st.none() | amounts,
)


def a_rate(unit_minor: int = 60, **more: Any) -> Rate:
    return Rate(version="1", currency="USD", unit_minor=unit_minor, **more)


def a_card(**more: Any) -> RateCard:
    return RateCard(version="1", currency="USD", unit_minor=350, **more)


@pytest.mark.parametrize(
    ("elapsed", "price"),
    [
        (timedelta(0), 0),
        (-HOUR, 0),
        (MOMENT, 1),
        (timedelta(minutes=1), 1),
        (timedelta(minutes=1) + MOMENT, 2),
        (timedelta(minutes=30), 30),
        (timedelta(hours=2), 120),
    ],
)
def test_each_started_minute_counts(elapsed: timedelta, price: int) -> None:
    assert a_rate().price(elapsed).total_minor == price


def test_each_started_increment_counts() -> None:
    rate = a_rate(increment_minutes=15)

    assert rate.price(timedelta(minutes=15)).net_minor == 15
    assert rate.price(timedelta(minutes=15) + MOMENT).net_minor == 30


def test_what_is_left_of_a_minor_unit_is_dropped_once() -> None:
    assert a_rate(350).price(timedelta(minutes=1)).total_minor == 5
    assert a_rate(350).price(timedelta(minutes=2)).total_minor == 11
    assert a_rate(350).price(HOUR).total_minor == 350


def test_after_the_grace_all_of_the_time_is_charged() -> None:
    rate = a_rate(grace_minutes=10)

    assert rate.price(timedelta(minutes=10)) == Price(0, 0)
    assert rate.price(timedelta(minutes=10) + MOMENT).net_minor == 11


def test_each_started_24_hours_cost_at_most_the_cap() -> None:
    rate = a_rate(daily_cap_minor=500)

    assert rate.price(9 * HOUR).net_minor == 500
    assert rate.price(DAY).net_minor == 500
    assert rate.price(DAY + HOUR).net_minor == 560
    assert rate.price(3 * DAY + 12 * HOUR).net_minor == 2000


def test_a_cap_that_is_never_reached_changes_nothing() -> None:
    assert a_rate(daily_cap_minor=1441).price(2 * DAY) == a_rate().price(2 * DAY)


def test_a_rate_by_the_day_is_charged_by_started_increments_too() -> None:
    by_day = a_rate(1000, unit="day", increment_minutes=1440)

    assert by_day.price(HOUR).net_minor == 1000
    assert a_rate(1000, unit="day").price(12 * HOUR).net_minor == 500


def test_tax_is_added_and_its_remainder_is_the_customer_s() -> None:
    assert a_rate(350, tax_basis_points=950).price(HOUR) == Price(350, 33)
    assert a_rate(350, tax_basis_points=950).price(HOUR).total_minor == 383


def test_who_drives_himself_pays_his_own_price() -> None:
    card = a_card(autonomous_unit_minor=250)

    assert card.rate_for(autonomous=True).unit_minor == 250
    assert card.rate_for(autonomous=False).unit_minor == 350


def test_a_card_without_such_a_price_has_one_for_all() -> None:
    card = a_card(tax_basis_points=950, grace_minutes=5)

    assert card.rate_for(autonomous=True) == card.rate_for(autonomous=False)
    assert card.rate_for(autonomous=True).tax_basis_points == 950


@pytest.mark.parametrize(("other", "lower"), [(250, 250), (500, 350)])
def test_while_nobody_knows_who_drives_the_lower_price_counts(other: int, lower: int) -> None:
    assert a_card(autonomous_unit_minor=other).price(HOUR).total_minor == lower


def test_a_price_of_nothing_for_who_drives_himself_is_a_price() -> None:
    assert a_card(autonomous_unit_minor=0).rate_for(autonomous=True).unit_minor == 0


@pytest.mark.parametrize("kept", [a_rate(), a_card(), a_card(autonomous_unit_minor=1)])
def test_a_rate_and_a_card_are_told_apart_when_they_are_read_back(kept: Rate) -> None:
    either: TypeAdapter[Rate | RateCard] = TypeAdapter(Rate | RateCard)

    again = either.validate_json(either.dump_json(kept))

    assert type(again) is type(kept)
    assert again == kept
    assert either.dump_json(kept).decode() == kept.model_dump_json()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"currency": "XTS"}, "no active ISO 4217 code"),
    ({"increment_minutes": 7}, "a day is no whole number of 7 minutes"),
    ({"increment_minutes": 0}, "greater than or equal to 1"),
    ({"unit": "week"}, "'hour' or 'day'"),
    ({"unit_minor": -1}, "greater than or equal to 0"),
    ({"daily_cap_minor": -1}, "greater than or equal to 0"),
    ({"grace_minutes": 1441}, "less than or equal to 1440"),
    ({"tax_basis_points": 10_001}, "less than or equal to 10000"),
    ({"autonomous_unit_minor": -1}, "greater than or equal to 0"),
    ({"version": ""}, "at least 1 character"),
]


@pytest.mark.parametrize(("change", "why"), WRONG, ids=[str(change) for change, _ in WRONG])
def test_what_makes_no_sense_is_refused(change: dict[str, Any], why: str) -> None:
    card = a_card().model_dump() | change

    with pytest.raises(ValidationError, match=why):
        RateCard.model_validate(card)


@given(rates, durations)
def test_a_price_is_never_negative(card: RateCard, elapsed: timedelta) -> None:
    price = card.price(elapsed)

    assert price.net_minor >= 0
    assert 0 <= price.tax_minor <= price.net_minor


@given(rates, durations, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_a_longer_stay_never_costs_less(
    card: RateCard, elapsed: timedelta, more: timedelta
) -> None:
    rate = card.rate_for(autonomous=True)

    assert rate.price(elapsed).total_minor <= rate.price(elapsed + more).total_minor
    assert card.price(elapsed).total_minor <= card.price(elapsed + more).total_minor


@given(rates, durations)
def test_a_cap_never_makes_a_stay_dearer(card: RateCard, elapsed: timedelta) -> None:
    uncapped = card.model_copy(update={"daily_cap_minor": None})

    assert card.price(elapsed).total_minor <= uncapped.price(elapsed).total_minor


@given(rates, durations)
def test_without_a_cap_nothing_is_rounded_at_the_end_of_a_day(
    card: RateCard, elapsed: timedelta
) -> None:
    rate = card.rate_for(autonomous=False).model_copy(update={"daily_cap_minor": None})
    whole = max(elapsed, timedelta(0)) if elapsed > timedelta(minutes=rate.grace_minutes) else None
    increments = -(-whole // timedelta(minutes=rate.increment_minutes)) if whole else 0
    minutes = increments * rate.increment_minutes

    expected = rate.unit_minor * minutes // (60 if rate.unit == "hour" else 1440)
    assert rate.price(elapsed).net_minor == expected
