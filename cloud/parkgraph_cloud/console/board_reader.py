"""Reads the board. What follows from a journal is read again only when that journal has grown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader
from parkgraph.runtime.zones import find_zone
from parkgraph_cloud.console.board import Board, Facts, build_board, build_facts

SQL: Final = load_queries("parkgraph_cloud.console", "board.sql")

MOST_LOTS: Final = 1000
MOST_EVENTS: Final = 12
MOST_CONFLICTS: Final = 5
# More would be too small to tell apart; such a lot has the bar alone.
MOST_SQUARES: Final = 60

_Head = tuple[Any, ...]


class BoardReader:
    """Reads the board from the cloud's database."""

    def __init__(self, reader: Reader) -> None:
        """Read through `reader`."""
        self._reader = reader
        self._facts: dict[str, tuple[_Head, Facts]] = {}

    async def read(self, *, now: datetime, is_connected: bool) -> Board:
        """Return the board at `now`; of more than `MOST_LOTS` lots, the first by their ids."""
        rows = [dict(row) for row in await self._reader.all(SQL["lots"], {"limit": MOST_LOTS})]
        facts = {row["lot"]: await self._facts_of(row) for row in rows}
        return build_board(rows, facts, now=now, is_connected=is_connected)

    async def _facts_of(self, row: Mapping[str, Any]) -> Facts:
        head = (row["epoch"], row["seq"], row["down_seq"], row["time_zone"])
        known = self._facts.get(row["lot"])
        if known and known[0] == head:
            return known[1]
        facts = await self._read_facts(row)
        self._facts[row["lot"]] = (head, facts)
        return facts

    async def _read_facts(self, row: Mapping[str, Any]) -> Facts:
        key = {"lot": row["lot"]}
        counts = dict((await self._reader.all(SQL["counts"], key))[0])
        squares = (
            await self._reader.all(SQL["squares"], key | {"limit": MOST_SQUARES})
            if counts["spaces"] <= MOST_SQUARES
            else []
        )
        events = await self._reader.all(
            SQL["events"], key | {"epoch": row["epoch"], "limit": MOST_EVENTS}
        )
        conflicts = await self._reader.all(SQL["conflicts"], key | {"limit": MOST_CONFLICTS})
        return build_facts(
            counts,
            [dict(square) for square in squares],
            [dict(conflict) for conflict in conflicts],
            [dict(event) for event in events],
            find_zone(row["time_zone"]),
        )
