"""Lending spaces to the cloud: how many, and what a sale means that the lot reads later."""

from enum import Enum
from typing import Final

from parkgraph.model.sessions import SessionState

# A stay whose vehicle has not come yet.
AWAITED: Final = frozenset({SessionState.ALLOTTED, SessionState.RESERVED})
PRESENT: Final = frozenset({SessionState.ARRIVING, SessionState.PARKED, SessionState.LEAVING})
GONE: Final = frozenset({SessionState.VOID, SessionState.NO_SHOW, SessionState.CANCELLED})


class Sale(Enum):
    """What becomes of an allotment that was sold."""

    TAKE = "take"
    TAKE_AND_VOID_TWIN = "take and void the twin"
    TAKE_BESIDE_TWIN = "take; whichever of the two comes first is kept"
    TAKE_AND_TELL = "take; both are here, a person has to look"
    VOID = "void, the vehicle came under the twin"
    TOO_LATE = "too late, nobody came in time"


def meet_sale(sold: SessionState, twin: SessionState | None) -> Sale:
    """Return what becomes of a sold stay in the state `sold`.

    `twin` is the state of the same vehicle's other stay at the lot, booked there: an open one, or
    one that the same request made. The one that was presented is kept; a person looks only where
    both are here.
    """
    if sold in GONE:
        return Sale.TOO_LATE
    if twin is None or twin in GONE or sold is SessionState.COMPLETED:
        return Sale.TAKE
    if sold in AWAITED:
        return Sale.TAKE_BESIDE_TWIN if twin in AWAITED else Sale.VOID
    if twin in AWAITED:
        return Sale.TAKE_AND_VOID_TWIN
    return Sale.TAKE_AND_TELL if twin in PRESENT else Sale.TAKE


def count_to_lend(most: int, *, lent: int, free: int) -> int:
    """Return how many more spaces of a class to lend of those `free`, where `most` may be lent."""
    return max(0, min(most - lent, free))
