"""What the lot offers, and to whom it lends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from parkgraph.model.rates import RateCard
from parkgraph.model.records import SpaceClass


@dataclass(frozen=True, slots=True)
class LotTerms:
    """What every booking at this lot has in common.

    `allotments` says how many spaces of a class the cloud may have to sell, `loan` for how long.
    `rates` are those of the configuration, which count until the cloud has set others.
    """

    lot: str
    rates: RateCard
    entry_lane: str
    code_key: bytes
    allotments: Mapping[SpaceClass, int] = field(default_factory=dict)
    loan: timedelta = timedelta(0)
