"""The command that ties the lot's two clocks together, so that the time between boots is known."""

import sqlite3
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from parkgraph.journal.ledger import Decision, Moment
from parkgraph.model.api import LONGEST_EXTENSION
from parkgraph.model.records import AnyRecord, ClockAnchored, HoldExtended
from parkgraph_edge.store.facts import Clocks, LotFacts

# So much of a boot is given away at most, where power fails and nobody knows the time afterwards.
ANCHOR_EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class AnchorClock:
    """Record how the clocks stand where that is news: at each boot, now and then, after each step.

    A step of the wall clock moves all holds, as each was for a time and not until an hour of the
    day. Those of another time altogether were made before the machine knew which it is. The wall
    clock `is_trusted`, or may be wrong.
    """

    lot: str
    is_trusted: bool
    actor: str = "system"

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[timedelta]:
        """Return by how much the wall clock was stepped; nothing where it goes on."""
        facts = LotFacts(connection, self.lot)
        before = facts.clocks_before(moment)
        if moment.boot is None or (before and not self._is_news(before)):
            return Decision(timedelta(0))
        step = before.step if before and before.is_stepped else timedelta(0)
        anchor = ClockAnchored(boot=moment.boot, boot_ms=moment.boot_ms, is_trusted=self.is_trusted)
        return Decision(step, [anchor, *_moved(step, facts, moment)])

    def _is_news(self, before: Clocks) -> bool:
        is_trust_new = before.was_trusted is not self.is_trusted
        return is_trust_new or before.is_stepped or before.passed >= ANCHOR_EVERY


def _moved(step: timedelta, facts: LotFacts, moment: Moment) -> list[AnyRecord]:
    if not step:
        return []
    now = facts.steady_time(moment)
    return [
        HoldExtended(session=stay.session, hold_until=stay.hold_until + step)
        for stay in facts.reserved()
        if abs(stay.hold_until - now) <= LONGEST_EXTENSION
    ]
