"""What the cloud can say of a lot now, by what it heard last."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from parkgraph.journal.messages import LotState
from parkgraph.model.api import Availability, LotStatus
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader
from parkgraph_cloud.sales import count_sellable

SQL: Final = load_queries("parkgraph_cloud", "lot_states.sql")

# A lot says how it is every two seconds; every eight where its disk is nearly full.
STALE_AFTER: Final = timedelta(seconds=30)
# What was free longer ago says nothing any more.
TELLS_FOR: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a lot said last of itself, and when that was; None where it never said anything."""

    state: LotState | None
    at: datetime | None

    def is_linked(self, now: datetime) -> bool:
        """Say whether the lot can be reached, as far as is known."""
        return self._link(now) == "up"

    def is_older_than(self, age: timedelta, now: datetime) -> bool:
        """Say whether nothing was heard for so long."""
        return self.at is None or now - self.at > age

    def status(self, lot: str, now: datetime) -> LotStatus:
        """Return how the lot is."""
        away = self.state.away if self.state else {}
        return LotStatus(lot_id=lot, link=self._link(now), as_of=self.at, away=away)

    def _link(self, now: datetime) -> Literal["up", "down", "unknown"]:
        if self.state is None:
            return "unknown"
        is_silent = self.state.link == "up" and self.is_older_than(STALE_AFTER, now)
        return "unknown" if is_silent else self.state.link


def heard_of(row: sqlite3.Row | None) -> Heard:
    """Return what a row of `lot_states` says, if there is one."""
    if row is None:
        return Heard(None, None)
    state = LotState.model_validate_json(row["body"])
    return Heard(state, datetime.fromisoformat(row["received_at"]))


async def read_heard(reader: Reader, lot: str) -> Heard:
    """Return what `lot` said last of itself."""
    return heard_of(await reader.one(SQL["state"], {"lot": lot}))


async def availability(reader: Reader, lot: str, now: datetime) -> Availability:
    """Count the spaces of `lot` by the cloud's copy of its facts."""
    heard = await read_heard(reader, lot)
    rows = await reader.all(SQL["count_free"], {"lot": lot})
    free = {row["space_class"]: int(row["free"]) for row in rows}
    is_known = not heard.is_older_than(TELLS_FOR, now)
    return Availability(
        lot_id=lot,
        as_of=heard.at,
        stale=not heard.is_linked(now),
        stale_after_seconds=int(STALE_AFTER.total_seconds()),
        spaces=sum(row["spaces"] for row in rows),
        bookable=await count_sellable(reader, lot, now),
        free=sum(free.values()) if is_known else None,
        free_by_class=free if is_known else None,
    )
