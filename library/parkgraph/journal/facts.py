"""Reading facts back as the model's nouns."""

import sqlite3
from datetime import datetime
from typing import Final

from parkgraph.model.sessions import Session, SessionState
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader

_SQL: Final = load_queries("parkgraph.journal", "facts.sql")
_TIMES: Final = ("reserved_at", "hold_until", "entered_at", "ended_at")


def session_of(row: sqlite3.Row) -> Session:
    """Return the stay in a row of `sessions`."""
    columns = dict(row)
    for name in _TIMES:
        if columns[name]:
            columns[name] = datetime.fromisoformat(columns[name])
    columns["state"] = SessionState(columns["state"])
    columns["autonomous"] = bool(columns["autonomous"])
    return Session(**columns)


async def find_session(reader: Reader, session: str) -> Session | None:
    """Return one stay, or None."""
    row = await reader.one(_SQL["session"], {"session": session})
    return session_of(row) if row else None


async def find_sessions_of_fleet(reader: Reader, fleet: str, *, limit: int) -> list[Session]:
    """Return the newest stays of a fleet, newest first."""
    rows = await reader.all(_SQL["sessions_of_fleet"], {"fleet": fleet, "limit": limit})
    return [session_of(row) for row in rows]
