"""What the lot offers, and to whom it lends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from parkgraph.model.records import SpaceClass


@dataclass(frozen=True, slots=True)
class Tariff:
    """What an hour costs here, in minor units of `currency`."""

    currency: str
    rate_minor_per_hour: int


@dataclass(frozen=True, slots=True)
class LotTerms:
    """What every booking at this lot has in common.

    `allotments` says how many spaces of a class the cloud may have to sell, `loan` for how long.
    """

    lot: str
    tariff: Tariff
    entry_lane: str
    code_key: bytes
    allotments: Mapping[SpaceClass, int] = field(default_factory=dict)
    loan: timedelta = timedelta(0)
