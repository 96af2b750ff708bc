"""What a stay costs when it ends, and for how long that is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from parkgraph.model.elapsed import Boot, Instant, elapsed
from parkgraph.model.sessions import Session

# Who has ended his stay has so long to drive out before anybody is told that he is still there.
TIME_TO_LEAVE: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Bill:
    """What a stay costs; a lower price was told before where it is less than the time costs.

    `over_seconds` is None for who leaves in time after the end of his stay.
    """

    amount_minor: int
    elapsed_seconds: int
    is_in_doubt: bool
    over_seconds: int | None


def bill(stay: Session, now: Instant, boots: Mapping[str, Boot]) -> Bill | None:
    """Return what `stay` costs if it ends `now`; None for one whose vehicle never came in.

    A price once told never rises, however long the vehicle stays after that: the operator is shown
    how long that is. What was proven when it was told stays proven.
    """
    if stay.entered is None:
        return None
    found = elapsed(stay.entered, now, boots)
    charged = found.seconds if stay.elapsed_seconds is None else stay.elapsed_seconds
    seconds = max(found.seconds, charged)
    amount = stay.rate.price(timedelta(seconds=seconds)).total_minor
    if stay.amount_minor is not None:
        amount = min(amount, stay.amount_minor)
    over = seconds - charged
    return Bill(
        amount_minor=amount,
        elapsed_seconds=seconds,
        is_in_doubt=found.is_in_doubt,
        over_seconds=over if over > TIME_TO_LEAVE.total_seconds() else None,
    )
