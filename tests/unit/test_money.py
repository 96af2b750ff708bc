"""Money is whole minor units, and no decimal is lost or invented."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.model.money import CURRENCY_EXPONENTS, AmountError, from_minor, to_minor


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("3.50", "USD", 350),
        ("3.5", "USD", 350),
        ("3", "USD", 300),
        ("-0.05", "EUR", -5),
        ("300", "JPY", 300),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        (Decimal("1E+2"), "USD", 10000),
    ],
)
def test_an_amount_is_minor_units(text: str | Decimal, currency: str, minor: int) -> None:
    assert to_minor(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("3.505", "USD"),
        ("1.5", "JPY"),
        ("3,50", "USD"),
        ("1e2", "USD"),
        ("", "USD"),
        (".5", "USD"),
        (" 1", "USD"),
        ("\N{ARABIC-INDIC DIGIT ONE}", "USD"),
        ("1\n", "USD"),
        (Decimal("NaN"), "USD"),
        (Decimal("Infinity"), "USD"),
        ("1" * 16, "USD"),
        ("1", "XTS"),
        ("1", "usd"),
    ],
)
def test_what_is_no_amount_is_refused(text: str | Decimal, currency: str) -> None:
    with pytest.raises(AmountError):
        to_minor(text, currency)


@given(st.integers(-(10**14), 10**14), st.sampled_from(sorted(CURRENCY_EXPONENTS)))
def test_minor_units_come_back_as_they_went(amount: int, currency: str) -> None:
    assert to_minor(from_minor(amount, currency), currency) == amount


def test_an_amount_is_shown_with_all_decimals() -> None:
    assert str(from_minor(350, "USD")) == "3.50"
