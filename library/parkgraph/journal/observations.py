"""What callers saw in spaces: kept beside the facts, the newest only, and never journaled."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from parkgraph.journal.ledger import Decision, Moment
from parkgraph.model.api import Observation
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.observations import COUNTS_FOR
from parkgraph.runtime.queries import load_queries

_SQL: Final = load_queries("parkgraph.journal", "observations.sql")


@dataclass(frozen=True, slots=True)
class Observe:
    """Take what was seen just now in spaces of a lot; of two for one space the later one."""

    lot: str
    actor: str
    observations: Sequence[Observation]

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[int]:
        """Return of how many spaces something was told. It is state, so no record comes of it.

        Raises:
            CallRefusedError: the lot has no such space; nothing of it all is taken then.
        """
        rows = connection.execute(_SQL["listed_spaces"], {"lot": self.lot})
        listed = {row["space"] for row in rows}
        for place, seen in enumerate(self.observations):
            if seen.space not in listed:
                raise CallRefusedError(
                    ErrorCode.BAD_REQUEST,
                    f"the lot has no space {seen.space}; nothing of this request was taken",
                    field=f"observations.{place}.space",
                )
        newest = {seen.space: seen.occupied for seen in self.observations}
        connection.executemany(
            _SQL["put_observation"],
            [
                {"lot": self.lot, "space": space, "is_occupied": occupied, "at": _text(moment.at)}
                for space, occupied in newest.items()
            ],
        )
        return Decision(len(newest))


def recently_occupied(connection: sqlite3.Connection, lot: str, now: datetime) -> frozenset[str]:
    """Return the spaces of `lot` that were seen occupied a while before `now`, and not free since.

    What was seen in the future was seen before the clock ran back: nobody knows how old it is.
    """
    parameters = {"lot": lot, "since": _text(now - COUNTS_FOR), "now": _text(now)}
    rows = connection.execute(_SQL["recently_occupied"], parameters)
    return frozenset(row["space"] for row in rows)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
