"""Lots, as `/api/v1` finds, describes and prices them."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from parkgraph.model.api.parts import Asked, Body, Identifier, Money
from parkgraph.model.api.sessions import DEFAULT_STAY, LONGEST_STAY
from parkgraph.model.money import from_minor
from parkgraph.model.rates import RateCard

MOST_OBSERVATIONS = 1_000
_MINUTES = Annotated[int, Field(ge=1, le=int(LONGEST_STAY.total_seconds()) // 60)]


class SearchQuery(Asked):
    """Where to look for lots."""

    lat: Annotated[float, Field(ge=-90, le=90)] = Field(
        description="latitude in degrees, north is positive", examples=[37.7749]
    )
    lng: Annotated[float, Field(ge=-180, le=180)] = Field(
        description="longitude in degrees, east is positive", examples=[-122.4194]
    )
    radius: Annotated[int, Field(ge=1, le=50_000)] = Field(
        default=2000, description="how far from there at most, in metres", examples=[2000]
    )
    av: bool = Field(
        default=True,
        description="only lots that vehicles without a driver can use: automated gates at entry"
        " and exit",
        examples=["true"],
    )
    limit: Annotated[int, Field(ge=1, le=100)] = Field(
        default=20, description="how many lots at most", examples=[20]
    )


class GateBody(Body):
    """How the lot is entered and left."""

    automated: bool = Field(description="barriers open without anybody's hands")


class LotBody(Body):
    """A lot: where it is, and who can use it."""

    lot_id: str = Field(description="id of the lot")
    name: str = Field(description="name for people")
    latitude: float | None = Field(description="degrees, north is positive; null where not told")
    longitude: float | None = Field(description="degrees, east is positive; null where not told")
    time_zone: str = Field(description="IANA time zone", examples=["America/Los_Angeles"])
    currency: str = Field(description="ISO 4217 code", examples=["USD"])
    spaces: int = Field(description="number of spaces that the lot has")
    spaces_by_class: dict[str, int] = Field(
        description="the same by class: `standard`, `autonomous`, `accessible`"
    )
    autonomous: bool = Field(description="vehicles without a driver can use it")
    gate: GateBody = Field(description="how it is entered and left")
    synthetic: bool = Field(description="simulated: `pk_test_` keys reach such lots only")


class Availability(Body):
    """How many spaces of a lot can be booked here now. Accessible ones are counted, not booked.

    To count is not to hold: book to be sure of a space. What is too old to say is null.
    """

    lot_id: str = Field(description="lot that this is about")
    as_of: AwareDatetime | None = Field(
        description="of when this is, in UTC: at the lot now, in the cloud when the lot was last"
        " heard; null where it never was"
    )
    stale: bool = Field(description="the lot cannot be heard now, so this may be out of date")
    stale_after_seconds: int = Field(description="from when on silence of the lot counts as stale")
    spaces: int = Field(description="number of spaces that the lot has")
    bookable: int = Field(
        description="number of spaces that a `POST /sessions` to this side gets now; the cloud"
        " sells what lots have lent it, also while they cannot be reached"
    )
    free: int | None = Field(
        description="number of spaces that are neither booked nor lent nor in use; null where it"
        " was told more than 30 minutes ago"
    )
    free_by_class: dict[str, int] | None = Field(
        description="`free` by the class of the spaces: `standard`, `autonomous`, `accessible`"
    )


class LotFound(Body):
    """A lot that a search found."""

    lot: LotBody = Field(description="the lot")
    distance_m: int = Field(description="metres from where you searched, as the crow flies")
    availability: Availability = Field(description="its spaces, as far as this side knows")


class LotsAnswer(Body):
    """Lots, the nearest first."""

    lots: tuple[LotFound, ...] = Field(description="the nearest first")
    scope: Literal["lot", "cloud"] = Field(
        description="`lot`: a lot knows of itself only; `cloud`: all lots"
    )


class LotAnswer(Body):
    """One lot."""

    lot: LotBody = Field(description="the lot")


class RatesBody(Body):
    """What a lot charges who books now. Amounts are without tax; those in minor units count.

    Time is counted from the entry by started increments, and rounded down once to minor units.
    """

    lot_id: str = Field(description="lot that this is about")
    version: str = Field(description="names these rates in every stay that is booked at them")
    currency: str = Field(description="ISO 4217 code of all amounts")
    rate: Money = Field(description="price of one `rate_unit`")
    rate_minor: int = Field(description="the same in minor units: 350 is 3.50 USD")
    rate_unit: str = Field(description="`hour` or `day` (24 hours)")
    autonomous_rate: Money | None = Field(
        description="what vehicles without a driver pay instead; null where it is the same"
    )
    autonomous_rate_minor: int | None = Field(description="the same in minor units")
    increment_minutes: int = Field(description="time is charged by started increments of so long")
    grace_minutes: int = Field(description="who leaves within so long pays nothing")
    daily_cap: Money | None = Field(
        description="at most so much for each started 24 hours from the entry; null: no cap"
    )
    daily_cap_minor: int | None = Field(description="the same in minor units")
    tax_percent: float = Field(description="added to all that, and rounded down")


class RatesRequest(Asked):
    """Change what a lot charges who books from now on. Money is in minor units of its currency."""

    rate_minor: Annotated[int, Field(ge=0, le=10**12)] = Field(
        description="price of one `rate_unit`: 350 is 3.50 USD"
    )
    rate_unit: Literal["hour", "day"] = Field(default="hour", description="`hour` or `day`")
    autonomous_rate_minor: Annotated[int, Field(ge=0, le=10**12)] | None = Field(
        default=None, description="what vehicles without a driver pay instead"
    )
    increment_minutes: Annotated[int, Field(ge=1, le=1440)] = Field(
        default=1, description="time is charged by started increments of so long"
    )
    grace_minutes: Annotated[int, Field(ge=0, le=1440)] = Field(
        default=0, description="who leaves within so long pays nothing"
    )
    daily_cap_minor: Annotated[int, Field(ge=0, le=10**12)] | None = Field(
        default=None, description="at most so much for each started 24 hours"
    )
    tax_basis_points: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0, description="tax in hundredths of a percent: 825 is 8.25 %"
    )


class QuoteQuery(Asked):
    """What to tell the price of."""

    autonomous: bool = Field(
        default=False, description="for a vehicle without a driver", examples=["true"]
    )
    expected_duration_minutes: _MINUTES = Field(
        default=int(DEFAULT_STAY.total_seconds()) // 60,
        description="for how long, in minutes",
        examples=[120],
    )


class Quote(Body):
    """What a stay would cost that is booked now."""

    lot_id: str = Field(description="lot that this is about")
    rate_version: str = Field(description="version of the lot's rates that this is by")
    currency: str = Field(description="ISO 4217 code of all amounts")
    expected_duration_minutes: int = Field(description="what the amount is for, in minutes")
    net_minor: int = Field(description="without tax, in minor units")
    tax_minor: int = Field(description="the tax, in minor units")
    amount: Money = Field(description="with tax, in `currency`")
    amount_minor: int = Field(description="the same in minor units; this one counts")


class Observation(Asked):
    """What was seen in one space."""

    space: Identifier = Field(description="id of the space")
    occupied: bool = Field(description="true where something stands in it")


class ObservationsRequest(Asked):
    """What was seen in spaces of a lot just now, by a camera or a passing vehicle."""

    observations: Annotated[
        tuple[Observation, ...],
        Field(min_length=1, max_length=MOST_OBSERVATIONS, strict=False),
    ] = Field(description="one a space; of two for one space the later one counts")


class ObservationsAnswer(Body):
    """How it was taken."""

    accepted: int = Field(description="number of spaces that it told something of")
    counts_for_seconds: int = Field(
        description="for so long no space that was seen occupied is promised while another is free"
    )


def show_rates(lot: str, card: RateCard) -> RatesBody:
    """Return `card` of `lot` as `/api/v1` shows it."""
    currency, autonomous, cap = card.currency, card.autonomous_unit_minor, card.daily_cap_minor
    return RatesBody(
        lot_id=lot,
        version=card.version,
        currency=currency,
        rate=from_minor(card.unit_minor, currency),
        rate_minor=card.unit_minor,
        rate_unit=card.unit,
        autonomous_rate=None if autonomous is None else from_minor(autonomous, currency),
        autonomous_rate_minor=autonomous,
        increment_minutes=card.increment_minutes,
        grace_minutes=card.grace_minutes,
        daily_cap=None if cap is None else from_minor(cap, currency),
        daily_cap_minor=cap,
        tax_percent=card.tax_basis_points / 100,
    )
