"""How long a lent space may be sold, and which spaces are for whom: the same at lot and cloud."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from parkgraph.model.records import SpaceClass

# In the order in which classes are tried. No overflow ever uses accessible spaces.
CLASSES_FOR: Final[Mapping[bool, tuple[SpaceClass, ...]]] = {
    True: (SpaceClass.AUTONOMOUS, SpaceClass.STANDARD),
    False: (SpaceClass.STANDARD,),
}
# For how long a space is held for a vehicle that is on its way.
HOLD: Final = timedelta(minutes=30)
LEAST_MARGIN: Final = timedelta(seconds=60)


def margin(loan: timedelta) -> timedelta:
    """Return by how much the cloud stops earlier than `loan`, and the lot waits longer.

    So two clocks are never compared, and may run apart by a hundredth.
    """
    return max(loan / 100, LEAST_MARGIN)


def may_sell(now: datetime, *, asked_at: datetime, loan: timedelta) -> bool:
    """Say whether the cloud may sell at `now` what it asked for at `asked_at`, on its own clock.

    The vehicle has to be able to come in time. What was asked for in the future was asked for by a
    clock that has run backwards since: nobody knows how old it is.
    """
    return asked_at <= now <= asked_at + loan - margin(loan) - HOLD


def reclaimed_after(loan: timedelta) -> timedelta:
    """Return how long after its own commit the lot has a lent space back."""
    return loan + margin(loan)


def given_up_after(loan: timedelta) -> timedelta:
    """Return how long a lot that lost rows waits for a cloud that it cannot reach.

    By then nobody can come on a promise that it has forgotten, made by the cloud or by itself.
    """
    return reclaimed_after(max(loan, HOLD))
