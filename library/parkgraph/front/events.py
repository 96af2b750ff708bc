"""What happens to a stay, told as it happens from the journal of its lot."""

import json
import re
import sqlite3
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from parkgraph.front.contract import Happened
from parkgraph.journal.changes import Changes
from parkgraph.journal.facts import find_session
from parkgraph.model.sessions import OPEN_STATES, Session, SessionState
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader

_SQL: Final = load_queries("parkgraph.front", "events.sql")

STILL_THERE_SECONDS: Final = 15.0
# Who is further behind gets a snapshot.
MOST_BEHIND: Final = 10_000
_ROWS_AT_ONCE: Final = 1_000

SNAPSHOT: Final = "snapshot"
# The names of records, by their type and the way that a lane leads. Others are nobody's business.
_NAMES: Final[Mapping[tuple[str, str | None], str]] = {
    ("session_reserved", None): "reserved",
    ("booking_taken", None): "reserved",
    ("session_extended", None): "extended",
    ("hold_extended", None): "extended",
    ("space_reassigned", None): "reassigned",
    ("admission_granted", "entry"): "arriving",
    ("admission_granted", "exit"): "leaving",
    ("admission_lapsed", None): "backed_out",
    ("crossed", "entry"): "parked",
    ("crossed", "exit"): "completed",
    ("session_ended", None): "ended",
    ("session_cancelled", None): "cancelled",
    ("no_show_declared", None): "no_show",
    ("session_voided", None): "void",
}
# A state in which a stay is over has the name of the event that led to it.
_LAST: Final = frozenset(state.value for state in SessionState if state not in OPEN_STATES)


class _Place(NamedTuple):
    """A row of the lot's own stream, after which somebody wants more."""

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}"


async def happened(
    reader: Reader, changes: Changes, stay: Session, after: str | None
) -> AsyncGenerator[Happened, None]:
    """Tell what happens to `stay`, first how it is; or what happened after the place `after`.

    A place that is too old, or of another epoch, gets a snapshot too, and so does everybody when
    the lot begins an epoch. It ends with the last event of the stay. Who stops early closes it.

    Raises:
        CallRefusedError: too many follow stays already.
    """
    told = _Told(reader, changes.clock, stay)
    with changes.follow_for_caller(stay.lot) as follower:
        if await told.go_on_after(after):
            yield told.now("")  # nothing may have happened for long, and who asks wants an answer
        while True:
            for event in await told.more():
                yield event
            if told.is_over:
                return
            if told.is_level and not await follower.has_more(within_seconds=STILL_THERE_SECONDS):
                yield told.now("")


class _Told:
    """How far the events of one stay have been told."""

    def __init__(self, reader: Reader, clock: Clock, stay: Session) -> None:
        self._reader = reader
        self._clock = clock
        self._stay = stay
        self._place: _Place | None = None
        self._was_last = False  # the newest event that was told says that the stay is over
        self.is_level = False  # nothing more was there when it was last looked for
        self.is_over = False  # nothing more will come

    async def go_on_after(self, after: str | None) -> bool:
        """Take the events up to the place `after` as told, where it can be gone on from."""
        self._place = place = _known(after, await self._head())
        if place:
            rows = await self._rows(_Place(place.epoch, place.seq - 1), place.seq)
            self._was_last = any(_name_of(row) in _LAST for row in rows)
        return place is not None

    async def more(self) -> list[Happened]:
        """Return the next events, each with the stay as it is now."""
        head = await self._head()
        place = self._place if self._place and self._place.epoch == head.epoch else None
        last = _Place(head.epoch, min(head.seq, place.seq + _ROWS_AT_ONCE)) if place else head
        rows = await self._rows(place, last.seq) if place else []
        stay = await find_session(self._reader, self._stay.session)
        if stay is None:  # the lot has lost it
            self.is_over = True
            return []
        self._stay, self._place, self.is_level = stay, last, last == head
        is_final = stay.state not in OPEN_STATES
        events = []
        if place is None:
            events.append(self.now(SNAPSHOT))
            self._was_last = is_final
        for row in rows:
            if name := _name_of(row):
                at = datetime.fromisoformat(row["at"])
                events.append(Happened(str(_Place(head.epoch, row["seq"])), name, at, stay))
                self._was_last = name in _LAST
        # What made it final may be in a row that came after those.
        if is_final and self.is_level and await self._head() == head:
            self.is_over = True
            if not self._was_last:  # it ended in the cloud, and the lot has not read that yet
                events.append(self.now(stay.state.value))
        return events

    def now(self, name: str) -> Happened:
        """Return an event that no row tells of."""
        return Happened(str(self._place), name, self._clock.now(), self._stay)

    async def _head(self) -> _Place:
        row = await self._reader.one(_SQL["head"], {"stream": self._stay.lot})
        return _Place(row["epoch"], row["seq"]) if row else _Place(0, 0)

    async def _rows(self, after: _Place, last: int) -> list[sqlite3.Row]:
        """Return the rows about the stay after `after` up to the number `last`."""
        parameters = {"stream": self._stay.lot, "session": self._stay.session, "last": last}
        return await self._reader.all(_SQL["rows_about"], parameters | after._asdict())


def _known(after: str | None, head: _Place) -> _Place | None:
    """Return the place that `after` names, where it can be gone on from."""
    found = re.fullmatch(r"([0-9]{1,19})\.([0-9]{1,19})", after or "")
    if found is None:
        return None
    place = _Place(int(found[1]), int(found[2]))
    is_near = head.seq - MOST_BEHIND <= place.seq <= head.seq
    return place if place.epoch == head.epoch and is_near else None


def _name_of(row: sqlite3.Row) -> str | None:
    record = json.loads(row["body"])
    name = _NAMES.get((row["type"], record.get("direction")))
    return name or _NAMES.get((row["type"], None))
