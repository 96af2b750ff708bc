"""The commands of a start: say what the lot is, close what the last run left open."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from parkgraph.journal.ledger import Decision, Moment
from parkgraph.model.records import AnyRecord, LotDescribed, VendFinished, VendOutcome
from parkgraph.runtime.errors import UnavailableError
from parkgraph_edge.rules.lanes import OpenAdmission
from parkgraph_edge.store.facts import LotFacts


@dataclass(frozen=True, slots=True)
class OpenLot:
    """Record a changed description, and every unfinished order as too late: none is sent again."""

    lot: str
    description: LotDescribed
    actor: str = "system"

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[int]:
        """Return how many orders were too late.

        Raises:
            UnavailableError: the ledger is another lot's.
        """
        facts = LotFacts(connection, self.lot)
        if other := facts.another_lot():
            raise UnavailableError(
                f"the ledger holds the lot {other}, not {self.lot};"
                " give this lot a state directory of its own, or its old id back"
            )
        records: list[AnyRecord] = []
        if facts.description() != self.description.model_dump_json():
            records.append(self.description)
        left = facts.orders_unfinished()
        records.extend(
            VendFinished(order=order, lane=lane, outcome=VendOutcome.TOO_LATE)
            for order, lane in left
        )
        return Decision(len(left), records)


@dataclass(frozen=True, slots=True)
class FindOpenAdmission:
    """Read which admission a lane had open. `now` is the boot clock in seconds."""

    lot: str
    lane: str
    now: float
    actor: str = "system"

    def decide(
        self, connection: sqlite3.Connection, moment: Moment
    ) -> Decision[tuple[OpenAdmission, int] | None]:
        """Return it with the passage counter at its time, or None."""
        row = LotFacts(connection, self.lot).admission_open(self.lane)
        if row is None:
            return Decision(None)
        age = (moment.at - datetime.fromisoformat(row["granted_at"])).total_seconds()
        granted_at = self.now - max(0.0, age)
        admission = OpenAdmission(row["admission"], row["session"], granted_at, self.now)
        return Decision((admission, row["passages_before"]))
