"""What a stay costs: one rate card, shared by lot and cloud, and frozen when a stay is booked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from parkgraph.model.money import CURRENCY_EXPONENTS

DAY: Final = timedelta(days=1)
MINUTES_OF_A_DAY: Final = 1440
MINUTES_OF: Final[Mapping[str, int]] = {"hour": 60, "day": MINUTES_OF_A_DAY}

# So that the price of a hundred years still fits where databases keep it.
MOST_MINOR: Final = 10**12
Amount = Annotated[int, Field(ge=0, le=MOST_MINOR)]


@dataclass(frozen=True, slots=True)
class Price:
    """What a stay costs, in minor units."""

    net_minor: int
    tax_minor: int

    @property
    def total_minor(self) -> int:
        """What is paid: the tax is on top."""
        return self.net_minor + self.tax_minor


class Rate(BaseModel):
    """The price of one stay, as it was when the stay was booked. Money is in minor units.

    Time is charged by started increments, all of it once the grace is over, and at most the cap for
    each started 24 hours from the entry. The tax is added.
    """

    model_config = ConfigDict(frozen=True)

    version: Annotated[str, Field(min_length=1, max_length=64)]
    currency: str
    unit: Literal["hour", "day"] = "hour"
    unit_minor: Amount
    increment_minutes: Annotated[int, Field(ge=1, le=MINUTES_OF_A_DAY)] = 1
    grace_minutes: Annotated[int, Field(ge=0, le=MINUTES_OF_A_DAY)] = 0
    daily_cap_minor: Amount | None = None
    tax_basis_points: Annotated[int, Field(ge=0, le=10_000)] = 0

    @field_validator("currency")
    @classmethod
    def _has_known_decimals(cls, code: str) -> str:
        if code not in CURRENCY_EXPONENTS:
            raise ValueError(f"{code!r} is no active ISO 4217 code; write one such as USD")
        return code

    @field_validator("increment_minutes")
    @classmethod
    def _fits_into_a_day(cls, minutes: int) -> int:
        # Else the last increment of each day would be charged in full and cut off.
        if MINUTES_OF_A_DAY % minutes:
            raise ValueError(
                f"a day is no whole number of {minutes} minutes; choose a divisor of 1440,"
                " such as 1, 5, 15, 30 or 60"
            )
        return minutes

    def price(self, elapsed: timedelta) -> Price:
        """Return what a stay of `elapsed` costs; nothing where a clock makes it negative.

        Integers only, and two places where a remainder is dropped, for the customer: the price of
        the increments since the last full 24 hours (full ones divide evenly), and the tax on the
        whole. It never falls as `elapsed` grows.

        `elapsed` is time that passed, so a night in which the clocks change is as long as it was.
        """
        if elapsed <= timedelta(minutes=self.grace_minutes):
            return Price(0, 0)
        days, rest = divmod(elapsed, DAY)
        net = days * self._capped(DAY) + self._capped(rest)
        return Price(net, net * self.tax_basis_points // 10_000)

    def _capped(self, part: timedelta) -> int:
        """Return what at most one day costs."""
        increments = -(-part // timedelta(minutes=self.increment_minutes))
        net = self.unit_minor * increments * self.increment_minutes // MINUTES_OF[self.unit]
        return net if self.daily_cap_minor is None else min(net, self.daily_cap_minor)


class RateCard(Rate):
    """What a lot charges: `unit_minor`, or `autonomous_unit_minor` from who drives himself."""

    autonomous_unit_minor: Amount | None = None

    def rate_for(self, *, autonomous: bool) -> Rate:
        """Return what a vehicle is charged that is booked now."""
        frozen = {name: getattr(self, name) for name in Rate.model_fields}
        if autonomous and self.autonomous_unit_minor is not None:
            frozen["unit_minor"] = self.autonomous_unit_minor
        return Rate.model_construct(**frozen)

    def price(self, elapsed: timedelta) -> Price:
        """Return what a stay costs while nobody knows who drives: the lower of the two prices."""
        rates = (self.rate_for(autonomous=autonomous) for autonomous in (False, True))
        return min((rate.price(elapsed) for rate in rates), key=lambda price: price.total_minor)
