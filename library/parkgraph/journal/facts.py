"""Reading facts back as the model's nouns."""

import sqlite3
from dataclasses import fields
from datetime import datetime
from typing import Final

from parkgraph.journal.digests import sound
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.plates import Plate
from parkgraph.model.sessions import Session, SessionState
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader

_SQL: Final = load_queries("parkgraph.journal", "facts.sql")
_TIMES: Final = ("reserved_at", "hold_until", "entered_at", "ended_at", "lent_asked_at")

_FIELDS: Final = tuple(field.name for field in fields(Session))


def session_of(row: sqlite3.Row) -> Session:
    """Return the stay in a row of `sessions`."""
    columns = {name: row[name] for name in _FIELDS}
    for name in _TIMES:
        if columns[name]:
            columns[name] = datetime.fromisoformat(columns[name])
    columns["state"] = SessionState(columns["state"])
    columns["autonomous"] = bool(columns["autonomous"])
    return Session(**columns)


def same_request(made: Session, plate: Plate | None, vin: str | None) -> Session:
    """Return the stay that a request made when it came first.

    Raises:
        CallRefusedError: this time it is about another vehicle.
    """
    if (made.plate_letters or None, made.vin) != (plate.letters if plate else None, vin):
        raise CallRefusedError(
            ErrorCode.CONFLICT,
            f"this Idempotency-Key made {made.session} for another vehicle; send a new one",
            field="Idempotency-Key",
        )
    return made


async def find_session(reader: Reader, session: str) -> Session | None:
    """Return one stay, or None."""
    rows = sound(await reader.all(_SQL["session"], {"session": session}))
    return session_of(rows[0]) if rows else None


async def find_sessions_of_fleet(reader: Reader, fleet: str, *, limit: int) -> list[Session]:
    """Return the newest stays of a fleet, newest first."""
    rows = await reader.all(_SQL["sessions_of_fleet"], {"fleet": fleet, "limit": limit})
    return [session_of(row) for row in sound(rows)]
