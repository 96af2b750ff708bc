"""What `edge.toml` may say of the lot itself, and of what a stay costs there."""

import difflib
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import Field, ValidationInfo, field_validator

from parkgraph.front.settings import Identifier
from parkgraph.model.money import CURRENCY_EXPONENTS, to_minor
from parkgraph.model.rates import MINUTES_OF_A_DAY, MOST_MINOR
from parkgraph.runtime.configuration import KeyFaultError, Table

SpaceIds = Annotated[tuple[Identifier, ...], Field(strict=False)]


class LotSettings(Table):
    """The lot itself."""

    id: Identifier = Field(
        description="the lot's id everywhere; 1 to 64 letters, digits, '-' and '_'",
        examples=["elm-street"],
    )
    name: str = Field(
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="the lot's name for people, 1 to 100 characters on one line",
        examples=["Elm Street Garage"],
    )
    time_zone: str = Field(
        description="IANA time zone in which the lot's days and hours are meant",
        examples=["America/Los_Angeles"],
    )
    currency: str = Field(
        description="ISO 4217 code of the money that the lot takes", examples=["USD"]
    )
    rate_per_hour: str = Field(
        description="price of one hour, in quotes, with no more decimals than the currency has",
        examples=["3.50"],
        json_schema_extra={"unit": "lot.currency per hour"},
    )
    latitude: float | None = Field(
        default=None,
        ge=-90,
        le=90,
        description="where vehicles are to drive, WGS 84, -90 to 90; with longitude or not at all",
        examples=[34.0522],
        json_schema_extra={"unit": "degrees"},
    )
    longitude: float | None = Field(
        default=None,
        validate_default=True,
        ge=-180,
        le=180,
        description="likewise, -180 to 180; with latitude or not at all",
        examples=[-118.2437],
        json_schema_extra={"unit": "degrees"},
    )
    synthetic: bool = Field(
        default=False,
        description="true where the hardware is simulated: keys that begin with pk_test_ reach"
        " such lots only, and no real barrier is ever opened, not even an exit",
        examples=[True],
    )
    live_keys: bool = Field(
        default=False,
        description="true where pk_live_ keys that the cloud has issued work at this lot too; a"
        " vehicle then sends its key over the lot's network",
        examples=[True],
    )
    spaces: SpaceIds | None = Field(
        default=None,
        description="ids of all spaces, each once, 1 to 20000, class standard;"
        " or leave it out and list them by class in the table [spaces]",
        examples=[["S-01", "S-02"]],
    )

    @field_validator("time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            places = [zone for zone in available_timezones() if "/" in zone]
            near = difflib.get_close_matches(name, places, n=1)
            hint = f"did you mean {near[0]}?" if near else "for example America/Los_Angeles"
            raise ValueError(f"{name!r} is no IANA time zone; {hint}") from error
        return name

    @field_validator("currency")
    @classmethod
    def _is_a_currency(cls, code: str) -> str:
        if code not in CURRENCY_EXPONENTS:
            near = difflib.get_close_matches(code.upper(), CURRENCY_EXPONENTS, n=1)
            hint = f"did you mean {near[0]}?" if near else "for example USD"
            raise ValueError(f"{code!r} is no active ISO 4217 code; {hint}")
        return code

    @field_validator("rate_per_hour", mode="before")
    @classmethod
    def _is_an_amount(cls, rate: object, info: ValidationInfo) -> object:
        _check_quoted(rate)
        currency = info.data.get("currency")
        if isinstance(rate, str) and currency is not None:
            check_amount(rate, currency)
        return rate

    @field_validator("longitude")
    @classmethod
    def _is_a_place(cls, longitude: float | None, info: ValidationInfo) -> float | None:
        if "latitude" in info.data and (longitude is None) != (info.data["latitude"] is None):
            there, missing = (
                ("latitude", "longitude") if longitude is None else ("longitude", "latitude")
            )
            raise KeyFaultError(("lot", there), f"stands alone; add lot.{missing}, or remove it")
        return longitude

    @property
    def zone(self) -> ZoneInfo:
        """The time zone itself."""
        return ZoneInfo(self.time_zone)


class RatesSettings(Table):
    """How a stay is priced beside `lot.rate_per_hour`, until the cloud sets other rates."""

    increment_minutes: int = Field(
        default=1,
        ge=1,
        le=MINUTES_OF_A_DAY,
        description="time is charged by started increments of so many minutes; a divisor of 1440",
        examples=[15],
        json_schema_extra={"unit": "minutes"},
    )
    grace_minutes: int = Field(
        default=0,
        ge=0,
        le=MINUTES_OF_A_DAY,
        description="a stay that is not longer costs nothing; a longer one is charged from its"
        " start",
        examples=[10],
        json_schema_extra={"unit": "minutes"},
    )
    daily_cap: str | None = Field(
        default=None,
        description="most that 24 hours cost before tax, in quotes; they count from the entry",
        examples=["24.00"],
        json_schema_extra={"unit": "lot.currency per 24 hours"},
    )
    tax_percent: str = Field(
        default="0",
        pattern=r"^(100(\.0{1,2})?|[0-9]{1,2}(\.[0-9]{1,2})?)$",
        description="tax that is added, 0 to 100 with at most 2 decimals, in quotes",
        examples=["9.50"],
        json_schema_extra={"unit": "percent"},
    )
    autonomous_rate_per_hour: str | None = Field(
        default=None,
        description="price of one hour for autonomous vehicles, in quotes; without it they pay"
        " lot.rate_per_hour",
        examples=["2.50"],
        json_schema_extra={"unit": "lot.currency per hour"},
    )

    @field_validator("increment_minutes")
    @classmethod
    def _fits_into_a_day(cls, minutes: int) -> int:
        if MINUTES_OF_A_DAY % minutes:
            raise ValueError(
                f"is {minutes}, and a day is no whole number of that; write a divisor of 1440,"
                " such as 1, 5, 15, 30 or 60"
            )
        return minutes

    @field_validator("daily_cap", "tax_percent", "autonomous_rate_per_hour", mode="before")
    @classmethod
    def _is_quoted(cls, written: object) -> object:
        return _check_quoted(written)


def _check_quoted(written: object) -> object:
    if isinstance(written, int | float):
        raise ValueError(f'is a number, and money is exact; write it in quotes: "{written}"')
    return written


def check_amount(written: str, currency: str) -> None:
    """Raise ValueError where `written` is no amount of `currency` that something can cost."""
    amount = to_minor(written, currency)
    if amount < 0:
        raise ValueError('is below zero; write what it costs, for example "3.50"')
    if amount > MOST_MINOR:
        raise ValueError(f"is over {MOST_MINOR} of the smallest units; write a smaller amount")
